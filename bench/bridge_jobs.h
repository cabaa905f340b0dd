// Jobs for bench/bridge without gateway and dispatcher: rows as the gateway writes them, claimed with the dispatcher's
// own statement, and the wake-up to the bridge. Thread-safety: none. Blocking; everything throws.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "libs/common/adapters/postgres/session.h"
#include "renderyard/v1/bridge.grpc.pb.h"

namespace renderyard::bench {

struct Slot {
  std::int64_t instance = 0;
  std::int64_t number = 0;
};

class BridgeJobs {
 public:
  BridgeJobs(const std::string& database_url, const std::string& bridge_address);

  // Pending jobs of the first user, in one transaction; their ids in the order of the workflows.
  std::vector<std::int64_t> insert(const std::vector<std::string>& workflows);
  // Slots of instances that are connected and leased.
  std::vector<Slot> free_slots();
  // Gives jobs[i] to slots[i] in one transaction; returns the executions.
  std::vector<std::int64_t> claim(const std::vector<std::int64_t>& jobs, const std::vector<Slot>& slots);
  // The hint that an execution was assigned to an instance; the answer is waited for.
  void wake(std::int64_t execution, std::int64_t instance);
  // Executions that are not final.
  std::int64_t live();
  bool is_final(std::int64_t execution);
  // One durable row.
  void commit_one_row();

 private:
  postgres::Session session_;
  std::unique_ptr<v1::BridgeService::Stub> bridge_;
};

// Workflows in API format. No two with different `salt` are equal, so that nothing comes from a cache.
// A node that takes 10 ms, and a picture.
std::string short_workflow(std::int64_t salt);
// `nodes` nodes of 2 s that report in 9 steps, which makes ten messages a second, and a picture.
std::string chatty_workflow(std::int64_t salt, int nodes);
// `nodes` nodes of 100 ms, and a picture.
std::string brisk_workflow(std::int64_t salt, int nodes);
// One node that says nothing for so long, and a picture.
std::string silent_workflow(std::int64_t salt, int seconds);

}  // namespace renderyard::bench
