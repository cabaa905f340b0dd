#include "cli/operator_commands.h"

#include <absl/strings/str_cat.h>
#include <absl/time/time.h>
#include <grpcpp/client_context.h>
#include <pwd.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <iostream>
#include <memory>

#include "renderyard/v1/operator.grpc.pb.h"
#include "renderyard/v1/operator.pb.h"

namespace renderyard::cli {

namespace {

// One call with a deadline. False: it has been said why not.
template <class Request, class Response, class Call>
bool ask(const ServicePeer& dispatcher, const Request& request, Response& response, Call call) {
  const absl::StatusOr<PeerChannel> peer = PeerChannel::open(dispatcher);
  if (!peer.ok()) {
    std::cerr << "renderyard: " << peer.status().message() << "\n";
    return false;
  }
  grpc::ClientContext context;
  peer->prepare(context);
  const auto stub = v1::OperatorService::NewStub(peer->channel());
  const grpc::Status status = ((*stub).*call)(&context, request, &response);
  if (status.ok()) return true;
  std::cerr << "renderyard: ";
  if (status.error_code() == grpc::StatusCode::UNAVAILABLE)
    std::cerr << "no dispatcher answers at " << dispatcher.address << ": ";
  std::cerr << status.error_message() << "\n";
  return false;
}

template <class Request>
void sign(const OperatorArguments& by, Request& request) {
  request.mutable_by()->set_who(by.who);
  request.mutable_by()->set_why(by.why);
}

std::string about(const v1::OperatorAction& action) {
  std::string text;
  if (action.has_job_id()) absl::StrAppend(&text, " job ", action.job_id());
  if (action.has_execution_id()) absl::StrAppend(&text, " execution ", action.execution_id());
  if (action.has_instance_id()) absl::StrAppend(&text, " instance ", action.instance_id());
  if (action.has_slot()) absl::StrAppend(&text, " slot ", action.slot());
  return text;
}

}  // namespace

std::string login_name() {
  constexpr std::size_t kBuffer = 4096;
  std::array<char, kBuffer> buffer{};
  passwd entry{};
  passwd* found = nullptr;
  if (getpwuid_r(geteuid(), &entry, buffer.data(), buffer.size(), &found) != 0 || found == nullptr) return {};
  return found->pw_name;
}

int note_job(const ServicePeer& dispatcher, std::int64_t job, bool ran, const OperatorArguments& by) {
  v1::NoteJobRequest request;
  request.set_job_id(job);
  request.set_ran(ran);
  sign(by, request);
  v1::NoteJobResponse response;
  if (!ask(dispatcher, request, response, &v1::OperatorService::Stub::NoteJob)) return 1;
  std::printf("noted: the prompt of job %lld %s\n", static_cast<long long>(job), ran ? "ran" : "did not run");
  return 0;
}

int give_up(const ServicePeer& dispatcher, std::int64_t job, const OperatorArguments& by) {
  v1::GiveUpExecutionRequest request;
  request.set_job_id(job);
  sign(by, request);
  v1::GiveUpExecutionResponse response;
  if (!ask(dispatcher, request, response, &v1::OperatorService::Stub::GiveUpExecution)) return 1;
  std::printf("gave up execution %lld (%s) of job %lld\n", static_cast<long long>(response.execution_id()),
              response.was().c_str(), static_cast<long long>(job));
  if (response.prompt_may_run()) {
    std::printf("its prompt may still run at instance %lld; the bridge asks it to stop\n",
                static_cast<long long>(response.instance_id()));
  }
  return 0;
}

int free_slot(const ServicePeer& dispatcher, const std::string& instance, int slot, const OperatorArguments& by) {
  v1::FreeSlotRequest request;
  request.set_instance(instance);
  request.set_slot(slot);
  sign(by, request);
  v1::FreeSlotResponse response;
  if (!ask(dispatcher, request, response, &v1::OperatorService::Stub::FreeSlot)) return 1;
  if (response.has_held_by_execution_id()) {
    std::printf("freed slot %d of %s, held by execution %lld\n", slot, instance.c_str(),
                static_cast<long long>(response.held_by_execution_id()));
  } else {
    std::printf("slot %d of %s was free already\n", slot, instance.c_str());
  }
  return 0;
}

int list_actions(const ServicePeer& dispatcher, std::optional<std::int64_t> job, int limit) {
  v1::ListOperatorActionsRequest request;
  if (job) request.set_job_id(*job);
  request.set_limit(limit);
  v1::ListOperatorActionsResponse response;
  if (!ask(dispatcher, request, response, &v1::OperatorService::Stub::ListOperatorActions)) return 1;
  for (const v1::OperatorAction& action : response.actions()) {
    const std::string at =
        absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", absl::FromUnixSeconds(action.at().seconds()), absl::UTCTimeZone());
    std::printf("%s  %-9s  %s:%s %s  %s\n", at.c_str(), action.action().c_str(), action.who().c_str(),
                about(action).c_str(), action.data_json().c_str(), action.why().c_str());
  }
  return 0;
}

}  // namespace renderyard::cli
