// Everything one leased instance needs: its socket, its state in the database, its executions. One worker per lease; it
// ends when it is cancelled (lease lost, shutdown) or when its instance was disabled and nothing lives on it any more.
// Thread-safety: on the strand. The lease, deps and config outlive the worker.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "libs/common/base/event.h"
#include "libs/common/base/group.h"
#include "libs/common/base/turns.h"
#include "services/bridge/connection.h"
#include "services/bridge/deps.h"
#include "services/bridge/execution.h"
#include "services/bridge/execution_context.h"
#include "services/bridge/outlets.h"
#include "services/bridge/router.h"
#include "services/bridge/sockets.h"

namespace renderyard::bridge {

class InstanceWorker {
 public:
  InstanceWorker(Deps& deps, const Config& config, const HeldLease& lease, Outlets& outlets);
  ~InstanceWorker();
  InstanceWorker(const InstanceWorker&) = delete;
  InstanceWorker& operator=(const InstanceWorker&) = delete;

  // Begins when the instance's row is known (see_row()). OK: the instance was disabled and is empty now, the lease may
  // be released. CANCELLED otherwise.
  base::Task<absl::Status> run();

  // The instance's row, as it is now. True: it was the first, and the worker begins.
  bool see_row(ports::InstanceRow row);
  // A look for news of all instances: begins, and what it found here. Of the executions that the worker knows
  // (add_known()) the news tell only the wishes.
  void look_begins() {
    ended_meanwhile_.clear();
    looked_at_ = true;
  }
  void see_news(std::vector<ports::ExecutionRow> rows);
  void add_known(std::vector<base::ExecutionId>& ids) const;
  // This execution was assigned here: drive it without waiting for a look. A hint: it may be late or wrong.
  void take(base::ExecutionId assigned);
  // No more starts; posts_in_flight() tells when it may be cancelled without making a POST unclear.
  void drain() { draining_ = true; }
  int posts_in_flight() const;

 private:
  base::Task<absl::Status> leave_when_empty();
  void publish(const Connection::State& state);
  base::Task<absl::Status> read_access();
  base::Task<absl::Status> follow_access();
  base::Task<absl::Status> follow_capabilities();
  base::Task<absl::Status> read_capabilities();
  base::Task<absl::Status> drive(std::shared_ptr<Execution> execution);
  base::Task<absl::Status> steps(ExecutionContext context);
  base::Task<absl::Status> load(ExecutionContext context);
  base::Task<absl::Status> adoption_socket(std::string client_id);
  base::Task<absl::Status> keep_witness(std::string prompt_id);
  void adopt(ports::ExecutionRow row);
  bool is_poisoned(const ports::ExecutionRow& row) const;
  void see_stray(ports::ExecutionRow row);
  void wake_strays();
  base::Task<absl::Status> read_fresher_progress(std::shared_ptr<Execution> execution);
  base::Task<absl::Status> end_stray(std::shared_ptr<Execution> execution);
  ExecutionContext context_of(std::shared_ptr<Execution> execution);
  bool has_executions_of(const std::string& client_id) const;

  Deps& deps_;
  const Config& config_;
  const HeldLease& lease_;
  Outlets& outlets_;
  Quarantine quarantine_;
  CircuitBreaker circuit_;
  std::optional<ports::InstanceRow> row_;
  std::vector<ports::SecretHeader> access_;
  std::int64_t access_version_ = 0;  // row_'s config_version when access_ was read
  std::unique_ptr<ports::ComfyInstance> comfy_;
  NameTurns name_turns_;  // outlives the executions, who hold its turns
  Router router_;
  std::unique_ptr<Connection> connection_;
  base::Turns lone_posts_;  // on servers that choose prompt ids themselves
  bool looked_at_ = false;  // by a look that began under this lease
  bool knows_all_ = false;  // that live here from before: until then nothing new is sent
  std::map<base::ExecutionId, std::shared_ptr<Execution>> executions_;
  std::set<base::ExecutionId> ended_meanwhile_;  // during the look that is under way: its rows may be older than that
  std::set<base::ExecutionId> left_unfinished_;  // driven here before: where they stand only their rows tell
  std::map<base::ExecutionId, std::shared_ptr<Execution>> strays_;  // dead, their prompts are looked after
  Sockets sockets_;
  std::set<std::string> poisoned_;  // client ids whose messages nobody may read
  std::string witness_;
  absl::Time witness_stored_at_ = absl::InfinitePast();
  bool draining_ = false;
  bool unwanted_ = false;  // out of service, and nothing lives here
  base::Event changed_;    // row_, unwanted_
  base::Event operator_changed_;
  base::Event connected_;  // the server answers again
  bool answering_ = false;
  std::optional<ports::InstanceStatus> told_;  // to the observer
  base::Group group_;
};

}  // namespace renderyard::bridge
