#include "libs/common/testing/fake_event_log.h"

namespace renderyard::testing {

base::Task<absl::StatusOr<std::int64_t>> FakeEventLog::last_issued_id() {
  return FakeStore::read<absl::StatusOr<std::int64_t>>(
      "last_issued_id", [](Transaction& txn) { return txn.database().last_issued_event_id(); });
}

// A transaction of its own that is rolled back at once: for the caller it is a read that moves a counter.
base::Task<absl::StatusOr<std::uint64_t>> FakeEventLog::fresh_transaction_id() {
  return FakeStore::read<absl::StatusOr<std::uint64_t>>(
      "fresh_transaction_id", [](Transaction& txn) { return txn.database().fresh_transaction_id(); });
}

base::Task<absl::StatusOr<std::uint64_t>> FakeEventLog::oldest_running_transaction_id() {
  return FakeStore::read<absl::StatusOr<std::uint64_t>>(
      "oldest_running_transaction_id", [](Transaction& txn) { return txn.database().oldest_running_transaction_id(); });
}

base::Task<absl::StatusOr<std::vector<ports::JobEvent>>> FakeEventLog::read(std::int64_t after, std::int64_t upto,
                                                                            int limit) {
  return FakeStore::read<absl::StatusOr<std::vector<ports::JobEvent>>>(
      "read_events", [after, upto, limit](Transaction& txn) {
        std::vector<ports::JobEvent> events;
        const auto& table = txn.tables().events;
        for (auto it = table.upper_bound(after); it != table.end() && it->first <= upto; ++it) {
          if (static_cast<int>(events.size()) >= limit) break;
          events.push_back(it->second);
        }
        return events;
      });
}

base::Task<absl::StatusOr<ports::ClusterMeta>> FakeEventLog::cluster() {
  return FakeStore::read<absl::StatusOr<ports::ClusterMeta>>("cluster",
                                                             [](Transaction& txn) { return txn.tables().meta; });
}

}  // namespace renderyard::testing
