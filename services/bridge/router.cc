#include "services/bridge/router.h"

#include <utility>

namespace renderyard::bridge {

namespace {

std::size_t size_of(const domain::ComfyMessage& message) {
  const auto* picture = std::get_if<domain::PreviewImage>(&message);
  return picture == nullptr ? 0 : picture->data.size();
}

}  // namespace

void Router::add(const std::string& prompt_id, std::shared_ptr<Execution> execution) {
  auto it = by_prompt_.insert_or_assign(prompt_id, std::move(execution)).first;
  std::erase_if(unknown_, [&](const Kept& kept) {
    if (domain::prompt_id_of(kept.message) != prompt_id) return false;
    it->second->hear(kept.message, kept.stream);
    unknown_bytes_ -= size_of(kept.message);
    return true;
  });
  unknown_started_.erase(prompt_id);
}

void Router::remove(const Execution& execution) {
  std::erase_if(by_prompt_, [&](const auto& entry) { return entry.second.get() == &execution; });
}

void Router::route(domain::ComfyMessage message, std::uint64_t stream) {
  observer_.message(message);
  note_running(message, stream);
  if (auto* picture = std::get_if<domain::PreviewImage>(&message); picture != nullptr && picture->prompt_id.empty()) {
    const auto running = running_.find(stream);
    if (running == running_.end()) return;
    picture->prompt_id = running->second.prompt_id;
    picture->node_id = running->second.node;
  }
  const std::string_view prompt_id = domain::prompt_id_of(message);
  if (prompt_id.empty()) return;
  auto it = by_prompt_.find(prompt_id);
  if (it != by_prompt_.end()) {
    it->second->hear(message, stream);
  } else if (!senders_.empty()) {
    keep(std::move(message), stream);
  } else {
    note_stray(message);
  }
}

void Router::note_stray(const domain::ComfyMessage& message) {
  const auto* start = std::get_if<domain::ExecutionStart>(&message);
  if (start == nullptr) return;
  observer_.stray();
  journal_.warning("stray_heard", {{base::key::kPrompt, start->prompt_id}});
  on_stray_();
}

void Router::note_running(const domain::ComfyMessage& message, std::uint64_t stream) {
  const auto* executing = std::get_if<domain::Executing>(&message);
  // Without a prompt id it is what a server says at a reconnect: the pictures' beginning was missed then.
  if (executing == nullptr || executing->prompt_id.empty()) return;
  if (executing->node) {
    running_[stream] = {executing->prompt_id, *executing->node};
  } else {
    running_.erase(stream);
  }
}

void Router::keep(domain::ComfyMessage message, std::uint64_t stream) {
  if (const auto* picture = std::get_if<domain::PreviewImage>(&message)) {
    if (picture->content_type != "image/png") return;  // a preview, and old by then
  }
  if (const auto* start = std::get_if<domain::ExecutionStart>(&message)) {
    if (unknown_started_.size() < kMostKept) unknown_started_.insert(start->prompt_id);
    for (Execution* sender : senders_) sender->changed().notify();
  }
  unknown_bytes_ += size_of(message);
  unknown_.push_back({std::move(message), stream});
  while (unknown_.size() > kMostKept || unknown_bytes_ > kMostKeptBytes) {
    unknown_bytes_ -= size_of(unknown_.front().message);
    unknown_.pop_front();
  }
}

void Router::post_ends(Execution& sender) {
  senders_.erase(&sender);
  if (!senders_.empty()) return;
  for (const Kept& kept : unknown_) note_stray(kept.message);
  unknown_.clear();
  unknown_started_.clear();
  unknown_bytes_ = 0;
}

}  // namespace renderyard::bridge
