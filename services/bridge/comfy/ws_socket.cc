#include "services/bridge/comfy/ws_socket.h"

#include <absl/base/thread_annotations.h>

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <utility>
#include <variant>
#include <vector>

#include "libs/common/base/mutex.h"
#include "services/bridge/comfy/ws_inbox.h"

namespace renderyard::comfy {

namespace {

// Asks for previews that name their prompt and node. Must be the client's first message of every connection.
constexpr char kFeatureFlags[] = R"({"type":"feature_flags","data":{"supports_preview_metadata":true}})";

using Waiter = base::Completer<absl::Status>;

// Ends a wait at a moment of the strand's clock, unless it was destroyed before.
class Alarm {
 public:
  Alarm(base::Clock& clock, absl::Time when, absl::AnyInvocable<void()> ring) : clock_(clock) {
    if (when != absl::InfiniteFuture()) timer_ = clock.call_at(when, std::move(ring));
  }
  Alarm(const Alarm&) = delete;
  Alarm& operator=(const Alarm&) = delete;
  ~Alarm() { clock_.cancel(timer_); }

 private:
  base::Clock& clock_;
  base::Clock::TimerId timer_ = 0;
};

// What the two threads share of one socket: the io thread reports, the strand waits.
class Shared : public std::enable_shared_from_this<Shared> {
 public:
  Shared(base::Strand& strand, WsShare& counters) : inbox(strand, counters.on_dropped), counters_(counters) {}

  // The io thread.
  // False: the reader is hopelessly behind, the line must be cut.
  bool text(std::string_view frame) { return message(domain::parse_text_frame(frame, counters_.parser), frame.size()); }
  bool binary(std::string_view frame) { return message(domain::parse_binary_frame(frame), frame.size()); }

  void pong(std::string_view payload) {
    const base::MutexLock lock(mutex_);
    const auto found = pings_.find(payload);
    if (found == pings_.end()) return;
    found->second.post(absl::OkStatus());
    pings_.erase(found);
  }

  void end(const absl::Status& why) {
    inbox.end(why);
    bring();
    const base::MutexLock lock(mutex_);
    ended_ = why;
    if (ready_waiter_) ready_waiter_->post(why);
    ready_waiter_.reset();
    for (auto& [payload, waiter] : pings_) waiter.post(why);
    pings_.clear();
    for (auto& waiter : end_waiters_) waiter.post(absl::OkStatus());
    end_waiters_.clear();
  }

  // The strand.
  void wait_ready(Waiter waiter) {
    const base::MutexLock lock(mutex_);
    if (ready_) {
      waiter.complete(absl::OkStatus());
    } else if (ended_) {
      waiter.complete(*ended_);
    } else {
      ready_waiter_ = waiter;
    }
  }

  std::string next_payload() {
    const base::MutexLock lock(mutex_);
    return std::to_string(++last_ping_);
  }

  void wait_pong(const std::string& payload, Waiter waiter) {
    const base::MutexLock lock(mutex_);
    if (ended_) {
      waiter.complete(*ended_);
    } else {
      pings_.insert_or_assign(payload, waiter);
    }
  }

  void forget_pong(const std::string& payload) {
    const base::MutexLock lock(mutex_);
    pings_.erase(payload);
  }

  void wait_end(Waiter waiter) {
    const base::MutexLock lock(mutex_);
    if (ended_) {
      waiter.complete(absl::OkStatus());
    } else {
      end_waiters_.push_back(waiter);
    }
  }

  WsInbox inbox;

 private:
  bool message(absl::StatusOr<domain::ComfyMessage> message, std::size_t bytes) {
    if (!message.ok()) {
      ++counters_.unreadable;
      if (counters_.on_unreadable) counters_.on_unreadable();
      return true;
    }
    ++counters_.messages;
    if (std::holds_alternative<domain::ComfyStatus>(*message)) {
      const base::MutexLock lock(mutex_);
      ready_ = true;
      if (ready_waiter_) ready_waiter_->post(absl::OkStatus());
      ready_waiter_.reset();
    }
    const bool open = inbox.push(*std::move(message), bytes);
    bring();
    return open;
  }

  void bring() {
    if (inbox.wants_delivery()) counters_.courier->bring(std::shared_ptr<WsInbox>(shared_from_this(), &inbox));
  }

  WsShare& counters_;
  base::Mutex mutex_;
  bool ready_ ABSL_GUARDED_BY(mutex_) = false;
  std::optional<absl::Status> ended_ ABSL_GUARDED_BY(mutex_);
  std::optional<Waiter> ready_waiter_ ABSL_GUARDED_BY(mutex_);
  std::uint64_t last_ping_ ABSL_GUARDED_BY(mutex_) = 0;
  std::map<std::string, Waiter, std::less<>> pings_ ABSL_GUARDED_BY(mutex_);
  std::vector<Waiter> end_waiters_ ABSL_GUARDED_BY(mutex_);
};

// Cuts the line when nobody holds the socket any more, also when a waiting coroutine is destroyed.
class LineHolder {
 public:
  explicit LineHolder(std::shared_ptr<WsLine> line) : line_(std::move(line)) {}
  LineHolder(LineHolder&& other) noexcept : line_(std::exchange(other.line_, nullptr)) {}
  LineHolder& operator=(LineHolder&&) = delete;
  ~LineHolder() {
    if (line_) line_->abort();
  }
  WsLine& operator*() const { return *line_; }
  WsLine* operator->() const { return line_.get(); }

 private:
  std::shared_ptr<WsLine> line_;
};

class Socket final : public ports::ComfySocket {
 public:
  Socket(base::Strand& strand, base::Clock& clock, std::shared_ptr<Shared> shared, LineHolder line)
      : strand_(strand), clock_(clock), shared_(std::move(shared)), line_(std::move(line)) {}

  base::Task<absl::StatusOr<std::optional<domain::ComfyMessage>>> next() override {
    auto shared = shared_;
    co_return co_await shared->inbox.next();
  }

  base::Task<absl::Status> listen(std::function<void(domain::ComfyMessage)> hear) override {
    auto shared = shared_;
    co_return co_await shared->inbox.listen(std::move(hear));
  }

  base::Task<absl::Status> ping(absl::Time deadline) override {
    auto shared = shared_;
    const std::string payload = shared->next_payload();
    std::optional<Alarm> alarm;
    auto start = [&](Waiter waiter) {
      shared->wait_pong(payload, waiter);
      line_->ping(payload);
      alarm.emplace(clock_, deadline, [waiter] { waiter.complete(absl::DeadlineExceededError("no pong")); });
    };
    const absl::Status status = co_await base::suspend<absl::Status>(strand_, start);
    shared->forget_pong(payload);
    co_return status;
  }

  base::Task<absl::Status> close(absl::Time deadline) override {
    auto shared = shared_;
    std::optional<Alarm> alarm;
    auto start = [&](Waiter waiter) {
      shared->wait_end(waiter);
      line_->close(deadline - clock_.now());
      alarm.emplace(clock_, deadline + absl::Seconds(1),
                    [waiter] { waiter.complete(absl::DeadlineExceededError("the socket did not end")); });
    };
    co_return co_await base::suspend<absl::Status>(strand_, start);
  }

 private:
  base::Strand& strand_;
  base::Clock& clock_;
  std::shared_ptr<Shared> shared_;
  LineHolder line_;
};

}  // namespace

base::Task<absl::StatusOr<std::unique_ptr<ports::ComfySocket>>> connect_socket(WsTransport& transport,
                                                                               base::Strand& strand, base::Clock& clock,
                                                                               WsShare& counters, InstanceUrl url,
                                                                               std::string client_id,
                                                                               absl::Time deadline) {
  const absl::Duration patience = deadline - clock.now();
  if (patience <= absl::ZeroDuration()) co_return absl::DeadlineExceededError("deadline");
  auto shared = std::make_shared<Shared>(strand, counters);
  WsHandlers handlers;
  handlers.on_text = [shared](std::string_view frame) { return shared->text(frame); };
  handlers.on_binary = [shared](std::string_view frame) { return shared->binary(frame); };
  handlers.on_pong = [shared](std::string_view payload) { shared->pong(payload); };
  handlers.on_end = [shared](const absl::Status& why) { shared->end(why); };
  const std::string path = url.path.ends_with("/ws") ? "" : "/ws";
  LineHolder holder(transport.connect(url, path + "?clientId=" + percent_encode(client_id), kFeatureFlags, patience,
                                      std::move(handlers)));
  std::optional<Alarm> alarm;
  auto start = [&](Waiter waiter) {
    shared->wait_ready(waiter);
    alarm.emplace(clock, deadline,
                  [waiter] { waiter.complete(absl::DeadlineExceededError("no connection, or no first status")); });
  };
  const absl::Status ready = co_await base::suspend<absl::Status>(strand, start);
  if (!ready.ok()) co_return ready;
  co_return std::unique_ptr<ports::ComfySocket>(
      std::make_unique<Socket>(strand, clock, std::move(shared), std::move(holder)));
}

}  // namespace renderyard::comfy
