#include "cli/service_peer.h"

#include <absl/status/status.h>
#include <absl/strings/str_cat.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/support/channel_arguments.h>

#include <chrono>

#include "libs/common/base/status_macros.h"
#include "libs/common/runtime/listen_address.h"
#include "libs/common/runtime/token.h"

namespace renderyard::cli {

namespace {
constexpr auto kDeadline = std::chrono::seconds(10);
}

absl::StatusOr<PeerChannel> PeerChannel::open(const ServicePeer& peer) {
  PeerChannel opened;
  ASSIGN_OR_RETURN(opened.token_, runtime::read_service_token(peer.service_token_file));
  std::shared_ptr<grpc::ChannelCredentials> credentials = grpc::InsecureChannelCredentials();
  if (!peer.tls_ca.empty()) {
    grpc::SslCredentialsOptions options;
    ASSIGN_OR_RETURN(options.pem_root_certs, runtime::read_file("--tls-ca", peer.tls_ca));
    credentials = grpc::SslCredentials(options);
  } else if (!opened.token_.empty()) {
    const auto address = runtime::parse_listen_address(peer.address);
    if (!address.ok() || !runtime::is_loopback(*address)) {
      return absl::InvalidArgumentError(
          absl::StrCat("the service token would go to ", peer.address, " in clear: give --tls-ca"));
    }
  }
  // A proxy of the environment would read what is not encrypted, the token with it.
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  opened.channel_ = grpc::CreateCustomChannel(peer.address, credentials, arguments);
  return opened;
}

void PeerChannel::prepare(grpc::ClientContext& context) const {
  context.set_deadline(std::chrono::system_clock::now() + kDeadline);
  if (!token_.empty()) context.AddMetadata("authorization", "Bearer " + token_);
}

}  // namespace renderyard::cli
