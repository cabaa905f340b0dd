# The command line. Its logic is a library, so that tests link it.
renderyard_library(renderyard_cli
  SOURCES access_file.cc feed_client.cc http_client.cc instance_commands.cc job_body.cc jobs_commands.cc operator_commands.cc outputs.cc
    service_peer.cc watch.cc
  LINK renderyard_base renderyard_domain renderyard_runtime renderyard_asio renderyard_proto CURL::libcurl Boost::json Boost::url
       OpenSSL::SSL OpenSSL::Crypto absl::strings absl::str_format absl::status absl::statusor absl::time)

renderyard_executable(renderyard SOURCES main.cc LINK renderyard_cli CLI11::CLI11)
