// FakeComfy: one ComfyUI server in a simulated world, with the behaviour that matters to a client that must not lose or
// double anything: a queue and one worker that sends messages in the recorded order, a history that lags, prompts'
// messages only for the client id they were posted with, the client table with its deaf sockets, and a memory that dies
// with it. Facts: docs of the protocol as recorded in tests/recordings; files survive a restart, nothing else does.
//
// Everything here happens outside of any process, in timers of the world. ComfyHandle (handle.h) is a process's way to
// it.
#pragma once

#include <absl/status/statusor.h>
#include <absl/time/time.h>

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "libs/common/domain/comfy_message.h"
#include "libs/common/ports/comfy_instance.h"
#include "libs/common/testing/fake_comfy/client_table.h"
#include "libs/common/testing/fake_comfy/ledger.h"
#include "libs/common/testing/fake_comfy/prompt.h"
#include "libs/common/testing/fake_comfy/written_files.h"
#include "libs/common/testing/sim/world.h"

namespace renderyard::testing {

class FakeComfy {
 public:
  struct Options {
    bool own_prompt_ids = true;  // false: POST's prompt_id is ignored
    bool atomic_cancel = true;
    absl::Duration latency_min = absl::Microseconds(200);  // of one way of a request
    absl::Duration latency_max = absl::Milliseconds(3);
    absl::Duration node_min = absl::Milliseconds(10);  // a node's running time
    absl::Duration node_max = absl::Milliseconds(800);
    absl::Duration history_lag = absl::Milliseconds(2);  // from execution_success to the history entry, at most
  };

  // What happens to the next POST /prompt that is made. Each is used once.
  enum class PostFault {
    kRefuseConnection,
    kNotSent,          // the connection dies while the body is being sent; the server never sees it whole
    kBusy503,          // answered 503 before anything was queued
    kReadLate,         // the client hears nothing, its connection ends; up to 8 s later the server reads and accepts it
    kLoseAnswer,       // accepted, the connection is reset before the answer
    kAnswer500Queued,  // accepted, yet answered 500 (as for two equal ids)
    kDieOnAccept,      // accepted, and the server dies of it
  };

  FakeComfy(sim::World& world, std::string name, Options options);

  const std::string& name() const { return name_; }
  const Options& options() const { return options_; }
  Options& settings() { return options_; }
  const ComfyLedger& ledger() const { return ledger_; }
  bool up() const { return up_; }
  int life() const { return life_; }
  std::size_t queue_length() const { return pending_.size() + (running_ ? 1 : 0); }
  bool idle() const { return queue_length() == 0; }
  sim::World& world() { return world_; }

  // POST /interrupt without a prompt id.
  void interrupt() {
    if (running_) running_->interrupted = true;
  }

  // Faults.
  void arm(PostFault fault) { post_faults_.push_back(fault); }
  void disarm() { post_faults_.clear(); }
  std::optional<PostFault> take_post_fault(std::string_view body);
  // Told of every armed fault at the moment it hits a POST, with the execution the body names.
  void on_post_fault(std::function<void(PostFault, std::string execution_id)> told) {
    post_fault_told_ = std::move(told);
  }
  void die();      // queue, running prompt, history and sockets are gone; files stay
  void restart();  // after die()
  // Other clients clear history; with `queue` also everything pending (the running prompt goes on).
  void forget(bool queue);
  // While set, somebody writes other pictures over a prompt's files, kOverwrittenAfter past its end or while they are
  // read.
  void overwrite_ended(bool overwrite) { overwrites_ended_ = overwrite; }
  // Of one SaveImageWebsocket node, each with its file_content().
  static constexpr int kSocketPictures = 2;
  static constexpr absl::Duration kOverwrittenAfter = absl::Milliseconds(3500);
  // While set, somebody clears the history whenever a prompt has ended.
  void forget_ended(bool forget) { forgets_ended_ = forget; }
  void drop_sockets();
  // Somebody's late clean-up takes the entry of a connected client out of the table: open, answers pings, hears
  // nothing.
  void deafen();
  void refuse_connections(bool refuse) { refusing_ = refuse; }
  bool refusing() const { return refusing_ || !up_; }
  // All running times and latencies are multiplied.
  void slow(double factor) { slowness_ = factor; }
  // Its GPU has a fault: every node fails by it.
  void sick(bool sick) { sick_ = sick; }
  absl::Duration latency();

  // HTTP, as handled by the server at this moment (it is up).
  domain::PostOutcome post(std::string_view body);
  domain::QueueListing queue() const;
  std::optional<domain::HistoryEntry> history(const std::string& prompt_id) const;
  std::vector<domain::QueueItem> recent_history(int max_items) const;
  using File = WrittenFiles::File;
  absl::StatusOr<File> file(const domain::OutputFile& file) const { return files_.read(file); }
  void maybe_overwrite_while_read(const domain::OutputFile& file);
  bool cancel(const std::string& prompt_id);  // atomic: whether it hit
  ports::ComfyAbilities abilities() const;

  // WebSocket.
  using SocketId = ClientTable::SocketId;
  using Messages = ClientTable::Messages;
  SocketId open_socket(const std::string& client_id, std::shared_ptr<Messages> messages);
  // The server notices the end of this connection (and cleans up by client id, whoever holds it now).
  void end_socket(SocketId socket) { clients_.end(socket); }
  bool socket_open(SocketId socket) const { return clients_.open(socket); }

 private:
  struct Running {
    ComfyPrompt prompt;
    std::size_t node = 0;
    bool interrupted = false;
    std::optional<absl::Time> hangs_until;
    std::vector<domain::NodeState> states;
    std::vector<domain::OutputFile> files;
    std::string outputs_json;
    std::optional<absl::Time> ended_at;
  };
  struct Done {
    domain::HistoryEntry entry;
    domain::QueueItem item;
  };

  void record(ComfyLedgerEntry::What what, const ComfyPrompt& prompt);
  void note(const std::string& text) { world_.note(name_, text); }
  // Runs `step` after `delay` unless the server has died or the running prompt is another one by then.
  void later(absl::Duration delay, void (FakeComfy::*step)());
  absl::Duration moment();
  void take_next();
  void begin_run();
  void begin_node();
  void report_progress();
  void send_pictures(double step);
  void hang();
  void end_node();
  void fail_run(domain::ExecutionError error);
  void interrupt_run();
  void announce_success();
  void write_history();
  void finish_run(domain::HistoryEnd end, std::optional<domain::ExecutionError> error,
                  std::optional<domain::ExecutionInterrupted> interrupted);
  void end_run();
  void send(const std::string& client_id, domain::ComfyMessage message) {
    clients_.send(client_id, std::move(message));
  }
  void send_status();

  sim::World& world_;
  std::string name_;
  Options options_;
  std::unique_ptr<base::Random> random_;
  ComfyLedger ledger_;
  bool up_ = true;
  bool refusing_ = false;
  bool forgets_ended_ = false;
  bool overwrites_ended_ = false;
  int life_ = 1;
  std::uint64_t run_ = 0;  // of this life's worker
  double slowness_ = 1;
  bool sick_ = false;
  std::deque<PostFault> post_faults_;
  std::function<void(PostFault, std::string)> post_fault_told_;
  double counter_ = 0;
  std::map<std::pair<double, std::string>, ComfyPrompt> pending_;  // duplicates of one id get other numbers
  std::unique_ptr<Running> running_;
  std::map<std::string, Done> history_;
  std::vector<std::string> finished_;  // ids in order of finishing
  WrittenFiles files_;
  ClientTable clients_;
};

}  // namespace renderyard::testing
