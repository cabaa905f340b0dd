// renderyard-dispatcher: claims waiting jobs for free slots, settles them, serves the lifecycle events over gRPC.
#include <grpcpp/impl/service_type.h>
#include <unistd.h>

#include <memory>
#include <string>

#include "libs/common/adapters/grpc/channels.h"
#include "libs/common/adapters/grpc/peers.h"
#include "libs/common/adapters/postgres/dispatch_store.h"
#include "libs/common/adapters/postgres/event_log.h"
#include "libs/common/adapters/postgres/hints.h"
#include "libs/common/adapters/postgres/operator_store.h"
#include "libs/common/adapters/postgres/pool.h"
#include "libs/common/adapters/postgres/schema.h"
#include "libs/common/runtime/common_options.h"
#include "libs/common/runtime/grpc/server.h"
#include "libs/common/runtime/options.h"
#include "libs/common/runtime/service.h"
#include "services/dispatcher/dispatcher.h"
#include "services/dispatcher/grpc_server.h"

namespace {

using namespace renderyard;

class Events final : public dispatcher::EventsApi {
 public:
  explicit Events(dispatcher::Dispatcher& logic) : logic_(logic) {}
  base::StreamPtr<ports::EventBatch> watch_events(std::string epoch, std::optional<std::int64_t> after) override {
    return logic_.watch_events(std::move(epoch), after);
  }

 private:
  dispatcher::Dispatcher& logic_;
};

struct Settings {
  runtime::CommonOptions common;
  std::string database_url;
  std::string grpc_listen = "127.0.0.1:7411";
  int database_connections = 4;
  dispatcher::Config logic;
};

void declare(runtime::Options& options, Settings& settings) {
  settings.common.declare(options);
  options.secret(
      "database-url", settings.database_url,
      {.doc = "PostgreSQL, as libpq takes it; the password better by PGPASSFILE", .required = true, .url = true});
  options.integer(
      "database-connections", settings.database_connections,
      {.doc = "connections to PostgreSQL beside the two for notifications", .unit = "", .min = 2, .max = 64});
  runtime::declare_grpc_listen(options, settings.grpc_listen, settings.common);
  options.text("dispatcher-id", settings.logic.id, {.doc = "name of this dispatcher, shown with the jobs it claimed"});
  options.duration("poll-interval", settings.logic.poll,
                   {.doc = "how long a lost notification can delay a claim or a settlement",
                    .min = absl::Milliseconds(50),
                    .max = absl::Minutes(1)});
  options.duration("withdraw-after", settings.logic.withdraw_after,
                   {.doc = "an assignment that no bridge has started by then is taken back",
                    .min = absl::Seconds(1),
                    .max = absl::Hours(1)});
  options.integer(
      "submission-attempts", settings.logic.submission_attempts,
      {.doc = "so often a prompt is sent that no instance accepts, before its job fails as submission_refused",
       .unit = "",
       .min = 1,
       .max = 20});
  options.integer(
      "batch", settings.logic.batch,
      {.doc = "at most so many jobs per claim and executions per settlement", .unit = "", .min = 1, .max = 4096});
}

}  // namespace

int main(int argc, char** argv) {
  Settings settings;
  runtime::Options options("renderyard-dispatcher", "Claims waiting jobs for free slots and settles them.");
  declare(options, settings);
  if (const auto code = options.parse(argc, argv, environ)) return *code;

  runtime::Service service("dispatcher", settings.common);
  postgres::SessionOptions session;
  session.database_url = settings.database_url;
  session.application_name = "renderyard-dispatcher";
  postgres::Pool pool({.session = session, .threads = settings.database_connections});
  postgres::DispatchStore store(pool, service.strand());
  postgres::OperatorStore operators(pool, service.strand());
  postgres::EventLog log(pool, service.strand());
  postgres::Hints hints(session, service.strand());
  auto channels = grpc_clients::Channels::create(settings.common.security);
  if (!channels.ok()) {
    service.journal().error("start_failed", {{base::key::kReason, channels.status().ToString()}});
    return 1;
  }
  grpc_clients::GrpcBridgeClient bridges(service.strand(), service.clock(), *channels);

  auto on_store = [&service](bool answers) {
    service.health().set("store", answers ? runtime::Condition::kOk : runtime::Condition::kDegraded,
                         answers ? "" : "PostgreSQL does not answer: nothing is claimed or settled");
  };
  dispatcher::Dispatcher logic(
      {service.strand(), service.clock(), service.random(), service.journal(), store, log, bridges, hints, on_store},
      settings.logic);
  Events events(logic);
  runtime::GrpcServer grpc({service.strand(), service.clock(), service.journal()},
                           {.listen = settings.grpc_listen, .security = settings.common.security});
  const auto handlers = dispatcher::make_dispatcher_service(grpc.core(), events);
  grpc.add(*handlers, "renderyard.v1.DispatcherService");
  const auto operator_handlers = dispatcher::make_operator_service(grpc.core(), operators, hints);
  grpc.add(*operator_handlers, "renderyard.v1.OperatorService");

  service.add({.name = "database",
               .start = [&session] { return postgres::check_schema(session); },
               .close = [&pool] { pool.stop(); }});
  service.add({.name = "dispatcher", .run = [&logic] { return logic.run(); }, .stop = [&logic] { logic.stop(); }});
  runtime::attach(service, grpc);
  return service.run();
}
