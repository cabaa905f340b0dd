// One of our services over gRPC, as the command line calls it: TLS by a certificate authority's file, the service token
// by a file, as the services themselves have them. The token leaves this machine over TLS only.
#pragma once

#include <absl/status/statusor.h>
#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>

#include <memory>
#include <string>

namespace renderyard::cli {

struct ServicePeer {
  std::string address;             // host:port
  std::string tls_ca;              // PEM file; empty = no TLS
  std::string service_token_file;  // empty = none
};

class PeerChannel {
 public:
  // INVALID_ARGUMENT: a file cannot be read, or the token would go over the network in clear.
  static absl::StatusOr<PeerChannel> open(const ServicePeer& peer);

  const std::shared_ptr<grpc::Channel>& channel() const { return channel_; }
  // Adds the token and a deadline of 10 s.
  void prepare(grpc::ClientContext& context) const;

 private:
  std::shared_ptr<grpc::Channel> channel_;
  std::string token_;
};

}  // namespace renderyard::cli
