renderyard_test(runtime_test LABEL unit
  SOURCES options_test.cc log_test.cc service_test.cc
  LINK renderyard_runtime)
renderyard_test(grpc_parts_test LABEL unit
  SOURCES grpc_status_test.cc access_input_test.cc instance_input_test.cc
  LINK renderyard_bridge_grpc)
