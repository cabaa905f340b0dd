#include "tests/simulation/operator.h"

#include <utility>

#include "libs/common/base/status_macros.h"
#include "libs/common/testing/fake_instance_store.h"

namespace renderyard::simulation {

struct Operator::Office {
  explicit Office(sim::Process& process, Park& park)
      : link(process, park.database_weather()),
        store(process.strand(), park.database(), link),
        hints(process.strand(), park.hints()) {}

  sim::SimDatabaseLink link;
  testing::FakeInstanceStore store;
  testing::FakeHints hints;
};

Operator::Operator(Park& park, int instances)
    : park_(park),
      instances_(instances),
      process_(park.world().start("operator")),
      office_(process_.make<Office>(process_, park)) {}

bool Operator::act(Deed deed, std::size_t comfy) {
  const std::string url = Park::url_of(comfy);
  for (const auto& [id, instance] : park_.database().tables().instances) {
    if (instance.row.removed_at || instance.row.api_url != url) continue;
    process_.spawn(perform(deed, instance.row.name));
    return true;
  }
  return false;
}

void Operator::restore() {
  for (int i = 1; i <= instances_; ++i) process_.spawn(bring_back("comfy-" + std::to_string(i)));
}

// What the database refuses, or does not answer, is left at that.
base::Task<absl::Status> Operator::perform(Deed deed, std::string name) {
  switch (deed) {
    case Deed::kDrain: {
      [[maybe_unused]] const auto done = co_await office_.store.set_draining(name, true);
      break;
    }
    case Deed::kDisable: {
      [[maybe_unused]] const auto done = co_await office_.store.set_enabled(name, false);
      break;
    }
    case Deed::kRemove: {
      [[maybe_unused]] const auto done = co_await office_.store.remove(name);
      break;
    }
    case Deed::kMove:
      for (std::size_t i = 0; i < park_.comfies().size(); ++i) {
        ports::InstanceChange change;
        change.api_url = Park::url_of(i);
        change.ws_url = "ws" + change.api_url->substr(4);
        const auto before = co_await office_.store.get(name);
        if (before.ok() && before->api_url == *change.api_url) continue;
        const auto moved = co_await office_.store.change(name, std::move(change));
        if (moved.ok() || absl::IsNotFound(moved.status())) break;
      }
      break;
  }
  office_.hints.send(ports::Topic::kInstances);
  co_return absl::OkStatus();
}

base::Task<absl::Status> Operator::bring_back(std::string name) {
  for (;;) {
    const auto enabled = co_await office_.store.set_enabled(name, true);
    if (absl::IsNotFound(enabled.status())) CO_RETURN_IF_ERROR(co_await add_anywhere(name));
    const auto working = co_await office_.store.set_draining(name, false);
    office_.hints.send(ports::Topic::kInstances);
    if (working.ok() && working->is_enabled) co_return absl::OkStatus();
    CO_RETURN_IF_ERROR(co_await process_.clock().sleep_for(absl::Milliseconds(500)));
  }
}

base::Task<absl::Status> Operator::add_anywhere(std::string name) {
  for (std::size_t i = 0; i < park_.comfies().size(); ++i) {
    ports::NewInstance wanted;
    wanted.name = name;
    wanted.api_url = Park::url_of(i);
    wanted.ws_url = "ws" + wanted.api_url.substr(4);
    const auto added = co_await office_.store.add(std::move(wanted));
    if (added.ok()) break;
  }
  co_return absl::OkStatus();
}

}  // namespace renderyard::simulation
