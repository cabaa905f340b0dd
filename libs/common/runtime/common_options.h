// The options that every service has.
#pragma once

#include <absl/time/time.h>

#include <string>

#include "libs/common/runtime/listen_address.h"
#include "libs/common/runtime/options.h"

namespace renderyard::runtime {

struct CommonOptions {
  std::string log_level = "info";
  std::string admin_listen = "127.0.0.1:0";  // empty = off
  std::string port_file;
  absl::Duration shutdown_timeout = absl::Seconds(20);
  TransportSecurity security;

  // Declares them, with the bind rule for the admin port. Must outlive options.parse().
  void declare(Options& options);
};

// Declares --grpc-listen with the bind rule.
void declare_grpc_listen(Options& options, std::string& target, const CommonOptions& common);

}  // namespace renderyard::runtime
