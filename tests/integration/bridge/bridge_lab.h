// The bridge as one living process against a comfysim process: the real logic, the real ComfyUI adapters, the system's
// clock; only database, artifact store and hints are the fakes in memory, which outlive the bridge. The lab stands for
// the gateway and the dispatcher: it orders jobs, claims them for the one instance, wishes for cancels.
// Thread-safety: all on the test's thread, which runs the bridge while it waits for something.
#pragma once

#include <absl/functional/function_ref.h>

#include <boost/asio/io_context.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "libs/common/ports/instance_store.h"
#include "libs/common/ports/operator_store.h"
#include "libs/common/runtime/kernel_random.h"
#include "libs/common/testing/fake_artifacts.h"
#include "libs/common/testing/fake_database.h"
#include "libs/common/testing/fake_hints.h"
#include "libs/common/testing/fake_progress_cache.h"
#include "services/bridge/bridge.h"
#include "services/bridge/bridge_metrics.h"
#include "services/bridge/cancelling.h"
#include "tests/integration/bridge/crashing_clients.h"
#include "tests/integration/comfy/sim_process.h"
#include "tests/support/real_loop.h"

namespace renderyard::testing {

class BridgeLab {
 public:
  // How the bridge gets to the server.
  struct Way {
    std::function<std::string(const std::string& server_url)> url = {};  // none = straight
    std::string ws_url = {};  // where the bridge looks for the WebSocket; empty = beside the API
    std::vector<ports::SecretHeader> headers = {};
    std::string ca_file = {};
    std::function<void(bridge::Config&)> settings = {};  // over those of all tests
  };

  explicit BridgeLab(std::vector<std::string> sim_arguments, std::string ws_url = "");
  BridgeLab(std::vector<std::string> sim_arguments, Way way);
  ~BridgeLab();
  BridgeLab(const BridgeLab&) = delete;
  BridgeLab& operator=(const BridgeLab&) = delete;

  // A bridge of the same name, with a lease taken back from its dead predecessor when there was one.
  void start_bridge();
  // As kill -9: nothing of it runs any more, its connections break.
  void kill_bridge();
  // As SIGTERM: waits until it has ended by itself.
  void stop_bridge();
  // The lock its successors hold: another one than its own, as on another host.
  void use_another_lock() { config_.identity.lock = "another host's"; }

  // Runs the bridge until `done` or, for at most `limit`, not: false then.
  [[nodiscard]] bool until(absl::FunctionRef<bool()> done, absl::Duration limit = absl::Seconds(20));
  [[nodiscard]] bool until_connected();
  [[nodiscard]] bool until_state(ports::ExecutionId execution, ports::ExecutionState state);
  // completed, failed, cancelled, lost, not_accepted.
  [[nodiscard]] bool until_final(ports::ExecutionId execution);

  // A job of this workflow, claimed for a free slot of the instance.
  ports::ExecutionId order(std::string workflow, std::string parameters_json = "{}");
  // As an operator, without a hint.
  void change(ports::InstanceChange change);
  // As an operator, without a hint. instance() stays the removed one.
  void remove();
  // As an operator, without a hint.
  void set_enabled(bool enabled);
  void set_draining(bool draining);
  // What InstanceService sends after each change of an operator.
  void hint_at_instances() { hints_.send(ports::Topic::kInstances); }
  void wish_cancel(ports::ExecutionId execution);
  // CancelExecution at the bridge that lives now, with so much time; the result once it is there.
  using Cancelled = std::optional<absl::StatusOr<domain::CancelResult>>;
  std::shared_ptr<const Cancelled> cancel(ports::JobId job, absl::Duration patience);
  // As an operator; the bridge is not told of it.
  ports::GivenUp give_up(ports::ExecutionId execution);

  // What a dispatcher may fill now.
  std::size_t free_slots();
  // As an operator; the bridge is not told of it.
  void release_instance();
  // From now on the bridge dies of reading such a message, and is started again at once; crashes() counts that.
  void make_deadly(Deadly deadly);
  int crashes() const { return crashes_; }

  const ports::ExecutionRow& row(ports::ExecutionId execution) const;
  const ports::InstanceRow& instance() const;
  const std::optional<ports::KnownCapabilities>& capabilities() const;
  // As GET shows it.
  ports::JobRow job(ports::ExecutionId execution);
  ArtifactDepot& depot() { return depot_; }
  FakeDatabase& database() { return database_; }
  FakeRedis& redis() { return redis_; }
  std::vector<ports::OutputRow> outputs(ports::ExecutionId execution) const;
  const std::string& content(const ports::OutputRow& output) const;
  // Said by any bridge so far, in order.
  const std::vector<std::string>& journal() const { return journal_; }
  int count_in_journal(std::string_view event) const;
  // The same lines with all their fields: "event key=value …".
  const std::vector<std::string>& journal_lines() const { return journal_lines_; }

  // The bridge's events from now on are appended to `into`, until it is killed.
  void watch(bool previews, std::vector<ports::BridgeEvent>& into);
  // The same for who does not read before the answer is called; `end` gets what the stream ends with.
  std::function<void()> watch_later(bool previews, std::vector<ports::BridgeEvent>& into,
                                    std::optional<absl::Status>& end);
  // The sum of all series of a metric, over all bridges so far, whose name and labels begin so.
  double metric(std::string_view begin) const;
  // As /metrics shows them.
  std::string metrics_page() const { return metrics_.exposition(); }

  SimProcess& sim() { return sim_; }
  // POSTs a fault to the server.
  void fault(std::string json);
  // Posts a prompt of somebody else, without a client id or under this one.
  void strangers_prompt(std::string_view workflow, std::string_view client_id = {});
  void interrupt_as_stranger();
  // How many lines of the server's ledger have this event; of one prompt when `execution` is given.
  int ledger(std::string_view event, std::optional<ports::ExecutionId> execution = {});
  // The body of the server's 200; a POST with this JSON, else a GET. Throws on every other answer.
  std::string http(std::string_view path, std::optional<std::string> json = {});

 private:
  struct Process;
  template <class T>
  T now(base::Task<absl::StatusOr<T>> task);

  SimProcess sim_;
  const std::string ca_file_;
  bridge::Config config_;
  FakeDatabase database_;
  ArtifactDepot depot_;
  FakeRedis redis_;
  HintBus hints_;
  ImmediateLink link_;
  runtime::KernelRandom random_;
  std::vector<std::string> journal_;
  std::vector<std::string> journal_lines_;
  runtime::Metrics metrics_{"bridge"};
  bridge::BridgeMetrics counts_{metrics_};
  Deadly deadly_;
  bool crashed_ = false;
  int crashes_ = 0;
  test::RealLoop office_;  // of the gateway's and the dispatcher's calls
  ports::UserId user_;
  ports::InstanceId instance_;
  std::unique_ptr<Process> bridge_;
};

}  // namespace renderyard::testing
