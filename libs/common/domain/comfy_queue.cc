// GET /queue: {"queue_running": [item], "queue_pending": [item]}, item = [number, prompt_id, workflow, extra_data,
// outputs].
#include <algorithm>
#include <tuple>

#include "libs/common/domain/comfy_fields.h"
#include "libs/common/domain/comfy_json.h"
#include "libs/common/domain/comfy_message.h"

namespace renderyard::domain {

namespace {

absl::StatusOr<std::vector<QueueItem>> read_items(ComfyValue list) {
  if (!list.is_array()) return absl::InvalidArgumentError("the queue listing lacks its two arrays");
  std::vector<QueueItem> out;
  for (const auto item : list.items()) {
    QueueItem read{.prompt_id = item[std::size_t{1}].id_text(),
                   .chosen_id = chosen_id_of(item),
                   .number = item[std::size_t{0}].number().value_or(0)};
    // An item that cannot be read might be ours: a listing that hides it is no listing.
    if (read.prompt_id.empty()) return absl::InvalidArgumentError("a queue item without a prompt id");
    out.push_back(std::move(read));
  }
  return out;
}

}  // namespace

const QueueItem* QueueListing::find(std::string_view prompt_id) const {
  for (const auto* list : {&running, &pending}) {
    for (const auto& item : *list) {
      if (item.prompt_id == prompt_id) return &item;
    }
  }
  return nullptr;
}

bool QueueListing::is_running(std::string_view prompt_id) const {
  return std::any_of(running.begin(), running.end(),
                     [prompt_id](const QueueItem& item) { return item.prompt_id == prompt_id; });
}

absl::StatusOr<QueueListing> parse_queue(std::string_view text) {
  const auto document = parse_comfy_json(text);
  if (!document.ok()) return document.status();
  auto running = read_items(document->root()["queue_running"]);
  if (!running.ok()) return running.status();
  auto pending = read_items(document->root()["queue_pending"]);
  if (!pending.ok()) return pending.status();
  QueueListing listing{.running = *std::move(running), .pending = *std::move(pending)};
  // The server sends its heap as it lies; the order of running is by number, then by id.
  std::sort(listing.pending.begin(), listing.pending.end(), [](const QueueItem& a, const QueueItem& b) {
    return std::tie(a.number, a.prompt_id) < std::tie(b.number, b.prompt_id);
  });
  return listing;
}

}  // namespace renderyard::domain
