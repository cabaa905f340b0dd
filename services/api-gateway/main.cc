// renderyard-gateway: REST and WebSocket for people and programs; nothing else of Renderyard faces them.
#include <unistd.h>

#include <memory>
#include <string>
#include <vector>

#include "libs/common/adapters/artifacts/directory_store.h"
#include "libs/common/adapters/grpc/channels.h"
#include "libs/common/adapters/grpc/peers.h"
#include "libs/common/adapters/postgres/hints.h"
#include "libs/common/adapters/postgres/job_store.h"
#include "libs/common/adapters/postgres/pool.h"
#include "libs/common/adapters/postgres/schema.h"
#include "libs/common/runtime/common_options.h"
#include "libs/common/runtime/listen_address.h"
#include "libs/common/runtime/options.h"
#include "libs/common/runtime/service.h"
#include "services/api-gateway/gateway.h"
#include "services/api-gateway/http/server.h"

namespace {

using namespace renderyard;

struct Settings {
  runtime::CommonOptions common;
  std::string database_url;
  int database_connections = 8;
  std::string http_listen = "127.0.0.1:8080";
  std::vector<std::string> dispatchers = {"127.0.0.1:7411"};
  std::string artifacts_dir;
  int max_body_bytes = 100 * 1024 * 1024;
  int max_connections = 1024;
};

void declare(runtime::Options& options, Settings& settings) {
  settings.common.declare(options);
  options.secret(
      "database-url", settings.database_url,
      {.doc = "PostgreSQL, as libpq takes it; the password better by PGPASSFILE", .required = true, .url = true});
  options.integer(
      "database-connections", settings.database_connections,
      {.doc = "connections to PostgreSQL beside the two for notifications", .unit = "", .min = 2, .max = 64});
  options.address("http-listen", settings.http_listen,
                  {.doc = "REST and WebSocket; every request but /healthz needs a token", .required = true});
  options.list(
      "dispatcher-addresses", settings.dispatchers,
      {.doc = "gRPC addresses of the dispatchers; one is followed, the next when it is lost", .required = true});
  options.text("artifacts-dir", settings.artifacts_dir,
               {.doc = "the directory into which the bridges put output files", .required = true});
  options.integer("max-body-bytes", settings.max_body_bytes,
                  {.doc = "largest body of POST /api/v1/jobs", .unit = "bytes", .min = 1024, .max = 1 << 30});
  options.integer(
      "max-connections", settings.max_connections,
      {.doc = "HTTP and WebSocket connections at a time; more are answered 503", .unit = "", .min = 1, .max = 100'000});
}

}  // namespace

int main(int argc, char** argv) {
  Settings settings;
  runtime::Options options("renderyard-gateway", "REST and WebSocket for jobs and their outputs.");
  declare(options, settings);
  if (const auto code = options.parse(argc, argv, environ)) return *code;

  runtime::Service service("gateway", settings.common);
  postgres::SessionOptions session;
  session.database_url = settings.database_url;
  session.application_name = "renderyard-gateway";
  postgres::Pool pool({.session = session, .threads = settings.database_connections});
  postgres::JobStore store(pool, service.strand());
  postgres::Hints hints(session, service.strand());
  auto channels = grpc_clients::Channels::create(settings.common.security);
  if (!channels.ok()) {
    service.journal().error("start_failed", {{base::key::kReason, channels.status().ToString()}});
    return 1;
  }
  grpc_clients::GrpcBridgeClient bridges(service.strand(), service.clock(), *channels);
  grpc_clients::GrpcDispatcherClient dispatchers(service.strand(), *channels);
  artifacts::DirectoryArtifactStore files(service.strand(), service.journal(), {.root = settings.artifacts_dir});

  gateway::Config config;
  config.dispatcher_addresses = settings.dispatchers;
  config.max_body_bytes = static_cast<std::size_t>(settings.max_body_bytes);
  gateway::Gateway logic({service.strand(), service.clock(), service.random(), service.journal(), store, bridges,
                          dispatchers, hints, files},
                         config);
  logic.on_following_events([&service](bool following) {
    service.health().set("events", following ? runtime::Condition::kOk : runtime::Condition::kDegraded,
                         following ? "" : "no dispatcher answers");
  });

  gateway::http::ServerConfig http_config;
  const auto address = runtime::parse_listen_address(settings.http_listen);
  if (!address.ok()) {
    service.journal().error("start_failed", {{base::key::kReason, address.status().ToString()}});
    return 1;
  }
  http_config.host = address->host;
  http_config.port = address->port;
  http_config.max_connections = static_cast<std::size_t>(settings.max_connections);
  gateway::http::Server http({service.io(), service.strand(), service.clock(), service.journal(), logic}, http_config);

  service.add({.name = "database",
               .start = [&session] { return postgres::check_schema(session); },
               .close = [&pool] { pool.stop(); }});
  service.add({.name = "artifacts",
               .start = [&files] { return files.open_root(artifacts::DirectoryArtifactStore::Access::kRead); },
               .close = [&files] { files.close(); }});
  service.add({.name = "gateway", .run = [&logic] { return logic.run(); }, .stop = [&logic] { logic.stop(); }});
  service.add({.name = "http",
               .start =
                   [&http, &service] {
                     const absl::Status status = http.listen();
                     if (status.ok()) service.announce("http", http.address());
                     return status;
                   },
               .run = [&http] { return http.run(); },
               .stop = [&http] { http.stop(); }});
  return service.run();
}
