// Everything one leased instance needs: its socket, its state in the database, its executions. One worker per lease; it
// ends when it is cancelled (lease lost, shutdown) or when its instance was disabled and nothing lives on it any more.
// Thread-safety: on the strand. The lease, deps and config outlive the worker.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "libs/common/base/event.h"
#include "libs/common/base/group.h"
#include "services/bridge/connection.h"
#include "services/bridge/deps.h"
#include "services/bridge/execution.h"
#include "services/bridge/execution_context.h"
#include "services/bridge/progress_feed.h"
#include "services/bridge/router.h"

namespace renderyard::bridge {

class InstanceWorker {
 public:
  InstanceWorker(Deps& deps, const Config& config, const HeldLease& lease, ProgressFeed& feed);

  // OK: the instance was disabled and is empty now, the lease may be released. CANCELLED otherwise.
  base::Task<absl::Status> run();

  // Rows may have been assigned or wished to be cancelled: look now.
  void look();
  // The instance's row may have been changed by an operator: read it again.
  void read_again();
  // This execution was just assigned here: drive it without waiting for a look.
  void take(ports::ExecutionRow row);
  // No more starts; posts_in_flight() tells when it may be cancelled without making a POST unclear.
  void drain() { draining_ = true; }
  int posts_in_flight() const;

 private:
  struct AdoptionSocket;

  base::Task<absl::StatusOr<ports::InstanceRow>> read_row();
  base::Task<absl::Status> look_loop();
  base::Task<absl::Status> look_once();
  base::Task<absl::Status> publish_loop();
  base::Task<absl::Status> drive(std::shared_ptr<Execution> execution);
  base::Task<absl::Status> steps(ExecutionContext context);
  base::Task<absl::Status> load(ExecutionContext context);
  base::Task<absl::Status> adoption_socket(std::string client_id);
  base::Task<absl::Status> keep_witness(std::string prompt_id);
  void adopt(ports::ExecutionRow row);
  bool has_executions_of(const std::string& client_id) const;

  Deps& deps_;
  const Config& config_;
  const HeldLease& lease_;
  ProgressFeed& feed_;
  std::optional<ports::InstanceRow> row_;
  std::unique_ptr<ports::ComfyInstance> comfy_;
  Router router_;
  std::unique_ptr<Connection> connection_;
  std::map<base::ExecutionId, std::shared_ptr<Execution>> executions_;
  std::set<base::ExecutionId> ended_meanwhile_;   // during the look that is under way: its rows may be older than that
  std::map<std::string, bool> adoption_sockets_;  // client ids with a socket of their own
  Connection::State wanted_;                      // what the database should say
  bool published_ = true;
  std::string witness_;
  absl::Time witness_stored_at_ = absl::InfinitePast();
  bool draining_ = false;
  bool read_again_ = false;
  base::Event look_;
  base::Event publish_;
  base::Group group_;
};

}  // namespace renderyard::bridge
