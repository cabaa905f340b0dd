// The bridge: holds leases on instances and runs a worker for each. A restart with the same id takes its leases back at
// once by raising their epochs; leases of others are taken over when they have expired. Thread-safety: everything on
// the strand. Ownership: the ports outlive the bridge.
#pragma once

#include <absl/status/status.h>

#include <map>
#include <memory>
#include <string>
#include <utility>

#include "libs/common/base/event.h"
#include "libs/common/base/group.h"
#include "libs/common/base/stream.h"
#include "services/bridge/deps.h"
#include "services/bridge/instance_worker.h"
#include "services/bridge/outlets.h"

namespace renderyard::bridge {

class Bridge {
 public:
  Bridge(Deps deps, Config config);
  ~Bridge();

  // Before run(): the address that the leases will name, when it was not known at construction.
  void set_address(std::string address) { config_.identity.address = std::move(address); }

  // Runs until stop(); OK then.
  base::Task<absl::Status> run();
  // No more starts; POSTs in flight are waited for (Config::drain), then everything ends. Leases are kept: a restart
  // with the same id goes on at once, others take over when they expire.
  void stop();

  // An execution was assigned to one of our instances (0: it was not said to which): a hint.
  void wake(base::ExecutionId execution, base::InstanceId instance);
  // See ports::BridgeClient::progress. Must not outlive the bridge.
  base::StreamPtr<ports::Progress> watch_progress() { return outlets_.feed.watch(); }
  // See EventFeed::watch(). Must not outlive the bridge.
  base::StreamPtr<ports::BridgeEvent> watch_events(bool previews) { return outlets_.events.watch(previews); }

 private:
  struct Held {
    HeldLease lease;
    std::unique_ptr<InstanceWorker> worker;
    std::unique_ptr<base::Group> group;
  };

  base::Task<absl::Status> lease_loop();
  base::Task<absl::Status> news_loop();
  base::Task<absl::Status> rows_loop();
  base::Task<absl::Status> look_for_news();
  base::Task<absl::Status> read_rows();
  base::Task<absl::Status> rest(base::Event& hinted, absl::Time next);
  base::Task<absl::Status> renew();
  base::Task<absl::Status> acquire(bool own_restart);
  base::Task<absl::Status> work(std::shared_ptr<Held> held);
  base::Task<absl::Status> route_wake(base::ExecutionId execution);
  base::Task<absl::Status> drain_and_end();
  base::Task<absl::Status> outlive_loop();
  std::vector<ports::Lease> leases() const;
  void lose(base::InstanceId instance);

  Deps deps_;
  Config config_;
  Outlets outlets_;
  std::map<base::InstanceId, std::shared_ptr<Held>> held_;
  base::Event leases_;  // look for free leases now
  base::Event news_;    // look for news of our executions now
  base::Event rows_;    // read the rows of our instances now
  base::Group group_;
  bool reclaimed_ = false;
  bool stopping_ = false;
  bool store_away_ = false;
};

}  // namespace renderyard::bridge
