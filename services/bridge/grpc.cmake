# The bridge's gRPC handlers, apart from its logic, so that the simulation builds without gRPC.
renderyard_library(renderyard_bridge_grpc
  SOURCES access_input.cc event_grpc.cc grpc_server.cc instance_grpc.cc instance_input.cc
  LINK renderyard_bridge renderyard_grpc renderyard_ports Boost::url)
