// The WebSocket of one instance under one client id: connects, reconnects (1 2 4 8 16 30 s with jitter, for ever),
// pings, and hands every message to the router. The socket is a hint, REST is the truth: when the socket cannot be had
// but HTTP answers, the instance is `polling` and goes on working. What the server is able to do is asked again with
// every connection, and when there is none but HTTP answers. Thread-safety: on the strand. Ownership: everything
// given outlives the connection.
#pragma once

#include <absl/functional/any_invocable.h>
#include <absl/time/time.h>

#include <cstdint>
#include <optional>
#include <string>

#include "libs/common/base/event.h"
#include "libs/common/base/group.h"
#include "libs/common/ports/comfy_instance.h"
#include "services/bridge/deps.h"
#include "services/bridge/router.h"

namespace renderyard::bridge {

class Connection {
 public:
  struct State {
    ports::InstanceStatus status = ports::InstanceStatus::kDisconnected;
    int attempts = 0;  // failed ones since the last connection
    std::string reason;
  };

  // on_state is called for every change; empty for sockets that are only listened to (adoption sockets): these ask
  // nothing of the server. url: where the socket goes, without secrets, for the journal.
  Connection(Deps& deps, const Config& config, ports::ComfyInstance& comfy, Router& router, base::InstanceId instance,
             std::string client_id, std::string url, absl::AnyInvocable<void(const State&)> on_state);

  // Until cancelled.
  base::Task<absl::Status> run();

  const std::string& client_id() const { return client_id_; }
  bool connected() const { return socket_ != nullptr; }
  // Rises with every connection; the same number before and after means the same socket stayed open. 0 = not connected.
  std::uint64_t generation() const { return connected() ? generation_ : 0; }
  // More was read from the socket of now than what every server says first.
  bool has_spoken() const { return last_message_at_ > opened_at_ + absl::Milliseconds(500); }
  // When the socket of now was opened.
  absl::Time opened_at() const { return opened_at_; }
  // When anything was last read from the socket of now.
  absl::Time last_message_at() const { return last_message_at_; }
  // Is the socket of now alive? A ping, answered before the deadline.
  base::Task<absl::Status> alive(absl::Time deadline);

  // The socket says nothing though it should: open it again, at most Config::reopen_limit times in a row without
  // success; then stay connected but report `polling` with reason stream_blocked.
  void suspect_deaf();
  // Opens the socket again, for a reason that blames nobody.
  void reopen(std::string reason);
  // The server answered in a way that makes it useless for now: no new work until it has answered a
  // ping and a probe; else the socket is opened again.
  void suspect_server(std::string reason);
  // The server answers and lets no POST in: no new work for a while, doubled with each refusal in a row, and until it
  // has answered a probe then. What it lets through (GETs) says nothing about that.
  void refused_post(std::string reason);
  void accepted_post();
  // The way in was changed: ask the server again, now. A socket that is open stays open unless the server refuses us.
  void access_changed();
  // Messages of ours came: the socket is not deaf.
  void not_deaf();
  // It stayed silent however often it was reopened: what it should say has to be asked for.
  bool blocked() const { return blocked_; }

  // Of the server that answers now; unknown between the end of a connection and the next probe.
  const std::optional<ports::ComfyAbilities>& abilities() const { return abilities_; }
  // What the last socket ended with, or could not be had for; OK when there was none yet.
  const absl::Status& trouble() const { return trouble_; }

 private:
  base::Task<absl::Status> session();
  base::Task<absl::Status> read();
  base::Task<absl::Status> keep_alive();
  base::Task<absl::Status> ask_again();
  base::Task<absl::Status> probe();
  void say_connected();
  void report(ports::InstanceStatus status, std::string reason);
  // The same for a state in which it gets work, unless it is held out.
  void report_usable(ports::InstanceStatus status, std::string reason);

  Deps& deps_;
  const Config& config_;
  ports::ComfyInstance& comfy_;
  Router& router_;
  base::InstanceId instance_;
  std::string client_id_;
  absl::AnyInvocable<void(const State&)> on_state_;
  std::optional<ports::ComfyAbilities> abilities_;
  std::unique_ptr<ports::ComfySocket> socket_;
  std::unique_ptr<base::Group> session_group_;
  std::string url_;  // for the journal
  absl::Status trouble_;
  std::string reopen_reason_;
  std::string suspicion_;  // why the server is to be asked whether it is well
  base::Event access_changed_;
  std::uint64_t generation_ = 0;
  absl::Time opened_at_ = absl::InfinitePast();
  absl::Time last_message_at_ = absl::InfinitePast();
  int attempts_ = 0;
  int fruitless_reopenings_ = 0;
  bool blocked_ = false;
  int refusals_ = 0;  // of POSTs, in a row
  absl::Time held_out_until_ = absl::InfinitePast();
  std::string held_out_for_;
};

}  // namespace renderyard::bridge
