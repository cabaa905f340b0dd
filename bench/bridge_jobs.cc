#include "bench/bridge_jobs.h"

#include <grpcpp/client_context.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>

#include <chrono>
#include <fstream>
#include <stdexcept>

#include "libs/common/adapters/postgres/conninfo.h"
#include "libs/common/adapters/postgres/dispatch_store_sql.h"

namespace renderyard::bench {

namespace {

using postgres::Params;
using postgres::Statement;

// $1 workflows. Rows: id.
constexpr Statement kInsert = {"bench_insert", R"(
WITH job AS (
  INSERT INTO jobs (uid, job_type, submitted_by, workflow, event_seq)
  SELECT gen_random_uuid(), 'image_generation', (SELECT min(id) FROM users), w.workflow, 1
  FROM unnest($1::text[]) WITH ORDINALITY AS w (workflow, n) ORDER BY w.n
  RETURNING id, submitted_by, job_type, priority),
event AS (
  INSERT INTO job_events (job_id, seq, user_id, type, data)
  SELECT id, 1, submitted_by, 'job_submitted', jsonb_build_object('job_type', job_type, 'priority', priority) FROM job)
SELECT id FROM job ORDER BY id)"};

constexpr Statement kLiveCount = {"bench_live",
                                  "SELECT count(*) FROM comfyui_executions WHERE status IN " RENDERYARD_LIVE_STATES};

// $1 execution.
constexpr Statement kIsFinal = {"bench_final", "SELECT completed_at IS NOT NULL FROM comfyui_executions WHERE id = $1"};

constexpr Statement kCommit = {"bench_commit", "INSERT INTO bench_commits (at) VALUES (clock_timestamp())"};

std::string conninfo(const std::string& database_url) {
  postgres::SessionOptions options;
  options.database_url = database_url;
  options.application_name = "renderyard-bench";
  auto text = postgres::session_conninfo(options);
  if (!text.ok()) throw std::runtime_error("--database-url: " + text.status().ToString());
  return *text;
}

std::string fresh_uuid() {
  std::ifstream in("/proc/sys/kernel/random/uuid");
  std::string uuid;
  if (!(in >> uuid)) throw std::runtime_error("the kernel has no uuid");
  return uuid;
}

std::string picture_of(const std::string& node, const std::string& id) {
  return "\"" + id + R"(":{"class_type":"SaveImage","inputs":{"images":[")" + node +
         R"(",0],"filename_prefix":"bench"}})";
}

std::string slow_node(int id, double seconds, int steps, std::int64_t salt, bool linked) {
  std::string text = "\"" + std::to_string(id) + R"(":{"class_type":"SimSlow","inputs":{"seconds":)" +
                     std::to_string(seconds) + ",\"steps\":" + std::to_string(steps) +
                     ",\"salt\":" + std::to_string(salt);
  if (linked) text += ",\"image\":[\"" + std::to_string(id - 1) + "\",0]";
  return text + "}}";
}

}  // namespace

BridgeJobs::BridgeJobs(const std::string& database_url, const std::string& bridge_address)
    : session_(conninfo(database_url)),
      bridge_(v1::BridgeService::NewStub(grpc::CreateChannel(bridge_address, grpc::InsecureChannelCredentials()))) {}

std::vector<std::int64_t> BridgeJobs::insert(const std::vector<std::string>& workflows) {
  const pqxx::result rows = session_.run(kInsert, Params().array(workflows));
  std::vector<std::int64_t> ids;
  for (const auto& row : rows) ids.push_back(row[0].as<std::int64_t>());
  return ids;
}

std::vector<Slot> BridgeJobs::free_slots() {
  const pqxx::result rows = session_.run(postgres::sql::kFleet);
  std::vector<Slot> slots;
  for (const auto& row : rows) {
    if (!row[2].is_null()) slots.push_back({row[2].as<std::int64_t>(), row[3].as<std::int64_t>()});
  }
  return slots;
}

std::vector<std::int64_t> BridgeJobs::claim(const std::vector<std::int64_t>& jobs, const std::vector<Slot>& slots) {
  std::vector<std::int64_t> instances;
  std::vector<std::int64_t> numbers;
  std::vector<std::string> prompts;
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    instances.push_back(slots.at(i).instance);
    numbers.push_back(slots.at(i).number);
    prompts.push_back(fresh_uuid());
  }
  const pqxx::result rows = session_.run(
      postgres::sql::kClaim, Params().array(jobs).array(instances).array(numbers).array(prompts).add("bench"));
  if (rows.size() != jobs.size()) throw std::runtime_error("not every job could be claimed");
  std::vector<std::int64_t> executions;
  for (const auto& row : rows) executions.push_back(row[0].as<std::int64_t>());
  return executions;
}

void BridgeJobs::wake(std::int64_t execution, std::int64_t instance) {
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(10));
  v1::SubmitExecutionRequest request;
  request.set_execution_id(execution);
  request.set_instance_id(instance);
  v1::SubmitExecutionResponse response;
  const grpc::Status status = bridge_->SubmitExecution(&context, request, &response);
  if (!status.ok()) throw std::runtime_error("SubmitExecution: " + status.error_message());
}

std::int64_t BridgeJobs::live() {
  return session_.run(kLiveCount).front()[0].as<std::int64_t>();
}

bool BridgeJobs::is_final(std::int64_t execution) {
  return session_.run(kIsFinal, Params().add(execution)).front()[0].as<bool>();
}

void BridgeJobs::commit_one_row() {
  session_.run(kCommit);
}

namespace {
std::string chain_of(int nodes, double seconds, int steps, std::int64_t salt) {
  std::string text = "{";
  for (int id = 1; id <= nodes; ++id) text += slow_node(id, seconds, steps, salt, id > 1) + ",";
  return text + picture_of(std::to_string(nodes), std::to_string(nodes + 1)) + "}";
}
}  // namespace

std::string short_workflow(std::int64_t salt) {
  return "{" + slow_node(1, 0.01, 1, salt, false) + "," + picture_of("1", "2") + "}";
}

std::string chatty_workflow(std::int64_t salt, int nodes) {
  return chain_of(nodes, 2.0, 9, salt);
}

std::string brisk_workflow(std::int64_t salt, int nodes) {
  return chain_of(nodes, 0.1, 1, salt);
}

std::string silent_workflow(std::int64_t salt, int seconds) {
  return "{" + slow_node(1, seconds, 1, salt, false) + "," + picture_of("1", "2") + "}";
}

}  // namespace renderyard::bench
