// What the PostgreSQL tests share: one cluster per binary, a migrated database per test, and blocking clients, each
// with an event loop on a thread of its own, as a process would have.
#pragma once

#include <gtest/gtest.h>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <chrono>
#include <cstdlib>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "libs/common/adapters/postgres/accounts.h"
#include "libs/common/adapters/postgres/dispatch_store.h"
#include "libs/common/adapters/postgres/event_log.h"
#include "libs/common/adapters/postgres/execution_store.h"
#include "libs/common/adapters/postgres/instance_store.h"
#include "libs/common/adapters/postgres/job_store.h"
#include "libs/common/adapters/postgres/schema.h"
#include "libs/common/base/group.h"
#include "libs/common/base/random.h"
#include "libs/common/testing/private_postgres.h"

namespace renderyard::postgres {

template <class T>
T must(absl::StatusOr<T> value) {
  if (!value.ok()) {
    ADD_FAILURE() << value.status();
    std::abort();
  }
  return *std::move(value);
}

inline testing::PrivatePostgres& cluster() {
  testing::PrivatePostgres::Options options;
  options.fsync = false;
  static const auto cluster = must(testing::PrivatePostgres::start(options));
  return *cluster;
}

inline SessionOptions session_to(std::string url) {
  SessionOptions options;
  options.database_url = std::move(url);
  return options;
}

inline SessionOptions fresh_database() {
  return session_to(must(cluster().fresh_database()));
}

// Waits, with patience, until `condition` holds: for what happens on other threads and in the server.
template <class Condition>
bool eventually(Condition condition) {
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > until) return false;
    std::this_thread::yield();
  }
  return true;
}

class Client {
 public:
  explicit Client(PoolOptions options) : pool(std::move(options)) {}
  explicit Client(const SessionOptions& session, int threads = 1)
      : Client(PoolOptions{.session = session, .threads = threads, .queue_limit = 1024}) {}

  ~Client() {
    pool.stop();
    work_.reset();
    thread_.join();
    strand.drop_all();
  }

  template <class R>
  std::future<R> begin(base::Task<R> task) {
    auto promise = std::make_shared<std::promise<R>>();
    auto future = promise->get_future();
    auto shared = std::make_shared<base::Task<R>>(std::move(task));
    boost::asio::post(io_, [this, promise, shared] {
      base::spawn_root(strand, keep<R>(std::move(*shared), promise), [](const absl::Status&) {});
    });
    return future;
  }
  template <class R>
  R await(base::Task<R> task) {
    return begin<R>(std::move(task)).get();
  }

 private:
  template <class R>
  static base::Task<absl::Status> keep(base::Task<R> task, std::shared_ptr<std::promise<R>> promise) {
    R result = co_await std::move(task);
    promise->set_value(std::move(result));
    co_return absl::OkStatus();
  }

  boost::asio::io_context io_;
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_ = boost::asio::make_work_guard(io_);

 public:
  base::Strand strand{io_.get_executor()};
  Pool pool;
  JobStore jobs{pool, strand};
  DispatchStore dispatch{pool, strand};
  ExecutionStore executions{pool, strand};
  InstanceStore instances{pool, strand};
  EventLog events{pool, strand};

 private:
  std::thread thread_{[this] { io_.run(); }};
};

inline ports::NewJob new_job(ports::UserId user, base::Random& random) {
  ports::NewJob job;
  job.user = user;
  job.uid = random.uuid4();
  job.job_type = "image_generation";
  job.workflow = "{}";
  job.parameters_json = "{}";
  return job;
}

// An instance that may get work, and its lease.
inline ports::Lease make_instance(Client& client, const std::string& name, int slots) {
  ports::NewInstance instance;
  instance.name = name;
  instance.api_url = "http://" + name;
  instance.ws_url = "ws://" + name;
  instance.slots = slots;
  must(client.await(client.instances.add(instance)));
  ports::BridgeIdentity who;
  who.owner = "bridge-1";
  who.address = "127.0.0.1:1";
  const auto leases = must(client.await(client.executions.acquire(who, absl::Seconds(600), 1)));
  ports::InstanceState state;
  state.id = leases.at(0).instance_id;
  state.epoch = leases.at(0).epoch;
  state.status = ports::InstanceStatus::kConnected;
  must(client.await(client.executions.set_instance_states({state})));
  return leases.at(0);
}

inline std::int64_t count(Session& session, const std::string& sql) {
  return session.run_text(sql).front()[0].as<std::int64_t>();
}

}  // namespace renderyard::postgres
