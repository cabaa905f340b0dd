// A StoreWorld on a real PostgreSQL: one private cluster per process, a fresh copy of the migrated database for every
// case, and for every client a pool of its own, so that the raced cases race real connections. The two stores whose
// statements race are parameters, so that a test may put wrong ones in their place.
#pragma once

#include <array>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <cstdlib>

#include "libs/common/adapters/postgres/accounts.h"
#include "libs/common/adapters/postgres/cancel_store.h"
#include "libs/common/adapters/postgres/dispatch_store.h"
#include "libs/common/adapters/postgres/event_log.h"
#include "libs/common/adapters/postgres/execution_store.h"
#include "libs/common/adapters/postgres/instance_store.h"
#include "libs/common/adapters/postgres/job_store.h"
#include "libs/common/adapters/postgres/operator_store.h"
#include "libs/common/adapters/postgres/schema.h"
#include "libs/common/base/group.h"
#include "libs/common/testing/private_postgres.h"
#include "tests/conformance/store_suite.h"

namespace renderyard::conformance {
using postgres::Params;
using postgres::Session;
using postgres::Statement;

template <class T>
T must_be(absl::StatusOr<T> value) {
  if (!value.ok()) {
    ADD_FAILURE() << value.status();
    std::abort();
  }
  return *std::move(value);
}

// Ends with the process, after the last case.
inline testing::PrivatePostgres& cluster() {
  testing::PrivatePostgres::Options options;
  options.fsync = false;
  static const auto cluster = must_be(testing::PrivatePostgres::start(options));
  return *cluster;
}

template <class Executions = postgres::ExecutionStore, class Dispatch = postgres::DispatchStore>
class PostgresWorld final : public StoreWorld {
 public:
  PostgresWorld() {
    options_.database_url = must_be(cluster().fresh_database());
    admin_ = must_be(postgres::open_session(options_));
  }

  ~PostgresWorld() override {
    for (auto& client : clients_) client.reset();
    strand_.drop_all();
    io_.poll();
  }

  Stores client(int n) override {
    auto& client = clients_.at(static_cast<std::size_t>(n));
    if (!client) client = std::make_unique<Client>(strand_, options_);
    return Stores{client->jobs,   client->dispatch,  client->executions, client->instances,
                  client->events, client->operators, client->cancels};
  }

  base::Strand& strand() override { return strand_; }

  absl::Status run(base::Task<absl::Status> task) override {
    std::optional<absl::Status> result;
    base::spawn_root(strand_, std::move(task), [&result](absl::Status status) { result = std::move(status); });
    const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (!result && io_.run_one_until(limit) > 0) {
    }
    if (!result) {
      strand_.drop_all();
      return absl::DeadlineExceededError("the task did not end");
    }
    return *result;
  }

  ports::UserId make_user(const std::string& name, ports::Role role, const std::string& token_sha256) override {
    const ports::UserId user = must_be(postgres::ensure_user(*admin_, name, role));
    EXPECT_TRUE(postgres::add_token(*admin_, user, token_sha256).ok());
    return user;
  }

  void revoke_token(const std::string& token_sha256) override {
    constexpr Statement kRevoke = {"revoke",
                                   "UPDATE api_tokens SET revoked_at = clock_timestamp() WHERE token_sha256 = $1"};
    admin_->run(kRevoke, Params().add(token_sha256));
  }

  void expire_lease(ports::InstanceId instance) override {
    constexpr Statement kExpire = {
        "expire", "UPDATE instance_leases SET expires_at = clock_timestamp() - interval '1 ms' WHERE instance_id = $1"};
    admin_->run(kExpire, Params().add(instance));
  }

  void end_pause(ports::JobId job) override {
    constexpr Statement kEndPause = {"end_pause", "UPDATE jobs SET not_before = clock_timestamp() WHERE id = $1"};
    admin_->run(kEndPause, Params().add(job));
  }

  void end_wait(ports::JobId job) override {
    constexpr Statement kEndWait = {"end_wait", "UPDATE jobs SET wait_until = clock_timestamp() WHERE id = $1"};
    admin_->run(kEndWait, Params().add(job));
  }

  void age_adoption(ports::ExecutionId execution) override {
    constexpr postgres::Statement kAge = {
        "age_adoption", "UPDATE comfyui_executions SET adopted_at = adopted_at - interval '1 hour' WHERE id = $1"};
    admin_->run(kAge, postgres::Params().add(execution));
  }

  void occupy_slot(ports::InstanceId instance, int slot, ports::ExecutionId execution) override {
    static constexpr Statement kOccupy = {
        "occupy", "UPDATE instance_slots SET execution_id = $3 WHERE instance_id = $1 AND slot_no = $2"};
    admin_->run(kOccupy, Params().add(instance).add(slot).add(execution));
  }

  std::function<void()> open_writing_transaction() override {
    struct Open {
      explicit Open(std::unique_ptr<Session> s) : session(std::move(s)), transaction(*session) {}
      std::unique_ptr<Session> session;
      postgres::Transaction transaction;
    };
    auto open = std::make_shared<Open>(must_be(postgres::open_session(options_)));
    open->transaction.run_text("SELECT pg_current_xact_id()");
    open->transaction.run_text("SELECT nextval('job_events_id_seq')");
    return [open] { open->transaction.abort(); };
  }

  // The cases' own connection, for what a world must change before a case begins.
  Session& admin() { return *admin_; }

 private:
  struct Client {
    Client(base::Strand& strand, const postgres::SessionOptions& session)
        : pool({.session = session, .threads = 2, .queue_limit = 1024}),
          jobs(pool, strand),
          dispatch(pool, strand),
          executions(pool, strand),
          instances(pool, strand),
          events(pool, strand),
          operators(pool, strand),
          cancels(pool, strand) {}
    postgres::Pool pool;
    postgres::JobStore jobs;
    Dispatch dispatch;
    Executions executions;
    postgres::InstanceStore instances;
    postgres::EventLog events;
    postgres::OperatorStore operators;
    postgres::CancelStore cancels;
  };

  boost::asio::io_context io_;
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_ = boost::asio::make_work_guard(io_);
  base::Strand strand_{io_.get_executor()};
  postgres::SessionOptions options_;
  std::unique_ptr<Session> admin_;
  std::array<std::unique_ptr<Client>, 8> clients_;
};

}  // namespace renderyard::conformance
