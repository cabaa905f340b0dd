// The admin port: GET /livez (the logic thread answers, so it lives), /readyz (200 or 503, with the reasons), /metrics.
// Nothing else, HTTP/1.1, small requests only. Bound to anything but loopback it speaks TLS and wants the service token
// as "Authorization: Bearer …" (the bind rule is checked with the options, listen_address.h; this class checks it
// again). Thread-safety: on the strand's thread. At most 32 connections at a time, each for at most 10 s; more are
// closed at once.
#pragma once

#include <absl/status/status.h>

#include <boost/asio/io_context.hpp>
#include <memory>
#include <string>

#include "libs/common/runtime/health.h"
#include "libs/common/runtime/listen_address.h"
#include "libs/common/runtime/metrics.h"

namespace renderyard::runtime {

class AdminHttp {
 public:
  AdminHttp(boost::asio::io_context& io, const Health& health, const Metrics& metrics);
  ~AdminHttp();
  AdminHttp(const AdminHttp&) = delete;
  AdminHttp& operator=(const AdminHttp&) = delete;

  // INVALID_ARGUMENT (bind rule, certificate), UNAVAILABLE (address in use).
  absl::Status start(const std::string& listen, const TransportSecurity& security);
  // host:port, the actual one; empty when not started.
  std::string address() const;
  void stop();

 private:
  struct Server;
  std::shared_ptr<Server> server_;
};

}  // namespace renderyard::runtime
