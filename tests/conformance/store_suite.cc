#include "tests/conformance/store_suite.h"

#include <boost/json/parse.hpp>

#include "libs/common/base/json.h"

namespace renderyard::conformance {

using ports::ExecutionState;

std::string StoreSuite::fresh_sha256() {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string hex;
  for (int i = 0; i < 64; ++i) hex.push_back(kDigits[random_.below(16)]);
  return hex;
}

ports::UserId StoreSuite::user() {
  if (!user_) user_ = world().make_user("anna", ports::Role::kUser, fresh_sha256());
  return *user_;
}

ports::NewJob StoreSuite::new_job() {
  ports::NewJob job;
  job.user = user();
  job.uid = fresh_uuid();
  job.job_type = "image_generation";
  job.workflow = R"({"1":{"class_type":"EmptyImage","inputs":{"seed":18446744073709551615}}})";
  job.parameters_json = R"({"extra_data":{"a":1}})";
  job.needs_key = "needs-a";
  return job;
}

ports::JobId StoreSuite::submit() {
  return submit(new_job());
}

ports::JobId StoreSuite::submit(ports::NewJob job) {
  const auto submitted = await(jobs().submit(std::move(job)));
  EXPECT_TRUE(submitted.ok()) << submitted.status();
  return submitted.ok() ? submitted->id : ports::JobId{};
}

ports::InstanceId StoreSuite::add_instance(const std::string& name, int slots) {
  ports::NewInstance instance;
  instance.name = name;
  instance.api_url = "http://" + name + ":8188";
  instance.ws_url = "ws://" + name + ":8188";
  instance.slots = slots;
  const auto added = await(instances().add(instance));
  EXPECT_TRUE(added.ok()) << added.status();
  return added.ok() ? added->id : ports::InstanceId{};
}

ports::BridgeIdentity StoreSuite::bridge(const std::string& owner) {
  ports::BridgeIdentity who;
  who.owner = owner;
  who.address = owner + ":7001";
  return who;
}

ports::Lease StoreSuite::acquire(ports::InstanceId instance, const std::string& owner) {
  const auto leases = await(executions().acquire(bridge(owner), absl::Seconds(60), 100));
  EXPECT_TRUE(leases.ok()) << leases.status();
  if (leases.ok()) {
    for (const auto& lease : *leases) {
      if (lease.instance_id == instance) return lease;
    }
  }
  ADD_FAILURE() << "no lease of instance " << instance << " for " << owner;
  return {};
}

void StoreSuite::set_status(const ports::Lease& lease, ports::InstanceStatus status) {
  ports::InstanceState state;
  state.id = lease.instance_id;
  state.epoch = lease.epoch;
  state.status = status;
  EXPECT_TRUE(write_state(state));
}

bool StoreSuite::write_state(const ports::InstanceState& state) {
  const auto written = await(executions().set_instance_states({state}));
  EXPECT_TRUE(written.ok()) << written.status();
  return written.ok() && *written == std::vector<ports::InstanceId>{state.id};
}

ports::InstanceRow StoreSuite::instance_row(ports::InstanceId instance) {
  const auto rows = await(executions().instances({instance}));
  EXPECT_TRUE(rows.ok()) << rows.status();
  if (rows.ok() && rows->size() == 1) return rows->front();
  ADD_FAILURE() << "no row of instance " << instance;
  return {};
}

ports::Lease StoreSuite::connect(ports::InstanceId instance, const std::string& owner) {
  ports::Lease lease = acquire(instance, owner);
  set_status(lease, ports::InstanceStatus::kConnected);
  return lease;
}

ports::Assignment StoreSuite::assignment(ports::JobId job, ports::InstanceId instance, int slot) {
  ports::Assignment wanted;
  wanted.job_id = job;
  wanted.instance_id = instance;
  wanted.slot_no = slot;
  wanted.client_prompt_id = fresh_uuid();
  return wanted;
}

ports::ExecutionId StoreSuite::claim(ports::JobId job, ports::InstanceId instance, int slot) {
  std::vector<ports::Assignment> wanted{assignment(job, instance, slot)};
  const auto claimed = await(dispatch().claim(wanted, "dispatcher-1"));
  EXPECT_TRUE(claimed.ok()) << claimed.status();
  if (!claimed.ok() || claimed->size() != 1) {
    ADD_FAILURE() << "job " << job << " was not claimed";
    return {};
  }
  EXPECT_EQ(claimed->front().job_id, job);
  EXPECT_EQ(claimed->front().instance_id, instance);
  return claimed->front().execution_id;
}

std::optional<ports::StartedExecution> StoreSuite::start(ports::ExecutionId execution, const ports::Lease& lease) {
  const std::string client_id = "ry-" + to_string(lease.instance_id) + "-" + to_string(lease.epoch);
  const auto started = await(executions().start(execution, lease.instance_id, lease.epoch, client_id));
  EXPECT_TRUE(started.ok()) << started.status();
  return started.ok() ? *started : std::nullopt;
}

StoreSuite::Running StoreSuite::running(int slots) {
  Running run;
  run.instance = add_instance("gpu-1", slots);
  run.lease = connect(run.instance);
  run.execution = claim(submit(), run.instance);
  EXPECT_TRUE(start(run.execution, run.lease));
  advance(run.execution, run.lease, ports::ExecutionState::kRunning);
  return run;
}

void StoreSuite::advance(ports::ExecutionId id, const ports::Lease& lease, ExecutionState to) {
  ports::Advance step;
  step.id = id;
  step.epoch = lease.epoch;
  step.from = {execution(id).state};
  step.to = to;
  const auto advanced = await(executions().advance(step));
  EXPECT_TRUE(advanced.ok() && advanced->has_value()) << "to " << domain::to_string(to) << ": " << advanced.status();
}

bool StoreSuite::complete(ports::ExecutionId execution, const ports::Lease& lease) {
  ports::OutputRow output;
  output.n = 0;
  output.node_id = "9";
  output.kind = "images";
  output.filename = "x_00001_.png";
  output.content_type = "image/png";
  output.size_bytes = 12;
  output.sha256 = std::string(64, 'a');
  std::vector<ports::OutputRow> outputs{output};
  const auto completed = await(executions().complete(execution, lease.epoch, outputs, R"({"9":{"images":1}})"));
  EXPECT_TRUE(completed.ok()) << completed.status();
  return completed.ok() && *completed;
}

void StoreSuite::end(ports::ExecutionId id, const ports::Lease& lease, ExecutionState to, const std::string& proof) {
  ports::Advance step;
  step.id = id;
  step.epoch = lease.epoch;
  step.from = {execution(id).state};
  step.to = to;
  if (!proof.empty()) step.outcome_proof = proof;
  if (to == ExecutionState::kFailed || to == ExecutionState::kLost) {
    ports::JobError error;
    error.code = to == ExecutionState::kFailed ? "node_error" : "execution_lost";
    error.message = "it broke";
    step.error = error;
  }
  const auto advanced = await(executions().advance(step));
  EXPECT_TRUE(advanced.ok() && advanced->has_value()) << "to " << domain::to_string(to) << ": " << advanced.status();
}

ports::Settlement StoreSuite::settlement(ports::Settlement::Kind kind, ports::JobId job, ports::ExecutionId execution) {
  ports::Settlement result;
  result.kind = kind;
  result.job_id = job;
  result.execution_id = execution;
  if (kind == ports::Settlement::Kind::kFail) {
    result.error.code = "node_error";
    result.error.message = "it broke";
    result.error.node_id = "5";
    result.error.node_class = "KSampler";
  }
  if (kind == ports::Settlement::Kind::kRequeue) result.reason = "connect_failed";
  return result;
}

bool StoreSuite::settle(const ports::Settlement& one) {
  std::vector<ports::Settlement> settlements{one};
  const auto applied = await(dispatch().settle(settlements));
  EXPECT_TRUE(applied.ok()) << applied.status();
  if (!applied.ok() || applied->empty()) return false;
  EXPECT_EQ(applied->size(), 1u);
  EXPECT_EQ(applied->front(), one.job_id);
  return true;
}

ports::JobRow StoreSuite::job(ports::JobId id) {
  const auto row = await(jobs().get(id));
  EXPECT_TRUE(row.ok()) << row.status();
  return row.ok() ? *row : ports::JobRow{};
}

ports::ExecutionRow StoreSuite::execution(ports::ExecutionId id) {
  const auto row = await(executions().read(id));
  EXPECT_TRUE(row.ok()) << row.status();
  return row.ok() ? *row : ports::ExecutionRow{};
}

std::vector<ports::UnsettledExecution> StoreSuite::unsettled() {
  const auto feed = await(dispatch().unsettled(absl::ZeroDuration(), 1000));
  EXPECT_TRUE(feed.ok()) << feed.status();
  return feed.ok() ? *feed : std::vector<ports::UnsettledExecution>{};
}

std::vector<std::string> StoreSuite::free_slots() {
  const auto fleet = await(dispatch().fleet());
  EXPECT_TRUE(fleet.ok()) << fleet.status();
  std::vector<std::string> names;
  if (!fleet.ok()) return names;
  for (const auto& slot : fleet->free_slots) {
    names.push_back(to_string(slot.instance_id) + "/" + std::to_string(slot.slot_no));
  }
  return names;
}

std::vector<ports::JobEvent> StoreSuite::events_of(ports::JobId id) {
  const auto last = await(event_log().last_issued_id());
  EXPECT_TRUE(last.ok()) << last.status();
  const auto all = await(event_log().read(0, last.ok() ? *last : 0, 1000000));
  EXPECT_TRUE(all.ok()) << all.status();
  std::vector<ports::JobEvent> events;
  if (!all.ok()) return events;
  for (const auto& event : *all) {
    if (event.job_id == id) events.push_back(event);
  }
  return events;
}

std::vector<std::string> StoreSuite::history_of(ports::JobId id) {
  std::vector<std::string> types;
  std::int64_t last_id = 0;
  for (const auto& event : events_of(id)) {
    EXPECT_EQ(event.seq, static_cast<int>(types.size()) + 1) << event.type << " of job " << id;
    EXPECT_GT(event.id, last_id) << event.type << " of job " << id;
    last_id = event.id;
    types.push_back(event.type.substr(std::string("job_").size()));
  }
  EXPECT_EQ(job(id).event_seq, static_cast<int>(types.size())) << "job " << id;
  return types;
}

bool same_json(const std::string& a, const std::string& b) {
  boost::system::error_code bad_a;
  boost::system::error_code bad_b;
  const auto left = base::json::parse(a, bad_a);
  const auto right = base::json::parse(b, bad_b);
  return !bad_a && !bad_b && left == right;
}

}  // namespace renderyard::conformance
