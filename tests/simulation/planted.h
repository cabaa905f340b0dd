// The planted bugs: decorators around ports of the bridge that break it in ways the checks must see. Linked by the
// simulation alone.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "libs/common/ports/comfy_instance.h"
#include "libs/common/ports/execution_store.h"
#include "libs/common/testing/fake_comfy/handle.h"
#include "libs/common/testing/sim/process.h"
#include "tests/simulation/options.h"

namespace renderyard::simulation {

// The store with the bug, when it is one of its own; else as it is.
//   kPostBeforeIntent  start() answers before its commit, which goes on behind the caller's back
//   kBlindNeighbour    who reads a workflow before it is sent does not see that its nodes write where they like
class PlantedStore final : public ports::ExecutionStore {
 public:
  PlantedStore(testing::sim::Process& process, ports::ExecutionStore& inner, PlantedBug bug)
      : process_(process), inner_(inner), bug_(bug) {}

  base::Task<absl::StatusOr<std::optional<ports::StartedExecution>>> start(base::ExecutionId id,
                                                                           base::InstanceId instance, base::Epoch epoch,
                                                                           std::string client_id) override;

  base::Task<absl::StatusOr<std::vector<ports::Lease>>> reclaim(ports::BridgeIdentity who,
                                                                absl::Duration ttl) override {
    return inner_.reclaim(std::move(who), ttl);
  }
  base::Task<absl::StatusOr<std::vector<ports::Lease>>> acquire(ports::BridgeIdentity who, absl::Duration ttl,
                                                                int limit) override {
    return inner_.acquire(std::move(who), ttl, limit);
  }
  base::Task<absl::StatusOr<std::vector<base::InstanceId>>> renew(ports::BridgeIdentity who,
                                                                  std::vector<ports::Lease> leases,
                                                                  absl::Duration ttl) override {
    return inner_.renew(std::move(who), std::move(leases), ttl);
  }
  base::Task<absl::Status> outlived(std::vector<ports::Lease> leases, absl::Duration age) override {
    return inner_.outlived(std::move(leases), age);
  }
  base::Task<absl::Status> release(std::vector<ports::Lease> leases) override {
    return inner_.release(std::move(leases));
  }
  base::Task<absl::StatusOr<std::vector<ports::InstanceRow>>> instances(std::vector<base::InstanceId> ids) override {
    return inner_.instances(std::move(ids));
  }
  base::Task<absl::StatusOr<std::vector<ports::ExecutionRow>>> news(std::string owner,
                                                                    std::vector<base::ExecutionId> known) override {
    return inner_.news(std::move(owner), std::move(known));
  }
  base::Task<absl::StatusOr<std::vector<ports::SecretHeader>>> access(base::InstanceId id) override {
    return inner_.access(id);
  }
  base::Task<absl::StatusOr<ports::ExecutionRow>> read(base::ExecutionId id) override { return inner_.read(id); }
  base::Task<absl::StatusOr<ports::StartedExecution>> load(base::ExecutionId id) override;
  base::Task<absl::StatusOr<std::optional<ports::Advanced>>> advance(ports::Advance step) override {
    return inner_.advance(std::move(step));
  }
  base::Task<absl::StatusOr<bool>> complete(base::ExecutionId id, base::Epoch epoch,
                                            std::vector<ports::OutputRow> outputs, std::string result_json) override {
    return inner_.complete(id, epoch, std::move(outputs), std::move(result_json));
  }
  base::Task<absl::Status> record_progress(std::vector<ports::ProgressWrite> writes) override {
    return inner_.record_progress(std::move(writes));
  }
  base::Task<absl::Status> record_heard(base::ExecutionId id, base::Epoch epoch, ports::HeardWrite heard) override {
    return inner_.record_heard(id, epoch, std::move(heard));
  }
  base::Task<absl::StatusOr<bool>> record_limit(base::ExecutionId id, base::Epoch epoch, std::string code) override {
    return inner_.record_limit(id, epoch, std::move(code));
  }
  base::Task<absl::StatusOr<bool>> close_circuit(base::InstanceId instance, base::Epoch epoch,
                                                 int circuit_version) override {
    return inner_.close_circuit(instance, epoch, circuit_version);
  }
  base::Task<absl::StatusOr<bool>> quarantine(base::InstanceId instance, base::Epoch epoch, base::ExecutionId by,
                                              domain::Quarantine reason) override {
    return inner_.quarantine(instance, epoch, by, reason);
  }
  base::Task<absl::StatusOr<bool>> lift_quarantine(base::InstanceId instance, base::Epoch epoch, base::ExecutionId by,
                                                   std::string stray_outcome) override {
    return inner_.lift_quarantine(instance, epoch, by, std::move(stray_outcome));
  }
  base::Task<absl::StatusOr<bool>> record_stray(base::ExecutionId id, base::InstanceId instance, base::Epoch epoch,
                                                std::string outcome) override {
    return inner_.record_stray(id, instance, epoch, std::move(outcome));
  }
  base::Task<absl::StatusOr<std::vector<base::InstanceId>>> set_instance_states(
      std::vector<ports::InstanceState> states) override {
    return inner_.set_instance_states(std::move(states));
  }
  base::Task<absl::StatusOr<bool>> set_capabilities(base::InstanceId instance, base::Epoch epoch,
                                                    domain::Capabilities capabilities) override {
    return inner_.set_capabilities(instance, epoch, std::move(capabilities));
  }
  base::Task<absl::Status> set_witness(base::InstanceId instance, base::Epoch epoch, std::string prompt_id) override {
    return inner_.set_witness(instance, epoch, std::move(prompt_id));
  }

 private:
  testing::sim::Process& process_;
  ports::ExecutionStore& inner_;
  PlantedBug bug_;
};

// Gives instances with the bug, when it is one of theirs; else plain ones.
//   kResendOnUnclear  a POST whose outcome is unclear is sent a second time, as a retrying HTTP library does
//   kBlindCopy        what a server says of an output file's age and version is not heard
//   kUnseenGap        a socket that breaks is opened again underneath, as a self-healing WebSocket library does
//   kStableClientId   connects and posts under the instance's client id without the epoch
//   kHastyRequeue     an unclear POST is "not sent" when neither queue nor history has its prompt at that moment
//   kForgetfulEar     success and outputs on the socket are not heard, only that nothing runs any more
//   kCarelessCancel   POST /interrupt without a prompt id, for a prompt that runs or waits
//   kOneQueueLook     after a POST without an answer the queue is asked once; later looks are answered from that
//   kRawResult        history's outputs carry a bare NaN
class PlantedConnector final : public ports::ComfyConnector {
 public:
  PlantedConnector(testing::sim::Process& process, ports::ComfyConnector& inner, const testing::ComfyFleet& fleet,
                   PlantedBug bug)
      : process_(process), inner_(inner), fleet_(fleet), bug_(bug) {}
  std::unique_ptr<ports::ComfyInstance> instance(const ports::InstanceRow& row) override;

 private:
  testing::sim::Process& process_;
  ports::ComfyConnector& inner_;
  const testing::ComfyFleet& fleet_;
  PlantedBug bug_;
};

}  // namespace renderyard::simulation
