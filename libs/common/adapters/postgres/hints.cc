#include "libs/common/adapters/postgres/hints.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <array>
#include <boost/asio/post.hpp>
#include <chrono>
#include <string>
#include <thread>
#include <utility>

#include "libs/common/adapters/postgres/session.h"
#include "libs/common/base/mutex.h"

namespace renderyard::postgres {

namespace {

using SteadyClock = std::chrono::steady_clock;

constexpr auto kCoalesce = std::chrono::milliseconds(2);
constexpr auto kFirstPause = std::chrono::milliseconds(100);
constexpr auto kLongestPause = std::chrono::seconds(5);

struct Channel {
  ports::Topic topic;
  const char* name;
};
constexpr std::array kChannels = {
    Channel{ports::Topic::kJobs, "ry_jobs"},         Channel{ports::Topic::kExecutions, "ry_executions"},
    Channel{ports::Topic::kEvents, "ry_events"},     Channel{ports::Topic::kInstances, "ry_instances"},
    Channel{ports::Topic::kAssigned, "ry_assigned"},
};

std::size_t index_of(ports::Topic topic) {
  for (std::size_t i = 0; i < kChannels.size(); ++i) {
    if (kChannels[i].topic == topic) return i;
  }
  return 0;
}

using Topics = std::array<bool, kChannels.size()>;

std::unique_ptr<Session> connect(const SessionOptions& options) {
  const auto conninfo = session_conninfo(options);
  if (!conninfo.ok()) return nullptr;
  try {
    return std::make_unique<Session>(*conninfo);
  } catch (const std::exception&) {
    return nullptr;  // the pool of the same service says why
  }
}

class Backoff {
 public:
  std::chrono::milliseconds next() {
    const auto pause = pause_;
    pause_ = std::min<std::chrono::milliseconds>(pause_ * 2, kLongestPause);
    return pause;
  }
  void reset() { pause_ = kFirstPause; }

 private:
  std::chrono::milliseconds pause_ = kFirstPause;
};

}  // namespace

class Hints::Sender {
 public:
  explicit Sender(SessionOptions options) : options_(std::move(options)), thread_([this] { run(); }) {}

  ~Sender() {
    {
      base::MutexLock lock(mutex_);
      stopping_ = true;
    }
    wake_.notify_all();
    thread_.join();
  }

  void send(ports::Topic topic) {
    {
      base::MutexLock lock(mutex_);
      pending_[index_of(topic)] = true;
      any_pending_ = true;
    }
    wake_.notify_one();
  }

 private:
  void run() {
    while (true) {
      Topics topics{};
      {
        base::MutexLock lock(mutex_);
        while (!any_pending_ && !stopping_) wake_.wait(mutex_);
        if (stopping_) return;
        topics = std::exchange(pending_, Topics{});
        any_pending_ = false;
      }
      notify(topics);
      pause();
    }
  }

  // What is sent meanwhile leaves together.
  void pause() {
    base::MutexLock lock(mutex_);
    const auto until = SteadyClock::now() + kCoalesce;
    while (!stopping_ && wake_.wait_until(mutex_, until) != std::cv_status::timeout) {
    }
  }

  void notify(const Topics& topics) {
    if (session_ && !session_->usable()) session_.reset();
    if (!session_) {
      if (SteadyClock::now() < retry_at_) return;
      session_ = connect(options_);
      if (!session_) {
        retry_at_ = SteadyClock::now() + backoff_.next();
        return;
      }
      backoff_.reset();
    }
    std::string sql = "SELECT ";
    for (std::size_t i = 0; i < topics.size(); ++i) {
      if (!topics[i]) continue;
      if (sql.size() > 7) sql += ", ";
      sql += std::string("pg_notify('") + kChannels[i].name + "', '')";
    }
    try {
      session_->run_text(sql);
    } catch (const std::exception&) {
      session_.reset();
    }
  }

  const SessionOptions options_;
  std::unique_ptr<Session> session_;
  SteadyClock::time_point retry_at_{};
  Backoff backoff_;
  base::Mutex mutex_;
  base::CondVar wake_;
  Topics pending_ ABSL_GUARDED_BY(mutex_) = {};
  bool any_pending_ ABSL_GUARDED_BY(mutex_) = false;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

class Hints::Listener {
 public:
  Listener(SessionOptions options, base::Strand& strand)
      : options_(std::move(options)),
        executor_(strand.executor()),
        callbacks_(std::make_shared<Callbacks>()),
        stop_fd_(::eventfd(0, EFD_CLOEXEC)),
        thread_([this] { run(); }) {}

  ~Listener() {
    const std::uint64_t one = 1;
    [[maybe_unused]] const auto written = ::write(stop_fd_, &one, sizeof(one));
    thread_.join();
    ::close(stop_fd_);
  }

  void listen(ports::Topic topic, absl::AnyInvocable<void()> callback) {
    (*callbacks_)[index_of(topic)] = std::make_shared<absl::AnyInvocable<void()>>(std::move(callback));
  }

 private:
  // Touched on the strand only. A callback is held while it runs, since it may replace itself.
  using Callbacks = std::array<std::shared_ptr<absl::AnyInvocable<void()>>, kChannels.size()>;

  // Takes notifications of one channel; marks it, announce() posts.
  class Receiver final : public pqxx::notification_receiver {
   public:
    Receiver(pqxx::connection& connection, const char* channel, bool& heard)
        : pqxx::notification_receiver(connection, channel), heard_(heard) {}
    void operator()(const std::string&, int) override { heard_ = true; }

   private:
    bool& heard_;
  };

  void run() {
    Backoff backoff;
    while (true) {
      if (auto session = connect(options_)) {
        backoff.reset();
        if (serve(*session)) return;
      }
      if (wait_for_stop(backoff.next())) return;
    }
  }

  // True when it is time to stop, false when the connection broke.
  bool serve(Session& session) {
    try {
      Topics heard{};
      std::vector<std::unique_ptr<Receiver>> receivers;  // constructing one sends LISTEN
      for (std::size_t i = 0; i < kChannels.size(); ++i) {
        receivers.push_back(std::make_unique<Receiver>(session.connection(), kChannels[i].name, heard[i]));
      }
      heard.fill(true);
      while (true) {
        announce(std::exchange(heard, Topics{}));
        std::array<pollfd, 2> fds = {pollfd{.fd = stop_fd_, .events = POLLIN, .revents = 0},
                                     pollfd{.fd = session.connection().sock(), .events = POLLIN, .revents = 0}};
        ::poll(fds.data(), fds.size(), -1);
        if (fds[0].revents != 0) return true;
        if (fds[1].revents == 0) continue;
        session.connection().get_notifs();
        if (!session.connection().is_open()) return false;
      }
    } catch (const std::exception&) {
      return false;
    }
  }

  void announce(const Topics& heard) {
    for (std::size_t i = 0; i < heard.size(); ++i) {
      if (!heard[i]) continue;
      boost::asio::post(executor_, [weak = std::weak_ptr<Callbacks>(callbacks_), i] {
        const auto callbacks = weak.lock();
        if (!callbacks) return;
        const auto callback = (*callbacks)[i];
        if (callback && *callback) (*callback)();
      });
    }
  }

  bool wait_for_stop(std::chrono::milliseconds pause) {
    pollfd fd{.fd = stop_fd_, .events = POLLIN, .revents = 0};
    return ::poll(&fd, 1, static_cast<int>(pause.count())) > 0;
  }

  const SessionOptions options_;
  const boost::asio::any_io_executor executor_;
  std::shared_ptr<Callbacks> callbacks_;
  const int stop_fd_;
  std::thread thread_;
};

namespace {

// Hints need no disk: with synchronous_commit off a notification does not wait for the WAL. The listener's connection
// must not stay open for ever with a dead client (the notification queue would fill and commits would fail), so both
// keep the keepalives of every session.
SessionOptions for_hints(SessionOptions options, const char* suffix) {
  options.application_name += suffix;
  options.statement_timeout = absl::Seconds(5);
  options.server_settings += " -c synchronous_commit=off";
  return options;
}

}  // namespace

Hints::Hints(SessionOptions session, base::Strand& strand)
    : sender_(std::make_unique<Sender>(for_hints(session, "-notify"))),
      listener_(std::make_unique<Listener>(for_hints(session, "-listen"), strand)) {}

Hints::~Hints() = default;

void Hints::send(ports::Topic topic) {
  sender_->send(topic);
}

void Hints::listen(ports::Topic topic, absl::AnyInvocable<void()> callback) {
  listener_->listen(topic, std::move(callback));
}

}  // namespace renderyard::postgres
