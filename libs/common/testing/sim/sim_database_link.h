// The way between a simulated process and the fake database (or the artifact directory, or Redis): drawn latencies, the
// database away, answers lost after the commit, transactions held open. What happens at the database happens in timers
// of the world, whether or not the caller still lives; a caller that died or was stopped inside its transaction may
// take it down with it.
#pragma once

#include <absl/time/time.h>

#include <functional>
#include <memory>
#include <string_view>

#include "libs/common/testing/database_link.h"
#include "libs/common/testing/sim/process.h"
#include "libs/common/testing/sim/world.h"

namespace renderyard::testing::sim {

// Shared by all links of one world; faults change it while they last.
struct DatabaseWeather {
  absl::Duration latency_min = absl::Microseconds(150);  // one way
  absl::Duration latency_max = absl::Milliseconds(2);
  absl::Duration open_max = absl::Milliseconds(1);  // begin to commit
  bool away = false;
  double answer_lost = 0;  // of writes: committed, the caller hears UNAVAILABLE
  double held = 0;         // of writes: stay open for up to 2 s between begin and commit
  // After every commit of a write, with the port method's name.
  std::function<void(std::string_view)> committed;
};

class SimDatabaseLink final : public DatabaseLink {
 public:
  SimDatabaseLink(Process& process, DatabaseWeather& weather) : process_(process), weather_(weather) {}
  void call(std::shared_ptr<DatabaseCall> call) override;

 private:
  static void begin(Process& process, DatabaseWeather& weather, std::shared_ptr<DatabaseCall> call);
  static void commit(Process& process, DatabaseWeather& weather, std::shared_ptr<DatabaseCall> call,
                     absl::Duration waited);
  static void reply(Process& process, const DatabaseWeather& weather, std::shared_ptr<DatabaseCall> call,
                    absl::Status status);

  Process& process_;
  DatabaseWeather& weather_;
};

}  // namespace renderyard::testing::sim
