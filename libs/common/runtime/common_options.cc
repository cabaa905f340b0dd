#include "libs/common/runtime/common_options.h"

#include <vector>

namespace renderyard::runtime {

namespace {

std::vector<std::string> check_bind(const std::string& option, const std::string& address,
                                    const TransportSecurity& security) {
  const absl::Status status = check_listener(option, address, security);
  if (status.ok()) return {};
  return {std::string(status.message())};
}

}  // namespace

void CommonOptions::declare(Options& options) {
  options.choice("log-level", log_level, {"debug", "info", "warning", "error"}, "Least severity that is logged");
  options.address("admin-listen", admin_listen,
                  {.doc = "Where /livez, /readyz and /metrics are served; port 0 = any free one, empty = nowhere"});
  options.text("port-file", port_file, {.doc = "JSON file that gets the actual addresses when the service is up"});
  options.duration("shutdown-timeout", shutdown_timeout,
                   {.doc = "After this much time a stop that does not end is cut short",
                    .min = absl::Seconds(1),
                    .max = absl::Minutes(10)});
  options.text("tls-cert", security.tls_cert,
               {.doc = "PEM file with the certificate chain of the admin and gRPC ports"});
  options.text("tls-key", security.tls_key, {.doc = "PEM file with its private key"});
  options.text(
      "tls-ca", security.tls_ca,
      {.doc = "PEM file with the authorities of the other services; when given, calls between services use TLS"});
  options.text("service-token-file", security.service_token_file,
               {.doc = "File with the token that the services show each other, one line"});
  options.check([this] {
    std::vector<std::string> wrong = check_bind("--admin-listen", admin_listen, security);
    if (security.tls_cert.empty() != security.tls_key.empty()) {
      wrong.emplace_back("--tls-cert, --tls-key: one without the other");
    }
    return wrong;
  });
}

void declare_grpc_listen(Options& options, std::string& target, const CommonOptions& common) {
  options.address("grpc-listen", target, {.doc = "Where gRPC is served; port 0 = any free one", .required = true});
  options.check([&target, &common] { return check_bind("--grpc-listen", target, common.security); });
}

}  // namespace renderyard::runtime
