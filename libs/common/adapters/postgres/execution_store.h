// ports::ExecutionStore on PostgreSQL; statements in execution_store_sql.h.
#pragma once

#include "libs/common/adapters/postgres/pool.h"
#include "libs/common/base/strand.h"
#include "libs/common/ports/execution_store.h"

namespace renderyard::postgres {

class ExecutionStore : public ports::ExecutionStore {
 public:
  // Both must outlive the store and everything it waits for.
  ExecutionStore(Pool& pool, base::Strand& strand) : pool_(pool), strand_(strand) {}

  base::Task<absl::StatusOr<std::vector<ports::Lease>>> reclaim(ports::BridgeIdentity who, absl::Duration ttl) override;
  base::Task<absl::StatusOr<std::vector<ports::Lease>>> acquire(ports::BridgeIdentity who, absl::Duration ttl,
                                                                int limit) override;
  base::Task<absl::StatusOr<std::vector<ports::InstanceId>>> renew(ports::BridgeIdentity who,
                                                                   std::vector<ports::Lease> leases,
                                                                   absl::Duration ttl) override;
  base::Task<absl::Status> outlived(std::vector<ports::Lease> leases, absl::Duration age) override;
  base::Task<absl::Status> release(std::vector<ports::Lease> leases) override;

  base::Task<absl::StatusOr<std::vector<ports::InstanceRow>>> instances(std::vector<ports::InstanceId> ids) override;
  base::Task<absl::StatusOr<std::vector<ports::ExecutionRow>>> news(std::string owner,
                                                                    std::vector<ports::ExecutionId> known) override;
  base::Task<absl::StatusOr<std::vector<ports::SecretHeader>>> access(ports::InstanceId id) override;
  base::Task<absl::StatusOr<ports::ExecutionRow>> read(ports::ExecutionId id) override;
  base::Task<absl::StatusOr<ports::StartedExecution>> load(ports::ExecutionId id) override;

  base::Task<absl::StatusOr<std::optional<ports::StartedExecution>>> start(ports::ExecutionId id,
                                                                           ports::InstanceId instance,
                                                                           ports::Epoch epoch,
                                                                           std::string client_id) override;
  base::Task<absl::StatusOr<std::optional<ports::Advanced>>> advance(ports::Advance step) override;
  // UNAVAILABLE also when a sweeper is deleting one of the files: write it again and repeat.
  base::Task<absl::StatusOr<bool>> complete(ports::ExecutionId id, ports::Epoch epoch,
                                            std::vector<ports::OutputRow> outputs, std::string result_json) override;
  base::Task<absl::Status> record_progress(std::vector<ports::ProgressWrite> writes) override;
  base::Task<absl::Status> record_heard(ports::ExecutionId id, ports::Epoch epoch, ports::HeardWrite heard) override;

  base::Task<absl::StatusOr<bool>> record_limit(ports::ExecutionId id, ports::Epoch epoch, std::string code) override;
  base::Task<absl::StatusOr<bool>> close_circuit(ports::InstanceId instance, ports::Epoch epoch,
                                                 int circuit_version) override;
  base::Task<absl::StatusOr<bool>> quarantine(ports::InstanceId instance, ports::Epoch epoch, ports::ExecutionId by,
                                              domain::Quarantine reason) override;
  base::Task<absl::StatusOr<bool>> lift_quarantine(ports::InstanceId instance, ports::Epoch epoch,
                                                   ports::ExecutionId by, std::string stray_outcome) override;
  base::Task<absl::StatusOr<bool>> record_stray(ports::ExecutionId id, ports::InstanceId instance, ports::Epoch epoch,
                                                std::string outcome) override;
  base::Task<absl::StatusOr<std::vector<ports::InstanceId>>> set_instance_states(
      std::vector<ports::InstanceState> states) override;
  base::Task<absl::StatusOr<bool>> set_capabilities(ports::InstanceId id, ports::Epoch epoch,
                                                    domain::Capabilities capabilities) override;
  base::Task<absl::Status> set_witness(ports::InstanceId instance, ports::Epoch epoch, std::string prompt_id) override;

 private:
  Pool& pool_;
  base::Strand& strand_;
};

}  // namespace renderyard::postgres
