// Channels to our other services, one per address, and what every call on them carries. A dead address is tried again
// after 0.1 to 1.2 s; a silent connection is found by pings within 15 s.
// Thread-safety: on the strand.
#pragma once

#include <absl/status/statusor.h>
#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <grpcpp/security/credentials.h>

#include <map>
#include <memory>
#include <string>

#include "libs/common/runtime/listen_address.h"

namespace renderyard::grpc_clients {

class Channels {
 public:
  // TLS when security.tls_ca is given; the service token when security.service_token_file is, without TLS to loopback
  // addresses only. INVALID_ARGUMENT: a file cannot be read.
  static absl::StatusOr<std::shared_ptr<Channels>> create(const runtime::TransportSecurity& security);

  enum class Encrypted { kYes, kNo };
  Channels(std::shared_ptr<grpc::ChannelCredentials> credentials, Encrypted encrypted, std::string token);

  // Bounded: above 64 addresses all idle ones are forgotten (calls hold their own channel).
  std::shared_ptr<grpc::Channel> get(const std::string& address);
  // Adds the token, to a call on the channel to `address`.
  void prepare(grpc::ClientContext& context, const std::string& address) const;

 private:
  std::shared_ptr<grpc::ChannelCredentials> credentials_;
  const Encrypted encrypted_;
  std::string token_;
  std::map<std::string, std::shared_ptr<grpc::Channel>> channels_;
};

}  // namespace renderyard::grpc_clients
