// CancelExecution over gRPC: every outcome, and the wait up to the caller's deadline.
#include <gmock/gmock.h>
#include <grpcpp/create_channel.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>

#include "libs/common/adapters/grpc/unary_call.h"
#include "renderyard/v1/bridge.grpc.pb.h"
#include "tests/integration/grpc_fixture.h"

namespace renderyard::test {
namespace {

using domain::ExecutionState;
using domain::JobStatus;
using ::testing::ElementsAre;
using ::testing::Gt;
using ::testing::IsEmpty;

ports::JobEnd running() {
  ports::JobEnd end;
  end.status = JobStatus::kRunning;
  end.execution = ports::ExecutionEnd{ports::ExecutionId{3}, ExecutionState::kRunning, {}, {}};
  return end;
}

ports::JobEnd ended(ExecutionState state, const std::string& code = "") {
  ports::JobEnd end = running();
  end.execution->state = state;
  if (!code.empty()) end.execution->error = ports::JobError{code, "it broke", {}, {}};
  return end;
}

class CancelExecutionTest : public GrpcTest {
 protected:
  using Answer = absl::StatusOr<v1::CancelExecutionResponse>;

  // The answer, given within `patience`.
  Answer cancel(std::int64_t job, absl::Duration patience = absl::Seconds(20)) {
    make_server({});
    const absl::Status started = server_->start();
    if (!started.ok()) return started;
    stub_ = v1::BridgeService::NewStub(grpc::CreateChannel(address(), grpc::InsecureChannelCredentials()));
    Answer answer = absl::UnknownError("no answer");
    const absl::Status status = run_and_stop(ask(job, patience, &answer));
    outstanding_.abandon_all();
    return status.ok() ? answer : Answer(status);
  }

  base::Task<absl::Status> ask(std::int64_t job, absl::Duration patience, Answer* answer) {
    using State = grpc_clients::UnaryState<v1::CancelExecutionRequest, v1::CancelExecutionResponse>;
    auto state = std::make_shared<State>();
    state->request.set_job_id(job);
    state->context.set_deadline(absl::ToChronoTime(absl::Now() + patience));
    grpc_clients::UnaryMethod<v1::CancelExecutionRequest, v1::CancelExecutionResponse> method =
        [this](auto* context, const auto* sent, auto* reply, auto done) {
          stub_->async()->CancelExecution(context, sent, reply, std::move(done));
        };
    Answer got = co_await grpc_clients::unary_call(loop_.strand(), outstanding_, std::move(state), std::move(method));
    *answer = std::move(got);
    co_return absl::OkStatus();
  }

  std::unique_ptr<v1::BridgeService::Stub> stub_;
  grpc_clients::Outstanding outstanding_;
};

TEST_F(CancelExecutionTest, WaitsUntilTheExecutionIsCancelled) {
  cancels_.ends = {running(), running(), ended(ExecutionState::kCancelled)};
  const Answer answer = cancel(7);
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_EQ(answer->outcome(), v1::CANCEL_OUTCOME_CANCELLED);
  EXPECT_THAT(cancels_.wished, ElementsAre(7));
  EXPECT_EQ(cancels_.looks, 3);
  EXPECT_THAT(cancel_hints_.sent, ElementsAre(ports::Topic::kJobs, ports::Topic::kAssigned, ports::Topic::kEvents));
}

TEST_F(CancelExecutionTest, ComesTooLateForACompletedOne) {
  cancels_.ends = {running(), ended(ExecutionState::kCompleted)};
  const Answer answer = cancel(7);
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_EQ(answer->outcome(), v1::CANCEL_OUTCOME_COMPLETED);
}

TEST_F(CancelExecutionTest, SaysWithWhichErrorItFailed) {
  cancels_.ends = {ended(ExecutionState::kFailed, "out_of_memory")};
  Answer answer = cancel(7);
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_EQ(answer->outcome(), v1::CANCEL_OUTCOME_FAILED);
  EXPECT_EQ(answer->error_code(), "out_of_memory");
  EXPECT_EQ(answer->error_message(), "it broke");
}

TEST_F(CancelExecutionTest, AnswersPendingBeforeTheDeadlineAndTheWishStands) {
  cancels_.ends = {running()};
  const Answer answer = cancel(7, absl::Milliseconds(1500));
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_EQ(answer->outcome(), v1::CANCEL_OUTCOME_PENDING);
  EXPECT_THAT(cancels_.looks, Gt(3)) << "it waited";
  EXPECT_THAT(cancels_.wished, ElementsAre(7));
}

TEST_F(CancelExecutionTest, KnowsNoSuchJob) {
  cancels_.wish_status = absl::NotFoundError("no such job");
  const Answer answer = cancel(7);
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_EQ(answer->outcome(), v1::CANCEL_OUTCOME_NOT_FOUND);
  EXPECT_THAT(cancel_hints_.sent, IsEmpty());
}

TEST_F(CancelExecutionTest, AWrongNumberIsRefusedAndNothingIsWished) {
  EXPECT_TRUE(absl::IsInvalidArgument(cancel(0).status()));
  EXPECT_THAT(cancels_.wished, IsEmpty());
}

}  // namespace
}  // namespace renderyard::test
