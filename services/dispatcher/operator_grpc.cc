#include <google/protobuf/timestamp.pb.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "libs/common/base/status_macros.h"
#include "libs/common/runtime/grpc/call.h"
#include "libs/common/runtime/grpc/conversions.h"
#include "renderyard/v1/operator.grpc.pb.h"
#include "services/dispatcher/grpc_server.h"

namespace renderyard::dispatcher {

namespace {

constexpr int kMostActions = 1000;
constexpr int kUsualActions = 100;
constexpr int kLastSlot = 63;

absl::StatusOr<ports::Operator> operator_of(const v1::Operator& message) {
  RETURN_IF_ERROR(domain::check_operator(message.who(), message.why()));
  return ports::Operator{message.who(), message.why()};
}

absl::StatusOr<ports::JobId> job_of(std::int64_t id) {
  const ports::JobId job{id};
  if (!job) return absl::InvalidArgumentError("job_id: must be a positive number");
  return job;
}

v1::OperatorAction to_proto(const ports::OperatorRecord& row) {
  v1::OperatorAction message;
  message.set_id(row.id);
  runtime::set_time(row.at, *message.mutable_at());
  message.set_who(row.who);
  message.set_why(row.why);
  message.set_action(std::string(domain::to_string(row.action)));
  if (row.job_id) message.set_job_id(row.job_id->value);
  if (row.execution_id) message.set_execution_id(row.execution_id->value);
  if (row.instance_id) message.set_instance_id(row.instance_id->value);
  if (row.slot_no) message.set_slot(*row.slot_no);
  message.set_data_json(row.data_json);
  return message;
}

class OperatorGrpc final : public v1::OperatorService::CallbackService {
 public:
  OperatorGrpc(std::shared_ptr<runtime::ServerCore> core, ports::OperatorStore& store, ports::Hints& hints)
      : core_(std::move(core)), store_(store), hints_(hints) {}

  grpc::ServerUnaryReactor* NoteJob(grpc::CallbackServerContext* context, const v1::NoteJobRequest* request,
                                    v1::NoteJobResponse* reply) override {
    return runtime::serve_unary(core_, context, request, reply,
                                [this](v1::NoteJobRequest message) { return note(std::move(message)); });
  }
  grpc::ServerUnaryReactor* GiveUpExecution(grpc::CallbackServerContext* context,
                                            const v1::GiveUpExecutionRequest* request,
                                            v1::GiveUpExecutionResponse* reply) override {
    return runtime::serve_unary(core_, context, request, reply,
                                [this](v1::GiveUpExecutionRequest message) { return give_up(std::move(message)); });
  }
  grpc::ServerUnaryReactor* FreeSlot(grpc::CallbackServerContext* context, const v1::FreeSlotRequest* request,
                                     v1::FreeSlotResponse* reply) override {
    return runtime::serve_unary(core_, context, request, reply,
                                [this](v1::FreeSlotRequest message) { return free_slot(std::move(message)); });
  }
  grpc::ServerUnaryReactor* ListOperatorActions(grpc::CallbackServerContext* context,
                                                const v1::ListOperatorActionsRequest* request,
                                                v1::ListOperatorActionsResponse* reply) override {
    return runtime::serve_unary(core_, context, request, reply,
                                [this](v1::ListOperatorActionsRequest message) { return list(std::move(message)); });
  }

 private:
  base::Task<absl::StatusOr<v1::NoteJobResponse>> note(v1::NoteJobRequest request) {
    ASSIGN_OR_CO_RETURN(const ports::JobId job, job_of(request.job_id()));
    if (!request.has_ran()) co_return absl::InvalidArgumentError("ran: say whether the prompt ran, true or false");
    ASSIGN_OR_CO_RETURN(ports::Operator by, operator_of(request.by()));
    const bool ran = request.ran();
    ASSIGN_OR_CO_RETURN(const ports::OperatorNote note, co_await store_.note(job, ran, std::move(by)));
    v1::NoteJobResponse reply;
    runtime::set_time(note.at, *reply.mutable_at());
    co_return reply;
  }

  base::Task<absl::StatusOr<v1::GiveUpExecutionResponse>> give_up(v1::GiveUpExecutionRequest request) {
    ASSIGN_OR_CO_RETURN(const ports::JobId job, job_of(request.job_id()));
    ASSIGN_OR_CO_RETURN(ports::Operator by, operator_of(request.by()));
    ASSIGN_OR_CO_RETURN(const ports::GivenUp done, co_await store_.give_up(job, std::move(by)));
    hints_.send(ports::Topic::kExecutions);  // the job is to be settled, its slot is free
    hints_.send(ports::Topic::kAssigned);    // its bridge looks after the prompt
    v1::GiveUpExecutionResponse reply;
    reply.set_execution_id(done.execution_id.value);
    reply.set_instance_id(done.instance_id.value);
    reply.set_was(std::string(domain::to_string(done.was)));
    reply.set_prompt_may_run(done.prompt_may_run);
    co_return reply;
  }

  base::Task<absl::StatusOr<v1::FreeSlotResponse>> free_slot(v1::FreeSlotRequest request) {
    if (request.instance().empty()) co_return absl::InvalidArgumentError("instance: say the instance's name");
    if (request.slot() < 0 || request.slot() > kLastSlot) {
      co_return absl::InvalidArgumentError("slot: must be 0 to 63");
    }
    ASSIGN_OR_CO_RETURN(ports::Operator by, operator_of(request.by()));
    std::string instance = request.instance();
    const int slot = request.slot();
    ASSIGN_OR_CO_RETURN(const ports::FreedSlot freed,
                        co_await store_.free_slot(std::move(instance), slot, std::move(by)));
    hints_.send(ports::Topic::kExecutions);
    v1::FreeSlotResponse reply;
    if (freed.held_by) reply.set_held_by_execution_id(freed.held_by->value);
    co_return reply;
  }

  base::Task<absl::StatusOr<v1::ListOperatorActionsResponse>> list(v1::ListOperatorActionsRequest request) {
    if (request.limit() < 0 || request.limit() > kMostActions) {
      co_return absl::InvalidArgumentError("limit: must be 1 to 1000");
    }
    std::optional<ports::JobId> job;
    if (request.has_job_id()) job = ports::JobId{request.job_id()};
    const int limit = request.limit() == 0 ? kUsualActions : request.limit();
    ASSIGN_OR_CO_RETURN(const std::vector<ports::OperatorRecord> rows, co_await store_.actions(job, limit));
    v1::ListOperatorActionsResponse reply;
    for (const ports::OperatorRecord& row : rows) *reply.add_actions() = to_proto(row);
    co_return reply;
  }

  std::shared_ptr<runtime::ServerCore> core_;
  ports::OperatorStore& store_;
  ports::Hints& hints_;
};

}  // namespace

std::unique_ptr<grpc::Service> make_operator_service(std::shared_ptr<runtime::ServerCore> core,
                                                     ports::OperatorStore& store, ports::Hints& hints) {
  return std::make_unique<OperatorGrpc>(std::move(core), store, hints);
}

}  // namespace renderyard::dispatcher
