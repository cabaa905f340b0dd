// Answers of /history and /queue, and the answer to POST /prompt, as the bridge reads them.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "libs/common/domain/comfy_message.h"
#include "libs/common/domain/submission.h"
#include "tests/fuzz/check.h"

namespace {

using namespace renderyard::domain;
using renderyard::fuzz::check;
using renderyard::fuzz::check_json;
using renderyard::fuzz::check_text;

void read_history(std::string_view text) {
  const auto listing = parse_history_listing(text);
  if (!listing.ok()) return;
  for (const auto& item : *listing) {
    check_text("prompt", item.prompt_id);
    check_text("chosen", item.chosen_id);
    const auto entry = parse_history(text, item.prompt_id);
    if (!entry.ok() || !entry->has_value()) continue;
    check_json("outputs", (*entry)->outputs_json);
    check(renderyard::testing::check_json_object("outputs", (*entry)->outputs_json).ok(), "outputs are an object");
    check(((*entry)->end == HistoryEnd::kError) == (*entry)->error.has_value(), "an error says what");
    check(((*entry)->end == HistoryEnd::kInterrupted) == (*entry)->interrupted.has_value(), "interrupted says so");
    if ((*entry)->error) {
      check_text("message", (*entry)->error->message);
      check_text("node", (*entry)->error->node_id);
      check_text("class", (*entry)->error->node_type);
    }
    for (const auto& file : (*entry)->files) {
      check_text("node", file.node_id);
      check_text("file", file.filename);
      check_text("subfolder", file.subfolder);
      check_text("kind", file.kind);
    }
  }
}

void read_queue(std::string_view text) {
  const auto listing = parse_queue(text);
  if (!listing.ok()) return;
  check(std::is_sorted(listing->pending.begin(), listing->pending.end(),
                       [](const QueueItem& a, const QueueItem& b) { return a.number < b.number; }),
        "waiting prompts come in the order of running");
  for (const auto* list : {&listing->running, &listing->pending}) {
    for (const auto& item : *list) {
      check_text("prompt", item.prompt_id);
      check_text("chosen", item.chosen_id);
      check(listing->find(item.prompt_id) != nullptr, "what is listed is found", item.prompt_id);
    }
  }
}

void read_answer(std::string_view text) {
  for (const int status : {200, 400, 500}) {
    const auto verdict = classify_post({.kind = PostOutcome::Kind::kAnswered,
                                        .http_status = status,
                                        .content_type = "application/json",
                                        .body = std::string(text),
                                        .error = ""});
    check(verdict.kind != PostVerdict::Kind::kAccepted || status == 200, "only 200 accepts");
    check(verdict.kind != PostVerdict::Kind::kRefused || status == 400, "only 400 refuses");
    check(verdict.kind != PostVerdict::Kind::kNotAccepted, "an answer of these proves no absence");
    check_text("prompt", verdict.prompt_id);
    check_text("error type", verdict.error_type);
    check_text("message", verdict.message);
    for (const auto& fault : verdict.faults) {
      check_text("message", fault.message);
      check_text("class", fault.node_class);
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto document = parse_comfy_json(text); document.ok())
    check_json("normal form", document->root().to_json());
  read_history(text);
  read_queue(text);
  read_answer(text);
  return 0;
}
