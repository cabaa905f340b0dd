#include "libs/common/adapters/grpc/channels.h"

#include <grpcpp/create_channel.h>
#include <grpcpp/support/channel_arguments.h>

#include <utility>

#include "libs/common/base/status_macros.h"
#include "libs/common/runtime/token.h"

namespace renderyard::grpc_clients {

namespace {
constexpr std::size_t kMaxChannels = 64;
}

absl::StatusOr<std::shared_ptr<Channels>> Channels::create(const runtime::TransportSecurity& security) {
  ASSIGN_OR_RETURN(std::string token, runtime::read_service_token(security.service_token_file));
  std::shared_ptr<grpc::ChannelCredentials> credentials = grpc::InsecureChannelCredentials();
  if (!security.tls_ca.empty()) {
    grpc::SslCredentialsOptions options;
    ASSIGN_OR_RETURN(options.pem_root_certs, runtime::read_file("--tls-ca", security.tls_ca));
    credentials = grpc::SslCredentials(options);
  }
  const auto encrypted = security.tls_ca.empty() ? Encrypted::kNo : Encrypted::kYes;
  return std::make_shared<Channels>(std::move(credentials), encrypted, std::move(token));
}

Channels::Channels(std::shared_ptr<grpc::ChannelCredentials> credentials, Encrypted encrypted, std::string token)
    : credentials_(std::move(credentials)), encrypted_(encrypted), token_(std::move(token)) {}

std::shared_ptr<grpc::Channel> Channels::get(const std::string& address) {
  if (const auto found = channels_.find(address); found != channels_.end()) return found->second;
  if (channels_.size() >= kMaxChannels) {
    std::erase_if(channels_, [](const auto& entry) { return entry.second.use_count() == 1; });
  }
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 100);
  // In spite of its name: how long one attempt to connect may take, TLS included. Refused ones end at once.
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 5'000);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 1'000);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, 10'000);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 5'000);
  arguments.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);  // a stream may be idle for long: pings go on
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);          // an http_proxy of the environment is not for our own calls
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);  // no connection outlives its client
  auto channel = grpc::CreateCustomChannel(address, credentials_, arguments);
  channels_.emplace(address, channel);
  return channel;
}

void Channels::prepare(grpc::ClientContext& context, const std::string& address) const {
  if (token_.empty()) return;
  const auto parsed = runtime::parse_listen_address(address);
  const bool stays_here = parsed.ok() && runtime::is_loopback(*parsed);
  if (encrypted_ == Encrypted::kYes || stays_here) context.AddMetadata("authorization", "Bearer " + token_);
}

}  // namespace renderyard::grpc_clients
