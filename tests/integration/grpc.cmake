renderyard_test(grpc_test LABEL integration
  SOURCES bridge_events_test.cc certificate.cc grpc_security_test.cc grpc_standard_test.cc grpc_test.cc instance_service_test.cc
  LINK renderyard_bridge_grpc renderyard_dispatcher_grpc renderyard_grpc_adapters renderyard_runtime OpenSSL::Crypto)
