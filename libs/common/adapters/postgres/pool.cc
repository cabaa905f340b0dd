#include "libs/common/adapters/postgres/pool.h"

#include <chrono>
#include <memory>
#include <utility>

#include "libs/common/adapters/postgres/errors.h"
#include "libs/common/adapters/postgres/session.h"

namespace renderyard::postgres {

namespace {

constexpr auto kReconnectPause = std::chrono::milliseconds(200);

// One thread's connection, made when needed.
class Link {
 public:
  explicit Link(const SessionOptions& options) : options_(options) {}

  Session* get() {
    if (session_ && session_->usable()) return session_.get();
    session_.reset();
    const auto now = std::chrono::steady_clock::now();
    if (!status_.ok() && now < retry_at_) return nullptr;
    connect();
    if (!session_) retry_at_ = std::chrono::steady_clock::now() + kReconnectPause;
    return session_.get();
  }

  const absl::Status& status() const { return status_; }

 private:
  void connect() {
    const auto conninfo = session_conninfo(options_);
    if (!conninfo.ok()) {
      status_ = conninfo.status();
      return;
    }
    try {
      session_ = std::make_unique<Session>(*conninfo);
      status_ = absl::OkStatus();
    } catch (...) {
      status_ = connect_status_of_current_exception();
    }
  }

  const SessionOptions& options_;
  std::unique_ptr<Session> session_;
  absl::Status status_;
  std::chrono::steady_clock::time_point retry_at_{};
};

}  // namespace

Pool::Pool(PoolOptions options) : options_(std::move(options)) {
  for (int i = 0; i < options_.threads; ++i) {
    threads_.emplace_back([this] { work(); });
  }
}

Pool::~Pool() {
  stop();
}

bool Pool::enqueue(Job job) {
  {
    base::MutexLock lock(mutex_);
    if (stopping_ || queue_.size() >= options_.queue_limit) return false;
    queue_.push_back(std::move(job));
  }
  wake_.notify_one();
  return true;
}

void Pool::stop() {
  {
    base::MutexLock lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

void Pool::work() {
  Link link(options_.session);
  link.get();  // not at the first request's cost
  while (true) {
    Job job;
    bool stopping = false;
    {
      base::MutexLock lock(mutex_);
      while (queue_.empty() && !stopping_) wake_.wait(mutex_);
      if (queue_.empty()) return;
      job = std::move(queue_.front());
      queue_.pop_front();
      stopping = stopping_;
    }
    if (stopping) {
      job(nullptr, absl::UnavailableError("the database pool has stopped"));
      continue;
    }
    Session* session = link.get();
    job(session, link.status());
  }
}

}  // namespace renderyard::postgres
