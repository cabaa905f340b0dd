// renderyard-bridge: owns the connections to ComfyUI instances, submits executions to them, follows them, and copies
// their outputs into the artifact store.
#include <grpcpp/impl/service_type.h>
#include <malloc.h>
#include <unistd.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "libs/common/adapters/artifacts/directory_store.h"
#include "libs/common/adapters/postgres/cancel_store.h"
#include "libs/common/adapters/postgres/execution_store.h"
#include "libs/common/adapters/postgres/hints.h"
#include "libs/common/adapters/postgres/instance_store.h"
#include "libs/common/adapters/postgres/pool.h"
#include "libs/common/adapters/postgres/schema.h"
#include "libs/common/adapters/redis/null_cache.h"
#include "libs/common/adapters/redis/redis_cache.h"
#include "libs/common/adapters/redis/redis_url.h"
#include "libs/common/runtime/common_options.h"
#include "libs/common/runtime/grpc/server.h"
#include "libs/common/runtime/options.h"
#include "libs/common/runtime/service.h"
#include "services/bridge/bridge.h"
#include "services/bridge/bridge_metrics.h"
#include "services/bridge/comfy/comfy_client.h"
#include "services/bridge/comfy/comfy_io.h"
#include "services/bridge/grpc_server.h"
#include "services/bridge/identity_lock.h"

namespace {

using namespace renderyard;

struct Settings {
  runtime::CommonOptions common;
  std::string database_url;
  std::string redis_url;
  std::string artifacts_dir = "artifacts";
  std::string lock_dir;
  std::string grpc_listen = "127.0.0.1:7412";
  std::string grpc_address;
  std::string comfyui_ca_file;
  int database_connections = 8;
  bridge::Config logic;
};

void declare(runtime::Options& options, Settings& settings) {
  settings.common.declare(options);
  options.secret(
      "database-url", settings.database_url,
      {.doc = "PostgreSQL, as libpq takes it; the password better by PGPASSFILE", .required = true, .url = true});
  options.secret("redis-url", settings.redis_url,
                 {.doc = "Redis for fresher progress, redis://[:password@]host:port[/db]; empty = none", .url = true});
  options.integer(
      "database-connections", settings.database_connections,
      {.doc = "connections to PostgreSQL beside the two for notifications", .unit = "", .min = 2, .max = 64});
  options.text("artifacts-dir", settings.artifacts_dir,
               {.doc = "directory of the artifact store, shared with the gateways", .required = true});
  options.text("bridge-id", settings.logic.identity.owner,
               {.doc = "stable name of this bridge: a restart with the same one takes its instances back at once",
                .required = true});
  options.text(
      "lock-dir", settings.lock_dir,
      {.doc = "directory on this host for the lock that tells a dead predecessor from a stopped one; empty = none "
              "(then more submissions end as unclear after a crash). Not on a network file system"});
  runtime::declare_grpc_listen(options, settings.grpc_listen, settings.common);
  options.text(
      "grpc-address", settings.grpc_address,
      {.doc = "host:port under which dispatchers and gateways reach this bridge; empty = the address listened on"});
  options.check([&settings]() -> std::vector<std::string> {
    const auto listen = runtime::parse_listen_address(settings.grpc_listen);
    const bool everywhere = listen.ok() && (listen->host == "0.0.0.0" || listen->host == "::");
    if (!everywhere || !settings.grpc_address.empty()) return {};
    return {"--grpc-listen is every address of this host, which no other host can call: give --grpc-address"};
  });
  options.text("comfyui-ca-file", settings.comfyui_ca_file,
               {.doc = "PEM file of certificates to trust for https instances beside the system's; empty = none"});
  options.duration("lease-ttl", settings.logic.lease_ttl,
                   {.doc = "another bridge takes over an instance when its lease was not renewed for so long",
                    .min = absl::Seconds(6),
                    .max = absl::Minutes(5)});
  options.duration("progress-interval", settings.logic.progress_every,
                   {.doc = "between two progress updates of one job, the first and the last apart; 0s = every one",
                    .min = absl::ZeroDuration(),
                    .max = absl::Minutes(1)});
}

// Redis away is a degradation that is named, never a reason not to be ready.
redis::RedisObserver report_to(runtime::Service& service, bridge::BridgeMetrics& metrics) {
  return {.on_state =
              [&service](bool connected) {
                service.health().set("redis", connected ? runtime::Condition::kOk : runtime::Condition::kDegraded,
                                     connected ? "" : "away: progress comes from PostgreSQL alone");
              },
          .on_dropped = [&metrics] { metrics.dropped_by_redis(); }};
}

class Api final : public bridge::BridgeApi {
 public:
  explicit Api(bridge::Bridge& logic) : logic_(logic) {}
  void wake(ports::ExecutionId execution, ports::InstanceId instance) override { logic_.wake(execution, instance); }
  base::StreamPtr<ports::Progress> watch_progress() override { return logic_.watch_progress(); }
  base::StreamPtr<ports::BridgeEvent> watch_events(bool previews) override { return logic_.watch_events(previews); }

 private:
  bridge::Bridge& logic_;
};

}  // namespace

int main(int argc, char** argv) {
  // What one thread takes another often gives back: with an arena for each a fifth of the memory of a large fleet is
  // holes.
  mallopt(M_ARENA_MAX, 1);
  Settings settings;
  settings.logic.identity.owner = "bridge";
  runtime::Options options("renderyard-bridge", "Owns the ComfyUI connections and runs executions on them.");
  declare(options, settings);
  if (const auto code = options.parse(argc, argv, environ)) return *code;

  runtime::Service service("bridge", settings.common);
  bridge::BridgeMetrics metrics(service.metrics());
  metrics.on_store = [&service](bool answers) {
    service.health().set("store", answers ? runtime::Condition::kOk : runtime::Condition::kDegraded,
                         answers ? "" : "PostgreSQL does not answer: prompts go on, nothing new begins");
  };
  std::optional<bridge::IdentityLock> lock;
  if (!settings.lock_dir.empty()) {
    auto taken = bridge::IdentityLock::take(settings.lock_dir, settings.logic.identity.owner);
    if (taken.ok()) {
      lock.emplace(*std::move(taken));
      settings.logic.identity.lock = lock->token();
    } else if (absl::IsUnavailable(taken.status())) {
      // A stopped predecessor: its leases are taken back all the same, its unclear submissions stay unclear.
      service.journal().warning("identity_in_use", {{base::key::kReason, taken.status().ToString()}});
    } else {
      service.journal().error("start_failed", {{base::key::kReason, taken.status().ToString()}});
      return 1;
    }
  }

  postgres::SessionOptions session;
  session.database_url = settings.database_url;
  session.application_name = "renderyard-bridge";
  postgres::Pool pool({.session = session, .threads = settings.database_connections});
  postgres::ExecutionStore executions(pool, service.strand());
  postgres::CancelStore cancels(pool, service.strand());
  postgres::InstanceStore instances(pool, service.strand());
  postgres::Hints hints(session, service.strand());
  artifacts::DirectoryArtifactStore artifact_store(service.strand(), service.journal(),
                                                   {.root = settings.artifacts_dir});
  redis::NullProgressCache no_cache;
  std::optional<redis::RedisProgressCache> redis_cache;
  if (!settings.redis_url.empty()) {
    const auto url = redis::parse_redis_url(settings.redis_url);
    if (!url.ok()) {
      service.journal().error("start_failed", {{base::key::kReason, url.status().ToString()}});
      return 2;
    }
    redis_cache.emplace(
        redis::RedisProgressCache::Deps{service.strand(), service.clock(), service.random(), service.journal()},
        redis::RedisProgressCache::Config{.url = *url}, report_to(service, metrics));
  }
  ports::ProgressCache& cache = redis_cache ? static_cast<ports::ProgressCache&>(*redis_cache) : no_cache;
  comfy::ComfyIo io;
  if (const absl::Status usable = comfy::check_ca_file(settings.comfyui_ca_file); !usable.ok()) {
    service.journal().error("start_failed", {{base::key::kReason, usable.ToString()}});
    return 2;
  }
  comfy::ComfyClients clients(io, service.strand(), service.clock(),
                              {.ca_file = settings.comfyui_ca_file,
                               .on_unreadable = [&metrics] { metrics.unreadable_frame(); },
                               .on_dropped = [&metrics] { metrics.dropped_message(); }});

  runtime::GrpcServer grpc({service.strand(), service.clock(), service.journal()},
                           {.listen = settings.grpc_listen, .security = settings.common.security});
  bridge::Bridge logic({service.strand(), service.clock(), service.random(), service.journal(), executions, clients,
                        artifact_store, cache, hints, metrics},
                       settings.logic);
  Api api(logic);
  const auto bridge_handlers = bridge::make_bridge_service(grpc.core(), api, {cancels, hints, service.clock()});
  const auto instance_handlers = bridge::make_instance_service(grpc.core(), instances, hints);
  grpc.add(*bridge_handlers, "renderyard.v1.BridgeService");
  grpc.add(*instance_handlers, "renderyard.v1.InstanceService");

  service.add({.name = "database",
               .start = [&session] { return postgres::check_schema(session); },
               .close = [&pool] { pool.stop(); }});
  service.add({.name = "artifacts",
               .start = [&artifact_store] { return artifact_store.open_root(); },
               .close = [&artifact_store] { artifact_store.close(); }});
  service.add({.name = "comfyui", .close = [&io] { io.stop(); }});
  if (redis_cache) {
    service.add({.name = "redis",
                 .run = [&redis_cache] { return redis_cache->run(); },
                 .stop = [&redis_cache] { redis_cache->stop(); }});
  }
  runtime::attach(service, grpc);
  service.add({.name = "bridge",
               .start =
                   [&] {
                     logic.set_address(settings.grpc_address.empty() ? grpc.address() : settings.grpc_address);
                     return absl::OkStatus();
                   },
               .run = [&logic] { return logic.run(); },
               .stop = [&logic] { logic.stop(); }});
  return service.run();
}
