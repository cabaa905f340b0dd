// FakeDatabase: PostgreSQL as the store ports see it, in memory: the one shared truth of a simulated world.
//
// Tables are plain maps of rows. Every write goes through a Transaction, which holds what the real schema holds
// (CHECKs, unique indexes, foreign keys, the machines' edges with their owners), takes effect as a whole or not at all,
// and numbers events the way a PostgreSQL sequence does: ids are drawn before the commit, may leave holes, and become
// visible out of order while another transaction stays open. Times are those of an injected database clock.
//
// Thread-safety: none; one strand or one simulated world at a time. Must outlive its stores and open transactions.
#pragma once

#include <absl/functional/any_invocable.h>
#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <absl/time/time.h>

#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "libs/common/domain/machines.h"
#include "libs/common/testing/fake_rows.h"

namespace renderyard::testing {

class FakeDatabase {
 public:
  using Clock = std::function<absl::Time()>;

  // cluster_epoch: the uuid of cluster_meta.
  FakeDatabase(Clock clock, std::string cluster_epoch);
  FakeDatabase(const FakeDatabase&) = delete;
  FakeDatabase& operator=(const FakeDatabase&) = delete;

  // clock_timestamp().
  absl::Time now() const { return clock_(); }
  // For checks; also the only way the stores read.
  const FakeTables& tables() const { return tables_; }

  // Fixtures.
  ports::UserId add_user(std::string name, ports::Role role, std::string token_sha256);
  void revoke_token(const std::string& token_sha256);
  void expire_lease(ports::InstanceId instance);
  void end_pause(ports::JobId job);
  void end_wait(ports::JobId job);
  void age_adoption(ports::ExecutionId execution);
  // Everything of it happened that much earlier.
  void age_execution(ports::ExecutionId execution, absl::Duration by);
  // `renderyard-migrate --after-restore` and retention.
  void set_cluster(ports::ClusterMeta meta) { tables_.meta = std::move(meta); }

  // Statements with SKIP LOCKED pass over a job for which this says true ("another transaction holds it now").
  void set_row_locked(std::function<bool(ports::JobId)> row_locked) { row_locked_ = std::move(row_locked); }
  bool row_locked(ports::JobId job) const { return row_locked_ && row_locked_(job); }

  // Writes that only a defect attempts (an illegal edge, a broken CHECK): the caller got INTERNAL, and it is noted
  // here.
  const std::vector<std::string>& defects() const { return defects_; }
  absl::Status defect(std::string what);

  // Sequences and transaction ids.
  std::int64_t last_issued_event_id() const { return event_sequence_; }
  std::uint64_t fresh_transaction_id() { return next_transaction_id_++; }
  std::uint64_t oldest_running_transaction_id() const {
    return running_.empty() ? next_transaction_id_ : *running_.begin();
  }

  // Rows as the ports show them.
  ports::JobRow view(const JobRecord& job) const;
  ports::InstanceRow view(const InstanceRecord& instance) const;
  // The lease when it is live.
  const LeaseRecord* live_lease(ports::InstanceId instance) const;
  bool has_live_execution(ports::InstanceId instance) const;
  const JobRecord* job(ports::JobId id) const;
  const ExecutionRecord* execution(ports::ExecutionId id) const;
  const InstanceRecord* instance(ports::InstanceId id) const;

 private:
  friend class Transaction;

  Clock clock_;
  FakeTables tables_;
  std::function<bool(ports::JobId)> row_locked_;
  std::vector<std::string> defects_;
  std::int64_t user_sequence_ = 0, job_sequence_ = 0, execution_sequence_ = 0, instance_sequence_ = 0;
  std::int64_t event_sequence_ = 0;
  std::uint64_t next_transaction_id_ = 1000;
  std::set<std::uint64_t> running_;
};

// One transaction. Destroying it uncommitted rolls it back.
class Transaction {
 public:
  enum class Kind { kReads, kWrites };

  Transaction(FakeDatabase& database, Kind kind);
  ~Transaction();
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;

  FakeDatabase& database() { return database_; }
  const FakeTables& tables() const { return database_.tables_; }
  absl::Time now() const { return database_.now(); }

  // nextval() at begin: numbers that later transactions may overtake. Those that were not drawn ahead are drawn when
  // needed.
  void draw_event_ids(int count);
  void draw_job_id();
  ports::JobId next_job_id();
  ports::ExecutionId draw_execution_id();
  ports::InstanceId draw_instance_id();

  // Inserts or updates after all checks. INTERNAL (a defect): an edge that the machines do not give to `by`, a broken
  // CHECK or foreign key. ALREADY_EXISTS: a unique index. INVALID_ARGUMENT: a text that PostgreSQL refuses.
  absl::Status put(const JobRecord& job, domain::Owner by);
  absl::Status put(const ExecutionRecord& execution, domain::Owner by);
  absl::Status put(const InstanceRecord& instance);
  absl::Status put(const ports::OutputRow& output);
  void put(ports::InstanceId instance, const LeaseRecord& lease);
  void put(ports::UserId user, const std::string& key, const IdempotencyRecord& record);
  void set_slot(const SlotKey& slot, std::optional<ports::ExecutionId> execution);
  void drop_slot(const SlotKey& slot);
  void free_slot_of(const ports::ExecutionRow& execution);
  void set_waiting_reason(std::string reason);
  // With an id of its own; `note` is what it says of its job.
  absl::Status record(ports::OperatorRecord action, const std::optional<ports::OperatorNote>& note);

  // Writes a lifecycle event and raises job.row.event_seq; the caller put()s the job in the same transaction.
  absl::Status write_event(JobRecord& job, std::string_view type, std::optional<ports::ExecutionId> execution,
                           std::string data_json);

  void commit();
  void rollback();

 private:
  template <class Key, class Row>
  void assign(std::map<Key, Row>& table, const Key& key, Row row);
  void end();

  FakeDatabase& database_;
  std::optional<std::uint64_t> id_;
  bool open_ = true;
  std::deque<std::int64_t> drawn_event_ids_;
  std::optional<ports::JobId> drawn_job_id_;
  std::vector<absl::AnyInvocable<void()>> undo_;
};

}  // namespace renderyard::testing
