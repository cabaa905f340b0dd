#include <gmock/gmock.h>
#include <grpcpp/create_channel.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "libs/common/adapters/grpc/unary_call.h"
#include "renderyard/v1/operator.grpc.pb.h"
#include "tests/integration/grpc_fixture.h"

namespace renderyard::test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// What came over the wire; the real rules are the stores' and their conformance suite's.
class RecordedOperators final : public ports::OperatorStore {
 public:
  base::Task<absl::StatusOr<ports::OperatorNote>> note(ports::JobId job, bool ran, ports::Operator by) override {
    asked.push_back("note " + to_string(job) + (ran ? " ran " : " not ") + by.who + ": " + by.why);
    co_return ports::OperatorNote{ran, by.who, by.why, absl::FromUnixSeconds(1'767'323'045)};
  }
  base::Task<absl::StatusOr<ports::GivenUp>> give_up(ports::JobId job, ports::Operator by) override {
    asked.push_back("give_up " + to_string(job) + " " + by.who);
    if (job.value == 404) co_return absl::NotFoundError("no such job");
    ports::GivenUp done;
    done.execution_id = ports::ExecutionId{12};
    done.instance_id = ports::InstanceId{3};
    done.was = domain::ExecutionState::kQueued;
    done.prompt_may_run = true;
    co_return done;
  }
  base::Task<absl::StatusOr<ports::FreedSlot>> free_slot(std::string instance, int slot, ports::Operator by) override {
    asked.push_back("free_slot " + instance + "/" + std::to_string(slot) + " " + by.who);
    co_return ports::FreedSlot{ports::InstanceId{3}, slot, ports::ExecutionId{12}};
  }
  base::Task<absl::StatusOr<std::vector<ports::OperatorRecord>>> actions(std::optional<ports::JobId> job,
                                                                         int limit) override {
    asked.push_back("actions " + (job ? to_string(*job) : "all") + " " + std::to_string(limit));
    ports::OperatorRecord row;
    row.id = 5;
    row.at = absl::FromUnixSeconds(1'767'323'045);
    row.who = "anna";
    row.why = "it hangs";
    row.action = domain::OperatorAction::kGiveUp;
    row.job_id = ports::JobId{7};
    row.slot_no = 0;
    row.data_json = "{}";
    co_return std::vector<ports::OperatorRecord>{row};
  }

  std::vector<std::string> asked;
};

class OperatorServiceTest : public GrpcTest {
 protected:
  using Async = v1::OperatorService::StubInterface::async_interface;

  absl::Status with_operators(base::Task<absl::Status> body) {
    make_server({});
    service_ = dispatcher::make_operator_service(server_->core(), store_, hints_);
    server_->add(*service_, "renderyard.v1.OperatorService");
    const absl::Status started = server_->start();
    if (!started.ok()) return started;
    stub_ = v1::OperatorService::NewStub(grpc::CreateChannel(address(), grpc::InsecureChannelCredentials()));
    const absl::Status status = run_and_stop(std::move(body));
    outstanding_.abandon_all();
    return status;
  }

  template <class Request, class Response>
  base::Task<absl::StatusOr<Response>> call(void (Async::*rpc)(grpc::ClientContext*, const Request*, Response*,
                                                               std::function<void(grpc::Status)>),
                                            Request request) {
    using State = grpc_clients::UnaryState<Request, Response>;
    auto state = std::make_shared<State>();
    state->request = std::move(request);
    grpc_clients::UnaryMethod<Request, Response> method = [this, rpc](auto* context, const auto* sent, auto* reply,
                                                                      auto done) {
      (stub_->async()->*rpc)(context, sent, reply, std::move(done));
    };
    co_return co_await grpc_clients::unary_call(loop_.strand(), outstanding_, std::move(state), std::move(method));
  }

  static v1::Operator anna() {
    v1::Operator by;
    by.set_who("anna");
    by.set_why("it hangs");
    return by;
  }

  base::Task<absl::Status> everything() {
    v1::NoteJobRequest note;
    note.set_job_id(7);
    note.set_ran(false);
    *note.mutable_by() = anna();
    ASSIGN_OR_CO_RETURN(const auto noted, co_await call(&Async::NoteJob, std::move(note)));
    EXPECT_EQ(noted.at().seconds(), 1'767'323'045);
    v1::GiveUpExecutionRequest give_up;
    give_up.set_job_id(7);
    *give_up.mutable_by() = anna();
    ASSIGN_OR_CO_RETURN(const auto given_up, co_await call(&Async::GiveUpExecution, std::move(give_up)));
    EXPECT_EQ(given_up.execution_id(), 12);
    EXPECT_EQ(given_up.instance_id(), 3);
    EXPECT_EQ(given_up.was(), "queued");
    EXPECT_TRUE(given_up.prompt_may_run());
    v1::FreeSlotRequest free_slot;
    free_slot.set_instance("gpu-1");
    free_slot.set_slot(1);
    *free_slot.mutable_by() = anna();
    ASSIGN_OR_CO_RETURN(const auto freed, co_await call(&Async::FreeSlot, std::move(free_slot)));
    EXPECT_EQ(freed.held_by_execution_id(), 12);
    v1::ListOperatorActionsRequest list;
    list.set_job_id(7);
    ASSIGN_OR_CO_RETURN(const auto listed, co_await call(&Async::ListOperatorActions, std::move(list)));
    EXPECT_EQ(listed.actions_size(), 1);
    EXPECT_EQ(listed.actions(0).action(), "give_up");
    EXPECT_EQ(listed.actions(0).who(), "anna");
    EXPECT_EQ(listed.actions(0).job_id(), 7);
    EXPECT_TRUE(listed.actions(0).has_slot());
    EXPECT_FALSE(listed.actions(0).has_execution_id());
    co_return absl::OkStatus();
  }

  base::Task<absl::Status> refusals() {
    v1::GiveUpExecutionRequest give_up;
    auto wrong = co_await call(&Async::GiveUpExecution, give_up);
    EXPECT_THAT(std::string(wrong.status().message()), HasSubstr("job_id: "));
    give_up.set_job_id(7);
    wrong = co_await call(&Async::GiveUpExecution, give_up);
    EXPECT_THAT(std::string(wrong.status().message()), HasSubstr("who: "));
    give_up.mutable_by()->set_who("anna");
    give_up.mutable_by()->set_why("two\nlines");
    wrong = co_await call(&Async::GiveUpExecution, give_up);
    EXPECT_TRUE(absl::IsInvalidArgument(wrong.status()));
    EXPECT_THAT(std::string(wrong.status().message()), HasSubstr("why: "));
    v1::NoteJobRequest note;
    note.set_job_id(7);
    *note.mutable_by() = anna();
    const auto undecided = co_await call(&Async::NoteJob, std::move(note));
    EXPECT_THAT(std::string(undecided.status().message()), HasSubstr("ran: "));
    v1::FreeSlotRequest free_slot;
    *free_slot.mutable_by() = anna();
    const auto nameless = co_await call(&Async::FreeSlot, std::move(free_slot));
    EXPECT_THAT(std::string(nameless.status().message()), HasSubstr("instance: "));
    v1::ListOperatorActionsRequest list;
    list.set_limit(1001);
    const auto many = co_await call(&Async::ListOperatorActions, std::move(list));
    EXPECT_THAT(std::string(many.status().message()), HasSubstr("limit: "));
    EXPECT_TRUE(store_.asked.empty());
    give_up.set_job_id(404);
    *give_up.mutable_by() = anna();
    wrong = co_await call(&Async::GiveUpExecution, std::move(give_up));
    EXPECT_TRUE(absl::IsNotFound(wrong.status()));
    co_return absl::OkStatus();
  }

  RecordedOperators store_;
  SentHints hints_;
  std::unique_ptr<grpc::Service> service_;
  std::unique_ptr<v1::OperatorService::Stub> stub_;
  grpc_clients::Outstanding outstanding_;
};

TEST_F(OperatorServiceTest, EveryActionReachesTheStoreWithWhoAndWhyAndIsHinted) {
  EXPECT_EQ(with_operators(everything()), absl::OkStatus());
  EXPECT_THAT(store_.asked,
              ElementsAre("note 7 not anna: it hangs", "give_up 7 anna", "free_slot gpu-1/1 anna", "actions 7 100"));
  EXPECT_THAT(hints_.sent, ElementsAre(ports::Topic::kExecutions, ports::Topic::kAssigned, ports::Topic::kExecutions));
}

TEST_F(OperatorServiceTest, WrongInputReachesNoStoreAndWhatIsRefusedSendsNoHint) {
  EXPECT_EQ(with_operators(refusals()), absl::OkStatus());
  EXPECT_THAT(hints_.sent, IsEmpty());
}

}  // namespace
}  // namespace renderyard::test
