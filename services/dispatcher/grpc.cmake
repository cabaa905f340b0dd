# The dispatcher's gRPC handler, apart from its logic, so that the simulation builds without gRPC.
renderyard_library(renderyard_dispatcher_grpc
  SOURCES grpc_server.cc operator_grpc.cc
  LINK renderyard_grpc renderyard_ports)
