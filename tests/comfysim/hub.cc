#include "tests/comfysim/hub.h"

#include <unistd.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <vector>

namespace comfysim {

FramePtr frame_of_json(std::string_view type, const std::string& data) {
  const json::value name = json::string_view(type.data(), type.size());
  return std::make_shared<const Frame>(Frame{false, "{\"type\": " + dump_json(name) + ", \"data\": " + data + "}"});
}

FramePtr make_text_frame(std::string_view type, const json::value& data) {
  return frame_of_json(type, dump_json(data));
}

Hub::Hub(asio::io_context& io) : io_(io), wake_(io) {}

void Hub::post(Envelope envelope) {
  {
    const std::lock_guard lock(mutex_);
    queue_.push_back(std::move(envelope));
  }
  asio::post(io_, [this] { wake_.cancel(); });
}

std::optional<Hub::Envelope> Hub::take() {
  const std::lock_guard lock(mutex_);
  if (queue_.empty()) return std::nullopt;
  Envelope out = std::move(queue_.front());
  queue_.pop_front();
  return out;
}

void Hub::send(const Sid& to, std::string_view type, json::object data) {
  post({to, make_text_frame(type, json::value(std::move(data)))});
}

void Hub::send_text(const Sid& to, std::string_view type, const std::string& data) {
  post({to, frame_of_json(type, data)});
}

void Hub::send_binary(const Sid& to, BinaryEvent event, std::string payload) {
  std::string bytes(4, '\0');
  bytes[3] = static_cast<char>(event);
  post({to, std::make_shared<const Frame>(Frame{true, bytes + payload})});
}

void Hub::send_unserializable(const Sid& to) {
  post({to, nullptr});
}

bool Hub::wants_preview_metadata(const Sid& to) const {
  if (!to) return false;
  const std::lock_guard lock(mutex_);
  const auto found = preview_metadata_.find(*to);
  return found != preview_metadata_.end() && found->second;
}

void Hub::drop_all() {
  asio::post(io_, [this] {
    for (const SocketPtr& socket : std::vector<SocketPtr>(open_.begin(), open_.end())) socket->cut();
  });
}

void Hub::deafen_all() {
  // For each open socket an older one of the same id ends now, found dead late: its clean-up takes the newer one's
  // entry.
  asio::post(io_, [this] {
    while (!table_.empty()) forget(std::string(table_.begin()->first));
  });
}

void Hub::freeze_all(std::optional<std::chrono::milliseconds> time) {
  asio::post(io_, [this, time] {
    for (const SocketPtr& socket : std::vector<SocketPtr>(open_.begin(), open_.end())) socket->freeze(time);
    for (Connection* connection : std::vector<Connection*>(plain_->begin(), plain_->end())) connection->freeze(time);
  });
}

void Hub::attach(const std::string& sid, const SocketPtr& socket) {
  open_.insert(socket);
  table_[sid] = socket;
  set_preview_metadata(sid, false);
}

void Hub::detach(const std::string& sid, const SocketPtr& socket) {
  open_.erase(socket);
  forget(sid);
}

void Hub::forget(const std::string& sid) {
  table_.erase(sid);
  const std::lock_guard lock(mutex_);
  preview_metadata_.erase(sid);
}

void Hub::set_preview_metadata(const std::string& sid, bool wanted) {
  const std::lock_guard lock(mutex_);
  preview_metadata_[sid] = wanted;
}

asio::awaitable<void> Hub::publish_loop() {
  for (;;) {
    const std::optional<Envelope> envelope = take();
    if (!envelope) {
      wake_.expires_at(asio::steady_timer::time_point::max());
      co_await wake_.async_wait(asio::as_tuple(asio::use_awaitable));
      continue;
    }
    std::vector<SocketPtr> targets;
    for (const auto& [sid, socket] : table_) {
      if (!envelope->to || *envelope->to == sid) targets.push_back(socket);
    }
    // The exception of the JSON encoder ends the loop, and the loop the program.
    if (envelope->frame == nullptr && !targets.empty()) ::_exit(1);
    for (const SocketPtr& socket : targets) {
      socket->enqueue(envelope->frame);
      co_await socket->drained();
    }
  }
}

}  // namespace comfysim
