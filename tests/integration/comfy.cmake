# Servers that tests talk to: scripted ones with their certificates, and comfysim as a process.
renderyard_test_library(renderyard_test_servers
  SOURCES comfy/certificate.cc comfy/raw_server.cc comfy/sim_process.cc
  LINK renderyard_asio Boost::json OpenSSL::SSL)

# The ComfyUI adapters against scripted servers and against comfysim.
renderyard_test(comfy_adapter_test LABEL integration
  SOURCES comfy/http_client_test.cc comfy/http_download_test.cc comfy/prompt_post_test.cc comfy/ws_socket_test.cc
  LINK renderyard_test_servers renderyard_bridge_comfy renderyard_runtime)

renderyard_test(comfy_comfysim_test LABEL integration
  SOURCES comfy/comfysim_test.cc
  LINK renderyard_test_servers renderyard_bridge_comfy renderyard_runtime)
add_dependencies(comfy_comfysim_test comfysim)

renderyard_test(recorded_streams_test LABEL integration
  SOURCES comfy/recorded_streams_test.cc ${PROJECT_SOURCE_DIR}/tests/unit/recordings.cc
  LINK renderyard_test_servers renderyard_bridge renderyard_bridge_comfy renderyard_runtime Boost::json absl::strings)
