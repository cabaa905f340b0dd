// Hand-made ports for the tests of the gateway's feeds: tables and streams that the test moves step by step.
#pragma once

#include <absl/strings/str_cat.h>

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "libs/common/base/event.h"
#include "libs/common/ports/job_store.h"
#include "libs/common/ports/peers.h"
#include "libs/common/testing/sim/process.h"
#include "libs/common/testing/sim/world.h"

namespace renderyard::gateway {

inline constexpr char kEpoch[] = "0b5e6c52-3f5c-4b0e-9d0e-6d5a0f6b7c11";

// Jobs and their events as the database would have them.
class HandJobs final : public ports::JobStore {
 public:
  explicit HandJobs(base::Clock& clock) : clock_(clock) {}

  std::map<ports::JobId, ports::JobRow> rows;
  std::map<std::int64_t, ports::JobEvent> log;
  ports::ClusterMeta meta{kEpoch, 0};
  std::vector<std::string> bridges;
  absl::Duration delay;  // of every call; what it reads is what stands there in the middle of it
  bool away = false;

  // A new job of `user`, with its first event.
  ports::JobId submit(ports::UserId user) {
    const ports::JobId id{static_cast<std::int64_t>(rows.size()) + 1};
    ports::JobRow row;
    row.id = id;
    row.uid = absl::StrCat("00000000-0000-4000-8000-", absl::Dec(id.value, absl::kZeroPad12));
    row.job_type = "image_generation";
    row.submitted_by = user;
    rows.emplace(id, row);
    write(id, ports::event_type::kSubmitted);
    return id;
  }

  // One step of the job: its row and its event change together, as in a transaction.
  void write(ports::JobId id, const char* type) {
    ports::JobRow& row = rows.at(id);
    const std::string_view name = type;
    if (name == ports::event_type::kStarted) row.status = ports::JobStatus::kRunning;
    if (name == ports::event_type::kCompleted) row.status = ports::JobStatus::kCompleted;
    if (name == ports::event_type::kFailed) row.status = ports::JobStatus::kFailed;
    if (name == ports::event_type::kCancelled) row.status = ports::JobStatus::kCancelled;
    ports::JobEvent event;
    event.id = ++last_id;
    event.job_id = id;
    event.seq = ++row.event_seq;
    event.user_id = row.submitted_by;
    event.type = type;
    event.data_json = "{}";
    event.created_at = clock_.wall();
    log.emplace(event.id, event);
  }
  std::int64_t last_id = 0;

  base::Task<absl::StatusOr<ports::User>> authenticate(std::string) override { co_return absl::NotFoundError(""); }
  base::Task<absl::StatusOr<ports::SubmittedJob>> submit(ports::NewJob) override {
    co_return absl::UnavailableError("not here");
  }
  base::Task<absl::StatusOr<ports::JobRow>> get(ports::JobId id) override {
    const absl::Status before = co_await pass();
    if (!before.ok()) co_return before;
    absl::StatusOr<ports::JobRow> row = absl::NotFoundError("no such job");
    if (rows.contains(id)) row = rows.at(id);
    const absl::Status after = co_await pass();
    if (!after.ok()) co_return after;
    co_return row;
  }
  base::Task<absl::StatusOr<ports::JobRow>> get_by_uid(std::string) override { co_return absl::NotFoundError(""); }
  base::Task<absl::StatusOr<std::vector<ports::JobRow>>> list(ports::JobListQuery query) override {
    const absl::Status before = co_await pass();
    if (!before.ok()) co_return before;
    std::vector<ports::JobRow> found;
    for (auto it = rows.rbegin(); it != rows.rend(); ++it) {
      const ports::JobRow& row = it->second;
      if (query.user && row.submitted_by != *query.user) continue;
      if (query.status && row.status != *query.status) continue;
      if (query.before && row.id >= *query.before) continue;
      if (static_cast<int>(found.size()) < query.limit) found.push_back(row);
    }
    const absl::Status after = co_await pass();
    if (!after.ok()) co_return after;
    co_return found;
  }
  base::Task<absl::StatusOr<std::vector<ports::OutputRow>>> outputs(ports::JobId) override {
    co_return std::vector<ports::OutputRow>();
  }
  base::Task<absl::StatusOr<ports::CancelOutcome>> request_cancel(ports::JobId, ports::UserId) override {
    co_return absl::UnavailableError("not here");
  }
  base::Task<absl::StatusOr<std::vector<ports::JobEvent>>> events(ports::EventQuery query) override {
    const absl::Status before = co_await pass();
    if (!before.ok()) co_return before;
    std::vector<ports::JobEvent> found;
    for (auto it = log.upper_bound(query.after); it != log.end() && it->first <= query.upto; ++it) {
      if (query.user && it->second.user_id != *query.user) continue;
      if (static_cast<int>(found.size()) < query.limit) found.push_back(it->second);
    }
    const absl::Status after = co_await pass();
    if (!after.ok()) co_return after;
    co_return found;
  }
  base::Task<absl::StatusOr<ports::ClusterMeta>> cluster() override {
    const absl::Status before = co_await pass();
    if (!before.ok()) co_return before;
    co_return meta;
  }
  base::Task<absl::StatusOr<std::vector<std::string>>> bridge_addresses() override {
    const absl::Status before = co_await pass();
    if (!before.ok()) co_return before;
    co_return bridges;
  }

 private:
  base::Task<absl::Status> pass() {
    if (away) co_return absl::UnavailableError("the database is away");
    if (delay > absl::ZeroDuration()) co_return co_await clock_.sleep_for(delay / 2);
    co_return absl::OkStatus();
  }
  base::Clock& clock_;
};

// Dispatchers that serve the log of HandJobs up to a bound that the test moves.
class HandDispatchers final : public ports::DispatcherClient {
 public:
  HandDispatchers(base::Strand& strand, base::Clock& clock, const HandJobs& jobs)
      : clock_(clock), jobs_(jobs), changed_(strand, clock) {}

  std::vector<std::string> opened;  // address of every stream, in order
  bool down = false;
  bool silent = false;  // streams stay open and say nothing, not even heartbeats
  std::size_t batch = 3;

  void settle(std::int64_t upto) {
    settled_ = std::max(settled_, upto);
    changed_.notify();
  }
  void settle_all() { settle(jobs_.last_id); }
  std::int64_t settled() const { return settled_; }
  void break_streams() {
    ++generation_;
    changed_.notify();
  }

  base::StreamPtr<ports::EventBatch> events(std::string address, std::string epoch,
                                            std::optional<std::int64_t> after) override {
    opened.push_back(std::move(address));
    return std::make_unique<Stream>(*this, std::move(epoch), after);
  }

 private:
  class Stream final : public base::Stream<ports::EventBatch> {
   public:
    Stream(HandDispatchers& all, std::string epoch, std::optional<std::int64_t> after)
        : all_(all), epoch_(std::move(epoch)), after_(after), generation_(all.generation_) {}

    base::Task<absl::StatusOr<std::optional<ports::EventBatch>>> next() override {
      if (all_.down) co_return absl::UnavailableError("nobody listens");
      const ports::ClusterMeta& meta = all_.jobs_.meta;
      if (!begun_) {
        if ((!epoch_.empty() && epoch_ != meta.epoch) || (after_ && *after_ < meta.events_floor)) {
          co_return absl::FailedPreconditionError("position_expired: gone");
        }
        begun_ = true;
        cursor_ = after_.value_or(all_.settled_);
        if (!after_) co_return make({});
      }
      const absl::Time heartbeat = all_.clock_.now() + absl::Seconds(5);
      for (;;) {
        if (generation_ != all_.generation_) co_return absl::UnavailableError("the connection broke");
        if (!all_.silent && all_.settled_ > cursor_) co_return read();
        const absl::Time until = all_.silent ? absl::InfiniteFuture() : heartbeat;
        const absl::Status status = co_await all_.changed_.wait_until(until);
        if (absl::IsDeadlineExceeded(status)) co_return make({});
        if (!status.ok()) co_return status;
      }
    }

   private:
    std::optional<ports::EventBatch> read() {
      std::vector<ports::JobEvent> events;
      auto it = all_.jobs_.log.upper_bound(cursor_);
      for (; it != all_.jobs_.log.end() && it->first <= all_.settled_ && events.size() < all_.batch; ++it) {
        events.push_back(it->second);
      }
      cursor_ = events.size() >= all_.batch ? events.back().id : all_.settled_;
      return make(std::move(events));
    }
    std::optional<ports::EventBatch> make(std::vector<ports::JobEvent> events) const {
      ports::EventBatch made;
      made.epoch = all_.jobs_.meta.epoch;
      made.upto = cursor_;
      made.events = std::move(events);
      return made;
    }
    HandDispatchers& all_;
    std::string epoch_;
    std::optional<std::int64_t> after_;
    int generation_;
    bool begun_ = false;
    std::int64_t cursor_ = 0;
  };

  base::Clock& clock_;
  const HandJobs& jobs_;
  base::Event changed_;
  std::int64_t settled_ = 0;
  int generation_ = 0;
};

// Bridges whose progress the test says.
class HandBridges final : public ports::BridgeClient {
 public:
  HandBridges(base::Strand& strand, base::Clock& clock) : changed_(strand, clock) {}

  std::vector<std::string> opened;

  void say(const std::string& address, ports::Progress progress) {
    said_[address].push_back(std::move(progress));
    changed_.notify();
  }
  void break_streams() {
    ++generation_;
    changed_.notify();
  }

  base::Task<absl::Status> submit_execution(std::string, ports::ExecutionId, ports::InstanceId, absl::Time) override {
    co_return absl::OkStatus();
  }
  base::StreamPtr<ports::Progress> progress(std::string address) override {
    opened.push_back(address);
    return std::make_unique<Stream>(*this, std::move(address));
  }

 private:
  class Stream final : public base::Stream<ports::Progress> {
   public:
    Stream(HandBridges& all, std::string address)
        : all_(all), address_(std::move(address)), generation_(all.generation_), read_(all.said_[address_].size()) {}
    base::Task<absl::StatusOr<std::optional<ports::Progress>>> next() override {
      for (;;) {
        if (generation_ != all_.generation_) co_return absl::UnavailableError("the connection broke");
        const auto& said = all_.said_[address_];
        if (read_ < said.size()) co_return std::optional<ports::Progress>(said[read_++]);
        const absl::Time never = absl::InfiniteFuture();
        const absl::Status status = co_await all_.changed_.wait_until(never);
        if (!status.ok()) co_return status;
      }
    }

   private:
    HandBridges& all_;
    std::string address_;
    int generation_;
    std::size_t read_;
  };

  base::Event changed_;
  std::map<std::string, std::vector<ports::Progress>> said_;
  int generation_ = 0;
};

inline ports::Progress make_progress(ports::JobId job, ports::UserId user, int percent, std::int64_t execution = 1,
                                     std::int64_t epoch = 1) {
  ports::Progress progress;
  progress.job_id = job;
  progress.user_id = user;
  progress.execution_id = ports::ExecutionId{execution};
  progress.owner_epoch = ports::Epoch{epoch};
  progress.percent = percent;
  progress.current_node = "5";
  progress.node_class = "KSampler";
  return progress;
}

}  // namespace renderyard::gateway
