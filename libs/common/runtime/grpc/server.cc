#include "libs/common/runtime/grpc/server.h"

#include <absl/strings/str_cat.h>
#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/health_check_service_interface.h>

#include <atomic>
#include <chrono>
#include <thread>
#include <utility>
#include <vector>

#include "libs/common/base/status_macros.h"
#include "libs/common/runtime/grpc/log.h"
#include "libs/common/runtime/grpc/server_core.h"
#include "libs/common/runtime/token.h"

namespace renderyard::runtime {

namespace {

// A peer that does not answer a ping within 5 s is gone; clients of ours ping every 10 s themselves.
constexpr int kKeepaliveMs = 10'000;
constexpr int kKeepaliveTimeoutMs = 5'000;
constexpr int kMinPingIntervalMs = 5'000;
// Nothing but events and ids comes in.
constexpr int kMaxReceivedBytes = 1 << 20;
// How long the transport may take to end when no call lives any more.
constexpr auto kTransportGrace = std::chrono::seconds(1);

}  // namespace

struct GrpcServer::Transport {
  std::vector<grpc::Service*> services;
  std::vector<std::string> names;
  std::unique_ptr<grpc::Server> server;
  std::thread closer;
};

GrpcServer::GrpcServer(Deps deps, Config config)
    : deps_(deps),
      config_(std::move(config)),
      core_(std::make_shared<ServerCore>(deps.strand, deps.clock, deps.journal, config_.default_deadline,
                                         config_.max_calls)),
      transport_(std::make_unique<Transport>()) {}

GrpcServer::~GrpcServer() {
  close();
}

void GrpcServer::add(grpc::Service& service, std::string name) {
  transport_->names.push_back(std::move(name));
  transport_->services.push_back(&service);
}

absl::Status GrpcServer::start() {
  RETURN_IF_ERROR(check_listener("--grpc-listen", config_.listen, config_.security));
  ASSIGN_OR_RETURN(ListenAddress listen, parse_listen_address(config_.listen));
  ASSIGN_OR_RETURN(std::string token, read_service_token(config_.security.service_token_file));
  core_->set_token(std::move(token));
  std::shared_ptr<grpc::ServerCredentials> credentials = grpc::InsecureServerCredentials();
  if (!config_.security.tls_cert.empty()) {
    ASSIGN_OR_RETURN(std::string certificate, read_file("--tls-cert", config_.security.tls_cert));
    ASSIGN_OR_RETURN(std::string key, read_file("--tls-key", config_.security.tls_key));
    grpc::SslServerCredentialsOptions options;
    options.pem_key_cert_pairs.push_back({std::move(key), std::move(certificate)});
    credentials = grpc::SslServerCredentials(options);
  }
  grpc::EnableDefaultHealthCheckService(true);
  grpc::reflection::InitProtoReflectionServerBuilderPlugin();
  grpc::ServerBuilder builder;
  int port = 0;
  builder.AddListeningPort(listen.text(), credentials, &port);
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);  // two services on one port would share the calls unseen
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, kKeepaliveMs);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kKeepaliveTimeoutMs);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, kMinPingIntervalMs);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);  // a stream may be idle for long
  builder.SetMaxReceiveMessageSize(kMaxReceivedBytes);
  for (grpc::Service* service : transport_->services) builder.RegisterService(service);
  transport_->server = builder.BuildAndStart();
  if (!transport_->server || port == 0) {
    return absl::UnavailableError(
        absl::StrCat("--grpc-listen: cannot listen on ", config_.listen, "; is it in use, is the certificate right?"));
  }
  if (auto* health = transport_->server->GetHealthCheckService()) {
    for (const std::string& name : transport_->names) health->SetServingStatus(name, false);
  }
  set_serving(false);
  listen.port = static_cast<std::uint16_t>(port);
  address_ = listen.text();
  deps_.journal.info("grpc_listening", {{"address", address_}, {"tls", !config_.security.tls_cert.empty()}});
  return absl::OkStatus();
}

void GrpcServer::set_serving(bool serving) {
  if (!transport_->server) return;
  if (auto* health = transport_->server->GetHealthCheckService()) health->SetServingStatus(serving);
}

void GrpcServer::stop_accepting() {
  core_->refuse_new();
  set_serving(false);
}

void GrpcServer::stop() {
  core_->cancel_all();
}

base::Task<absl::Status> GrpcServer::drain() {
  CO_RETURN_IF_ERROR(co_await core_->wait_until_idle());
  if (!transport_->server || transport_->closer.joinable()) co_return absl::OkStatus();
  // Shutdown blocks until the transport's threads are done with our calls, which may need the strand: so not on it.
  auto start = [this](base::Completer<absl::Status> completer) {
    transport_->closer = std::thread([this, completer] {
      transport_->server->Shutdown(std::chrono::system_clock::now() + kTransportGrace);
      completer.post(absl::OkStatus());
    });
  };
  co_return co_await base::suspend<absl::Status>(deps_.strand, start);
}

void GrpcServer::close() {
  if (!transport_->server) return;
  transport_->server->Shutdown(std::chrono::system_clock::now() + kTransportGrace);
  if (transport_->closer.joinable()) transport_->closer.join();
  transport_->server.reset();
}

void attach(Service& service, GrpcServer& server) {
  service.add({.name = "grpc",
               .start =
                   [&service, &server] {
                     route_grpc_log(&service.journal());
                     RETURN_IF_ERROR(server.start());
                     service.announce("grpc", server.address());
                     service.health().on_change([&server](bool ready) { server.set_serving(ready); });
                     return absl::OkStatus();
                   },
               .stop_accepting = [&server] { server.stop_accepting(); },
               .stop = [&server] { server.stop(); },
               .drain = [&server] { return server.drain(); },
               .close =
                   [&service, &server] {
                     service.health().on_change({});
                     server.close();
                     route_grpc_log(nullptr);
                   }});
}

}  // namespace renderyard::runtime
