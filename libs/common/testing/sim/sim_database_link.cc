#include "libs/common/testing/sim/sim_database_link.h"

#include <utility>

namespace renderyard::testing::sim {

namespace {

absl::Duration latency(World& world, const DatabaseWeather& weather) {
  return weather.latency_min + world.random().jitter(weather.latency_max - weather.latency_min);
}

// idle_in_transaction_session_timeout of our roles.
constexpr absl::Duration kIdleInTransaction = absl::Seconds(5);
constexpr absl::Duration kConnectTimeout = absl::Seconds(3);

}  // namespace

void SimDatabaseLink::call(std::shared_ptr<DatabaseCall> call) {
  World& world = process_.world();
  if (call->writes() && !world.effect(process_, call->name())) return;
  world.after(latency(world, weather_), [&process = process_, &weather = weather_, call = std::move(call)]() mutable {
    begin(process, weather, std::move(call));
  });
}

void SimDatabaseLink::begin(Process& process, DatabaseWeather& weather, std::shared_ptr<DatabaseCall> call) {
  World& world = process.world();
  if (weather.away) {
    // Refused at once, or nobody answers.
    const absl::Duration until = world.random().chance(0.5) ? latency(world, weather) : kConnectTimeout;
    world.after(until, [&process, &weather, call = std::move(call)]() mutable {
      reply(process, weather, std::move(call), absl::UnavailableError("the database is away"));
    });
    return;
  }
  if (!call->writes()) {
    call->commit();
    reply(process, weather, std::move(call), absl::OkStatus());
    return;
  }
  call->begin();
  const bool held = world.random().chance(weather.held);
  const absl::Duration open = world.random().jitter(held ? absl::Seconds(2) : weather.open_max);
  world.after(open, [&process, &weather, call = std::move(call)]() mutable {
    commit(process, weather, std::move(call), absl::ZeroDuration());
  });
}

void SimDatabaseLink::commit(Process& process, DatabaseWeather& weather, std::shared_ptr<DatabaseCall> call,
                             absl::Duration waited) {
  World& world = process.world();
  if (weather.away) {
    call->rollback();
    return reply(process, weather, std::move(call), absl::UnavailableError("connection lost"));
  }
  // The COMMIT of a transaction of several statements comes from the caller: it may never come, or come late.
  const bool caller_absent = !process.alive() || process.stopped();
  if (caller_absent && (waited > absl::ZeroDuration() || world.random().chance(0.5))) {
    if (!process.alive()) return;  // rolled back
    if (waited >= kIdleInTransaction) {
      call->rollback();
      return reply(process, weather, std::move(call), absl::UnavailableError("idle in transaction"));
    }
    const absl::Duration again = absl::Milliseconds(250);
    world.after(again, [&process, &weather, call = std::move(call), waited, again]() mutable {
      commit(process, weather, std::move(call), waited + again);
    });
    return;
  }
  call->commit();
  if (weather.committed) weather.committed(call->name());
  const bool lost = world.random().chance(weather.answer_lost);
  reply(process, weather, std::move(call),
        lost ? absl::UnavailableError("connection lost after COMMIT was sent") : absl::OkStatus());
}

void SimDatabaseLink::reply(Process& process, const DatabaseWeather& weather, std::shared_ptr<DatabaseCall> call,
                            absl::Status status) {
  World& world = process.world();
  world.after(latency(world, weather), [&process, call = std::move(call), status = std::move(status)]() mutable {
    process.deliver([call = std::move(call), status = std::move(status)]() mutable { call->reply(std::move(status)); });
  });
}

}  // namespace renderyard::testing::sim
