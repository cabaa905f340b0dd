// The conformance suite of the store ports: what JobStore, DispatchStore, ExecutionStore, InstanceStore and EventLog
// must do, whoever implements them. The cases stand in *_cases.cc; a binary runs them by linking renderyard_store_suite
// and saying, once:
//
//   INSTANTIATE_TEST_SUITE_P(Fake, StoreSuite, ::testing::Values(StoreWorldParam{"fake", &make_fake_world}),
//                            store_world_name);
//
// Every case gets a StoreWorld of its own with an empty, migrated database (cluster_meta filled, no users, no
// instances).
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <absl/time/time.h>
#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <optional>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "libs/common/base/random.h"
#include "libs/common/base/strand.h"
#include "libs/common/base/task.h"
#include "libs/common/ports/cancel_store.h"
#include "libs/common/ports/dispatch_store.h"
#include "libs/common/ports/event_log.h"
#include "libs/common/ports/execution_store.h"
#include "libs/common/ports/instance_store.h"
#include "libs/common/ports/job_store.h"
#include "libs/common/ports/operator_store.h"

namespace renderyard::conformance {

// One client of the database with connections of its own, as a process would have.
struct Stores {
  ports::JobStore& jobs;
  ports::DispatchStore& dispatch;
  ports::ExecutionStore& executions;
  ports::InstanceStore& instances;
  ports::EventLog& events;
  ports::OperatorStore& operators;
  ports::CancelStore& cancels;
};

class StoreWorld {
 public:
  virtual ~StoreWorld() = default;

  // Client number n, 0 … 7; made at the first call, the same one afterwards. All run on strand().
  virtual Stores client(int n) = 0;
  // The strand all coroutines of a case run on.
  virtual base::Strand& strand() = 0;
  // Runs the task on the strand to its end and returns its status; may be called again afterwards. A task that does not
  // end within 60 s of real time is a failure of the test (any status but OK, and nothing left behind).
  virtual absl::Status run(base::Task<absl::Status> task) = 0;

  // Fixtures that no port offers. They abort the test when the database refuses.
  virtual ports::UserId make_user(const std::string& name, ports::Role role, const std::string& token_sha256) = 0;
  virtual void revoke_token(const std::string& token_sha256) = 0;
  // Afterwards the lease of this instance has expired by the database's clock (no waiting: the row may be aged).
  virtual void expire_lease(ports::InstanceId instance) = 0;
  // Afterwards the pause of kRequeue is over for this job (jobs.not_before has passed).
  virtual void end_pause(ports::JobId job) = 0;
  // Afterwards the last adoption of this execution was longer ago than adoptions of one run are apart.
  virtual void age_adoption(ports::ExecutionId execution) = 0;
  // Afterwards a job with a limit of waiting has waited for as long as it may.
  virtual void end_wait(ports::JobId job) = 0;
  // Afterwards this execution holds this slot, whatever its state.
  virtual void occupy_slot(ports::InstanceId instance, int slot, ports::ExecutionId execution) = 0;
  // Opens a transaction that holds a transaction id and one drawn job_events id, and leaves it open; the result ends it
  // with a rollback. For the position scheme.
  virtual std::function<void()> open_writing_transaction() = 0;
};

struct StoreWorldParam {
  std::string name;
  std::function<std::unique_ptr<StoreWorld>()> make;

  friend std::ostream& operator<<(std::ostream& os, const StoreWorldParam& param) { return os << param.name; }
};

inline std::string store_world_name(const ::testing::TestParamInfo<StoreWorldParam>& info) {
  return info.param.name;
}

namespace internal {

template <class T>
base::Task<absl::Status> keep_result(base::Task<absl::StatusOr<T>> task, std::optional<absl::StatusOr<T>>* result) {
  absl::StatusOr<T> value = co_await std::move(task);
  result->emplace(std::move(value));
  co_return absl::OkStatus();
}

}  // namespace internal

class StoreSuite : public ::testing::TestWithParam<StoreWorldParam> {
 public:
  struct Running {
    ports::InstanceId instance;
    ports::Lease lease;
    ports::ExecutionId execution;
  };

 protected:
  void SetUp() override { world_ = GetParam().make(); }
  void TearDown() override { world_.reset(); }

  StoreWorld& world() { return *world_; }
  ports::JobStore& jobs() { return world_->client(0).jobs; }
  ports::DispatchStore& dispatch() { return world_->client(0).dispatch; }
  ports::ExecutionStore& executions() { return world_->client(0).executions; }
  ports::InstanceStore& instances() { return world_->client(0).instances; }
  ports::OperatorStore& operators() { return world_->client(0).operators; }
  ports::CancelStore& cancels() { return world_->client(0).cancels; }
  ports::EventLog& event_log() { return world_->client(0).events; }

  // Runs one port call to its end.
  template <class T>
  absl::StatusOr<T> await(base::Task<absl::StatusOr<T>> task) {
    std::optional<absl::StatusOr<T>> result;
    const absl::Status status = world_->run(internal::keep_result(std::move(task), &result));
    if (!result) return status.ok() ? absl::InternalError("the call ended without a result") : status;
    return *std::move(result);
  }
  absl::Status await(base::Task<absl::Status> task) { return world_->run(std::move(task)); }
  // The value; an error throws, which fails the test.
  template <class T>
  T must(base::Task<absl::StatusOr<T>> task) {
    return await(std::move(task)).value();
  }

  // --- What most cases need first; each of these fails the test when the store does. ---

  std::string fresh_uuid() { return random_.uuid4(); }
  // 64 hex digits.
  std::string fresh_sha256();
  // The user of jobs made here; made at the first call.
  ports::UserId user();
  ports::NewJob new_job();
  ports::JobId submit();
  ports::JobId submit(ports::NewJob job);
  ports::InstanceId add_instance(const std::string& name, int slots = 1);

  static ports::BridgeIdentity bridge(const std::string& owner);
  // Takes every lease that is absent or expired and returns that of this instance, which must be among them.
  ports::Lease acquire(ports::InstanceId instance, const std::string& owner = "bridge-1");
  void set_status(const ports::Lease& lease, ports::InstanceStatus status);
  // Was the lease ours?
  bool write_state(const ports::InstanceState& state);
  ports::InstanceRow instance_row(ports::InstanceId instance);
  // acquire() and connected.
  ports::Lease connect(ports::InstanceId instance, const std::string& owner = "bridge-1");

  ports::Assignment assignment(ports::JobId job, ports::InstanceId instance, int slot = 0);
  // Claims and expects to get it.
  ports::ExecutionId claim(ports::JobId job, ports::InstanceId instance, int slot = 0);
  // start() by the holder of this lease; nullopt when the fence did not hold.
  std::optional<ports::StartedExecution> start(ports::ExecutionId execution, const ports::Lease& lease);
  // A job on an instance of its own, as far as running.
  Running running(int slots = 1);
  // Compare-and-set from whatever live state it is in; expects to get it.
  void advance(ports::ExecutionId execution, const ports::Lease& lease, ports::ExecutionState to);
  bool complete(ports::ExecutionId execution, const ports::Lease& lease);
  // A final state that is no completion, with an error where one is due.
  void end(ports::ExecutionId execution, const ports::Lease& lease, ports::ExecutionState to,
           const std::string& proof = "");

  static ports::Settlement settlement(ports::Settlement::Kind kind, ports::JobId job, ports::ExecutionId execution);
  // Settles one; whether it was applied.
  bool settle(const ports::Settlement& settlement);

  ports::JobRow job(ports::JobId id);
  ports::ExecutionRow execution(ports::ExecutionId id);
  std::vector<ports::UnsettledExecution> unsettled();
  // Every slot the fleet says is free, as "instance/slot".
  std::vector<std::string> free_slots();
  std::vector<ports::JobEvent> events_of(ports::JobId job);
  // Their types without "job_": {"submitted", "claimed"}. Checks on the way that seq is 1, 2, 3, … and ids rise.
  std::vector<std::string> history_of(ports::JobId job);

 private:
  std::unique_ptr<StoreWorld> world_;
  base::SplitMix random_{20240601};
  std::optional<ports::UserId> user_;
};

// Equal as JSON values, whatever the order of keys and the white space.
bool same_json(const std::string& a, const std::string& b);

}  // namespace renderyard::conformance
