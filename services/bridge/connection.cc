#include "services/bridge/connection.h"

#include <algorithm>
#include <utility>

#include "libs/common/base/json.h"
#include "libs/common/base/status_macros.h"
#include "libs/common/domain/backoff.h"

namespace renderyard::bridge {

namespace {

// The server answers and does not let us in, or is none: an operator must change something.
bool misconfigured(const absl::Status& probed) {
  return absl::IsPermissionDenied(probed) || absl::IsNotFound(probed) || absl::IsInvalidArgument(probed);
}

std::string reason_of(const absl::Status& why) {
  return misconfigured(why) ? "misconfigured: " + std::string(base::to_std(why.message())) : why.ToString();
}

}  // namespace

Connection::Connection(Deps& deps, const Config& config, ports::ComfyInstance& comfy, Router& router,
                       base::InstanceId instance, std::string client_id, std::string url,
                       absl::AnyInvocable<void(const State&)> on_state)
    : deps_(deps),
      config_(config),
      comfy_(comfy),
      router_(router),
      instance_(instance),
      client_id_(std::move(client_id)),
      on_state_(std::move(on_state)),
      url_(std::move(url)),
      access_changed_(deps.strand, deps.clock) {}

base::Task<absl::Status> Connection::run() {
  for (;;) {
    if (attempts_ == 0) report(ports::InstanceStatus::kConnecting, {});
    const absl::Time begun = deps_.clock.now();
    const absl::Time connect_by = begun + config_.connect_deadline;
    auto socket = co_await comfy_.connect(client_id_, connect_by);
    if (absl::IsCancelled(socket.status())) co_return socket.status();
    // Without a socket HTTP may answer all the same: then work goes on by polling.
    absl::Status probed;
    if (on_state_) probed = co_await probe();
    if (absl::IsCancelled(probed)) co_return probed;
    if (!socket.ok() || !probed.ok()) {
      if (socket.ok()) {
        const absl::Time close_by = deps_.clock.now() + config_.close_deadline;
        const absl::Status closed = co_await (*socket)->close(close_by);
        if (absl::IsCancelled(closed)) co_return closed;
      }
      ++attempts_;
      // Of two that failed the probe says more: it is plain HTTP.
      const absl::Status& why = probed.ok() ? socket.status() : probed;
      trouble_ = why;
      deps_.observer.connect_failed();
      if (probed.ok()) {
        report_usable(ports::InstanceStatus::kPolling, reason_of(why));
      } else {
        report(ports::InstanceStatus::kReconnecting, reason_of(why));
      }
      const absl::Time again_at = deps_.clock.now() + domain::reconnect_delay(attempts_, deps_.random);
      const absl::Status rested = co_await access_changed_.wait_until(again_at);
      if (absl::IsCancelled(rested)) co_return rested;
      continue;
    }
    attempts_ = 0;
    ++generation_;
    socket_ = *std::move(socket);
    opened_at_ = deps_.clock.now();
    last_message_at_ = opened_at_;
    deps_.journal.info("comfyui_websocket_connected",
                       {{base::key::kInstance, instance_},
                        {base::key::kClient, client_id_},
                        {"url", url_},
                        {base::key::kElapsedMs, absl::ToInt64Milliseconds(deps_.clock.now() - begun)}});
    deps_.observer.connected(deps_.clock.now() - begun, generation_ > 1);
    say_connected();
    const absl::Status ended = co_await session();
    // Whoever answers next may be another release, or may have forgotten what was said at this connection's beginning.
    abilities_.reset();
    // The same client id may be used again only after the end of TCP: otherwise the server's clean-up of the old socket
    // makes the new one deaf.
    const absl::Time close_by = deps_.clock.now() + config_.close_deadline;
    auto old = std::move(socket_);
    socket_ = nullptr;
    // When this fails the time is over all the same; the new socket may be deaf then, and the watchdog finds it.
    [[maybe_unused]] const absl::Status closed = co_await old->close(close_by);
    old = nullptr;
    const std::string reason = reopen_reason_.empty() ? ended.ToString() : std::exchange(reopen_reason_, {});
    deps_.journal.info("comfyui_websocket_disconnected",
                       {{base::key::kInstance, instance_},
                        {base::key::kClient, client_id_},
                        {base::key::kReason, reason},
                        {base::key::kElapsedMs, absl::ToInt64Milliseconds(deps_.clock.now() - opened_at_)}});
    if (absl::IsCancelled(ended)) co_return ended;
    // Broken by itself, not by us: the next one is another server's, or another way there.
    if (!absl::IsAborted(ended)) {
      blocked_ = false;
      fruitless_reopenings_ = 0;
    }
    trouble_ = ended;
    report(ports::InstanceStatus::kReconnecting, reason);
  }
}

// One connection's life. CANCELLED only when the connection itself is to end; a reopening is ABORTED.
base::Task<absl::Status> Connection::session() {
  session_group_ = std::make_unique<base::Group>(deps_.strand);
  session_group_->spawn(read());
  session_group_->spawn(keep_alive());
  session_group_->spawn(ask_again());
  absl::Status status = co_await session_group_->join();
  session_group_ = nullptr;
  if (absl::IsCancelled(status) && !reopen_reason_.empty()) status = absl::AbortedError(reopen_reason_);
  co_return status;
}

base::Task<absl::Status> Connection::read() {
  const std::uint64_t stream = router_.new_stream();
  std::function<void(domain::ComfyMessage)> hear = [this, stream](domain::ComfyMessage message) {
    last_message_at_ = deps_.clock.now();
    router_.route(std::move(message), stream);
  };
  const absl::Status ended = co_await socket_->listen(std::move(hear));
  router_.end_stream(stream);
  co_return ended.ok() ? absl::UnavailableError("the server closed the socket") : ended;
}

base::Task<absl::Status> Connection::keep_alive() {
  for (;;) {
    CO_RETURN_IF_ERROR(co_await deps_.clock.sleep_for(config_.ping_every));
    const absl::Time deadline = deps_.clock.now() + config_.ping_deadline;
    const absl::Status pong = co_await socket_->ping(deadline);
    if (absl::IsCancelled(pong)) co_return pong;
    if (!pong.ok()) co_return absl::UnavailableError("no answer to a ping");
  }
}

base::Task<absl::Status> Connection::ask_again() {
  for (;;) {
    const bool held_out = deps_.clock.now() < held_out_until_;
    const absl::Time wake = held_out ? held_out_until_ : absl::InfiniteFuture();
    const absl::Status woken = co_await access_changed_.wait_until(wake);
    if (absl::IsCancelled(woken)) co_return woken;
    const std::string suspicion = std::exchange(suspicion_, {});
    absl::Status fine;
    if (!suspicion.empty()) {
      const absl::Time deadline = deps_.clock.now() + config_.ping_deadline;
      fine = co_await socket_->ping(deadline);
    }
    if (fine.ok()) fine = co_await probe();
    if (absl::IsCancelled(fine)) co_return fine;
    if (!fine.ok()) {
      reopen_reason_ = suspicion.empty() ? reason_of(fine) : suspicion;
      co_return fine;
    }
    if (!suspicion.empty() || held_out) say_connected();
  }
}

base::Task<absl::Status> Connection::alive(absl::Time deadline) {
  if (!socket_) co_return absl::UnavailableError("not connected");
  const std::uint64_t generation = generation_;
  const absl::Status pong = co_await socket_->ping(deadline);
  CO_RETURN_IF_ERROR(pong);
  if (generation != this->generation()) co_return absl::UnavailableError("the socket was replaced");
  co_return absl::OkStatus();
}

base::Task<absl::Status> Connection::probe() {
  const absl::Time deadline = deps_.clock.now() + config_.request_deadline;
  auto abilities = co_await comfy_.probe(deadline);
  if (!abilities.ok()) {
    abilities_.reset();
    co_return abilities.status();
  }
  abilities_ = *std::move(abilities);
  deps_.journal.info("comfyui_probed", {{base::key::kInstance, instance_},
                                        {"version", abilities_->version},
                                        {"own_prompt_ids", abilities_->own_prompt_ids},
                                        {"targeted_interrupt", abilities_->targeted_interrupt},
                                        {"atomic_cancel", abilities_->atomic_cancel},
                                        {"jobs_api", abilities_->jobs_api},
                                        {"progress_state", abilities_->progress_state},
                                        {"preview_metadata", abilities_->preview_metadata}});
  co_return absl::OkStatus();
}

void Connection::suspect_deaf() {
  if (!session_group_ || !reopen_reason_.empty()) return;
  if (fruitless_reopenings_ >= config_.reopen_limit) {
    if (!blocked_) {
      blocked_ = true;
      report_usable(ports::InstanceStatus::kPolling, "stream_blocked: the socket is open and silent");
    }
    return;
  }
  ++fruitless_reopenings_;
  deps_.observer.deaf_socket();
  reopen_reason_ = "deaf: the socket is silent where it should speak";
  deps_.journal.warning("comfyui_websocket_deaf",
                        {{base::key::kInstance, instance_}, {base::key::kClient, client_id_}});
  session_group_->cancel();
}

void Connection::not_deaf() {
  fruitless_reopenings_ = 0;
  if (!std::exchange(blocked_, false)) return;
  if (session_group_ && reopen_reason_.empty()) say_connected();
}

void Connection::refused_post(std::string reason) {
  const absl::Duration hold =
      std::min(config_.refusal_hold * (1 << std::min(refusals_++, 5)), config_.refusal_hold_longest);
  held_out_until_ = deps_.clock.now() + hold + deps_.random.jitter(hold / 4);
  held_out_for_ = std::move(reason);
  report(ports::InstanceStatus::kReconnecting, held_out_for_);
  access_changed_.notify();
}

void Connection::accepted_post() {
  refusals_ = 0;
}

void Connection::access_changed() {
  held_out_until_ = absl::InfinitePast();
  refusals_ = 0;
  access_changed_.notify();
}

void Connection::reopen(std::string reason) {
  if (!session_group_ || !reopen_reason_.empty()) return;
  reopen_reason_ = std::move(reason);
  session_group_->cancel();
}

void Connection::suspect_server(std::string reason) {
  abilities_.reset();
  if (!session_group_ || !reopen_reason_.empty()) {
    access_changed_.notify();  // without a socket the next attempt asks
    return;
  }
  // Other prompts may be heard on this socket: it is closed only when the server does not answer.
  suspicion_ = std::move(reason);
  report(ports::InstanceStatus::kReconnecting, suspicion_);
  access_changed_.notify();
}

void Connection::say_connected() {
  if (blocked_) {
    report_usable(ports::InstanceStatus::kPolling, "stream_blocked: the socket is open and silent");
  } else {
    report_usable(ports::InstanceStatus::kConnected, {});
  }
}

void Connection::report_usable(ports::InstanceStatus status, std::string reason) {
  if (deps_.clock.now() < held_out_until_) {
    report(ports::InstanceStatus::kReconnecting, held_out_for_);
  } else {
    report(status, std::move(reason));
  }
}

void Connection::report(ports::InstanceStatus status, std::string reason) {
  if (!on_state_) return;
  on_state_({status, attempts_, std::move(reason)});
}

}  // namespace renderyard::bridge
