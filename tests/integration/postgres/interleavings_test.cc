// Interleavings in which one side waits on the other's row lock: what READ COMMITTED lets a statement see is decided
// there. One side is a transaction held open by the test, the other a store call that must be found waiting before the
// first commits.
#include <gtest/gtest.h>

#include "libs/common/adapters/postgres/dispatch_store_sql.h"
#include "libs/common/adapters/postgres/execution_store_sql.h"
#include "tests/integration/postgres/harness.h"

namespace renderyard::postgres {
namespace {

using ports::ExecutionState;

class Interleaving : public ::testing::Test {
 protected:
  Interleaving() : lease_(make_instance(client_, "gpu", 1)) {
    user_ = must(ensure_user(*admin_, "anna", ports::Role::kUser));
    job_ = must(client_.await(client_.jobs.submit(new_job(user_, random_)))).id;
  }

  // A server process of this database waits for a lock.
  bool somebody_waits() {
    return eventually([this] {
      return count(*admin_,
                   "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = "
                   "'Lock'") > 0;
    });
  }

  std::vector<ports::Assignment> assignment() {
    ports::Assignment wanted;
    wanted.job_id = job_;
    wanted.instance_id = lease_.instance_id;
    wanted.slot_no = 0;
    wanted.client_prompt_id = random_.uuid4();
    return {wanted};
  }

  ports::ExecutionId claim() {
    return must(client_.await(client_.dispatch.claim(assignment(), "dispatcher-1"))).at(0).execution_id;
  }

  Params claim_params() {
    Params params;
    params.array(std::vector<std::int64_t>{job_.value}).array(std::vector<std::int64_t>{lease_.instance_id.value});
    params.array(std::vector<std::int64_t>{0}).array(std::vector<std::string>{random_.uuid4()}).add("dispatcher-1");
    return params;
  }

  ports::ExecutionRow execution(ports::ExecutionId id) { return must(client_.await(client_.executions.read(id))); }

  SessionOptions options_ = fresh_database();
  std::unique_ptr<Session> admin_ = must(open_session(options_));
  std::unique_ptr<Session> other_ = must(open_session(options_));
  Client client_{options_, 2};
  base::SplitMix random_{5};
  ports::Lease lease_;
  ports::UserId user_;
  ports::JobId job_;
};

TEST_F(Interleaving, AWishThatWaitedForTheClaimReachesItsExecution) {
  Transaction claiming(*other_);
  const pqxx::result claimed = claiming.run(sql::kClaim, claim_params());
  ASSERT_EQ(claimed.size(), 1u);
  auto wish = client_.begin(client_.jobs.request_cancel(job_, user_));
  ASSERT_TRUE(somebody_waits());
  claiming.commit();
  EXPECT_EQ(must(wish.get()), ports::CancelOutcome::kRecorded);
  EXPECT_TRUE(execution(ports::ExecutionId{claimed.front()[0].as<std::int64_t>()}).cancel_requested_at.has_value());
}

TEST_F(Interleaving, AClaimNeverWaitsAndNeverTakesAWishedJob) {
  Transaction wishing(*other_);
  wishing.run_text("UPDATE jobs SET cancel_requested_at = now()");
  EXPECT_TRUE(must(client_.await(client_.dispatch.claim(assignment(), "dispatcher-1"))).empty()) << "locked: skipped";
  wishing.commit();
  EXPECT_TRUE(must(client_.await(client_.dispatch.claim(assignment(), "dispatcher-1"))).empty())
      << "wished: left alone";
  EXPECT_EQ(count(*admin_, "SELECT count(*) FROM instance_slots WHERE execution_id IS NULL"), 1);
}

TEST_F(Interleaving, AStartThatWaitedForTheWithdrawalDoesNotHappen) {
  const ports::ExecutionId id = claim();
  Transaction withdrawing(*other_);
  ASSERT_EQ(withdrawing.run(sql::kWithdraw, Params().add(id).add("stale")).size(), 1u);
  auto start = client_.begin(client_.executions.start(id, lease_.instance_id, lease_.epoch, "ry-1"));
  ASSERT_TRUE(somebody_waits());
  withdrawing.commit();
  EXPECT_FALSE(must(start.get()).has_value());
  EXPECT_EQ(execution(id).state, ExecutionState::kWithdrawn);
}

TEST_F(Interleaving, AWithdrawalThatWaitedForTheStartDoesNotHappen) {
  const ports::ExecutionId id = claim();
  Transaction starting(*other_);
  const Params params = Params().add(id).add(lease_.instance_id).add(lease_.epoch).add("ry-1");
  ASSERT_EQ(starting.run(sql::kStart, params).size(), 1u);
  auto withdrawal = client_.begin(client_.dispatch.withdraw(id, "stale"));
  ASSERT_TRUE(somebody_waits());
  starting.commit();
  EXPECT_FALSE(must(withdrawal.get()));
  EXPECT_EQ(execution(id).state, ExecutionState::kSubmitting);
  EXPECT_TRUE(must(client_.await(client_.jobs.get(job_))).execution_id.has_value());
}

TEST_F(Interleaving, ATakeoverThatWaitedForAStartOwnsWhatWasStarted) {
  const ports::ExecutionId id = claim();
  Transaction starting(*other_);
  const Params params = Params().add(id).add(lease_.instance_id).add(lease_.epoch).add("ry-1");
  ASSERT_EQ(starting.run(sql::kStart, params).size(), 1u);
  admin_->run_text("UPDATE instance_leases SET expires_at = now() - interval '1 s'");
  ports::BridgeIdentity who;
  who.owner = "bridge-2";
  auto takeover = client_.begin(client_.executions.acquire(who, absl::Seconds(60), 10));
  ASSERT_TRUE(somebody_waits()) << "the start holds the lease";
  starting.commit();
  const auto leases = must(takeover.get());
  ASSERT_EQ(leases.size(), 1u);
  EXPECT_EQ(leases[0].previous_owner, "bridge-1");
  EXPECT_EQ(leases[0].epoch.value, lease_.epoch.value + 1);
  EXPECT_EQ(execution(id).owner_epoch, leases[0].epoch);
  EXPECT_EQ(execution(id).adoptions, 1);
}

TEST_F(Interleaving, ARenewalDoesNotWaitForAStart) {
  const ports::ExecutionId id = claim();
  Transaction starting(*other_);
  const Params params = Params().add(id).add(lease_.instance_id).add(lease_.epoch).add("ry-1");
  ASSERT_EQ(starting.run(sql::kStart, params).size(), 1u);
  ports::BridgeIdentity who;
  who.owner = "bridge-1";
  const std::vector<ports::Lease> leases{lease_};
  EXPECT_EQ(must(client_.await(client_.executions.renew(who, leases, absl::Seconds(60)))).size(), 1u);
  starting.abort();
}

TEST_F(Interleaving, AStartUnderAnEpochThatWasJustTakenOverDoesNotHappen) {
  const ports::ExecutionId id = claim();
  Transaction taking(*other_);
  taking.run_text("UPDATE instance_leases SET owner = 'bridge-2', epoch = epoch + 1");
  auto start = client_.begin(client_.executions.start(id, lease_.instance_id, lease_.epoch, "ry-1"));
  ASSERT_TRUE(somebody_waits());
  taking.commit();
  EXPECT_FALSE(must(start.get()).has_value());
  EXPECT_EQ(execution(id).state, ExecutionState::kAssigned);
}

// The fence by subquery fails exactly here: it would be answered from the snapshot before the takeover.
TEST_F(Interleaving, AStaleOwnersWriteThatWaitedForTheTakeoverDoesNotHappen) {
  const ports::ExecutionId id = claim();
  ASSERT_TRUE(must(client_.await(client_.executions.start(id, lease_.instance_id, lease_.epoch, "ry-1"))).has_value());
  Transaction taking(*other_);
  taking.run_text("UPDATE instance_leases SET owner = 'bridge-2', epoch = epoch + 1");
  taking.run_text("UPDATE comfyui_executions SET owner_epoch = owner_epoch + 1");
  ports::Advance step;
  step.id = id;
  step.epoch = lease_.epoch;
  step.from = {ExecutionState::kSubmitting};
  step.to = ExecutionState::kLost;
  auto stale = client_.begin(client_.executions.advance(step));
  ASSERT_TRUE(somebody_waits());
  taking.commit();
  EXPECT_FALSE(must(stale.get()).has_value());
  EXPECT_EQ(execution(id).state, ExecutionState::kSubmitting);
}

TEST_F(Interleaving, TwoSubmitsOfOneKeyAreOneJob) {
  ports::NewJob job = new_job(user_, random_);
  job.idempotency = ports::IdempotencyKey{"order-1", std::string(64, 'a')};
  Transaction first(*other_);
  first.run_text("INSERT INTO jobs (id, uid, job_type, submitted_by, workflow) VALUES (1000, gen_random_uuid(), 't', " +
                 to_string(user_) + ", '{}')");
  first.run_text("INSERT INTO idempotency_keys (user_id, key, body_sha256, job_id) VALUES (" + to_string(user_) +
                 ", 'order-1', '" + std::string(64, 'a') + "', 1000)");
  auto second = client_.begin(client_.jobs.submit(job));
  ASSERT_TRUE(somebody_waits());
  first.commit();
  const auto submitted = must(second.get());
  EXPECT_TRUE(submitted.replayed);
  EXPECT_EQ(submitted.id.value, 1000);
  EXPECT_EQ(count(*admin_, "SELECT count(*) FROM jobs"), 2);
}

TEST_F(Interleaving, SettleSkipsAJobThatSomebodyHolds) {
  const ports::ExecutionId id = claim();
  ASSERT_TRUE(must(client_.await(client_.executions.start(id, lease_.instance_id, lease_.epoch, "ry-1"))).has_value());
  ports::Advance step;
  step.id = id;
  step.epoch = lease_.epoch;
  step.from = {ExecutionState::kSubmitting};
  step.to = ExecutionState::kLost;
  ASSERT_TRUE(must(client_.await(client_.executions.advance(step))).has_value());
  ports::Settlement settlement;
  settlement.execution_id = id;
  settlement.job_id = job_;
  settlement.kind = ports::Settlement::Kind::kFail;
  settlement.error.code = "execution_lost";
  const std::vector<ports::Settlement> settlements{settlement};
  Transaction holding(*other_);
  holding.run_text("SELECT FROM jobs FOR UPDATE");
  EXPECT_TRUE(must(client_.await(client_.dispatch.settle(settlements))).empty());
  holding.abort();
  EXPECT_EQ(must(client_.await(client_.dispatch.settle(settlements))).size(), 1u);
  EXPECT_TRUE(must(client_.await(client_.dispatch.settle(settlements))).empty()) << "once";
}

}  // namespace
}  // namespace renderyard::postgres
