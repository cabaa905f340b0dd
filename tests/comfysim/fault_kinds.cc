#include "tests/comfysim/fault_kinds.h"

#include <algorithm>
#include <string_view>
#include <variant>
#include <vector>

namespace comfysim {
namespace {

constexpr std::int64_t kDay = 24 * 3600 * 1000;
constexpr std::int64_t kMinute = 60 * 1000;

// A field that only some kinds have. Numbers lie in [low, high]; `standard` is taken when the field is not given.
struct Field {
  std::string_view name;
  std::int64_t low = 0;
  std::int64_t high = 0;
  std::int64_t standard = 0;
};

constexpr Field kPath = {"path"};
constexpr Field kNode = {"node", 1, 1'000'000, 2};
constexpr Field kStatus = {"status", 400, 599, 503};
constexpr Field kDelay = {"delay_ms", 0, kMinute, 1000};

struct Kind {
  std::string_view name;
  std::vector<std::string_view> places;  // the first is the default
  std::vector<Field> fields;
  bool lasting_now = false;  // at "now" it takes for_ms too
  bool needs_time = false;   // for_ms must be given
};

// Every fault stands here and in the table of README.md.
const std::vector<Kind>& kinds() {
  static const std::vector<Kind> kKinds = {
      // Requests and answers.
      {"refuse", {"post"}, {{"status", 0, 599, 503}}},
      {"read_late", {"post"}, {{"delay_ms", 0, 60000, 0}}},
      {"silent", {"post_before_queue", "post_after_queue", "answer"}, {kPath}},
      {"error", {"post_after_queue", "answer"}, {kStatus, kPath}},
      {"answer_late", {"answer"}, {kDelay, kPath}},
      {"slow_download", {"view"}, {{"bytes_per_s", 1, 1'000'000'000, 64 * 1024}}},
      {"truncate", {"view"}, {{"bytes", 0, INT64_MAX, -1}}},
      // Connections.
      {"drop", {"now", "mid_run"}, {kNode}},
      {"deaf", {"now", "post_after_queue", "mid_run"}, {kNode}},
      {"half_open", {"now", "post_after_queue", "mid_run"}, {kNode}, true},
      {"closed", {"now"}, {}, true, true},
      // What the server knows.
      {"forget", {"now", "post_after_queue", "mid_run"}, {kNode}},
      {"clear_history", {"now", "end"}, {}},
      {"history_late", {"end"}, {kDelay}},
      {"history_empty", {"history"}, {}},
      // Execution and files.
      {"die", {"now", "post_before_queue", "post_after_queue", "mid_run"}, {kNode}},
      {"worker_death", {"mid_run", "now"}, {kNode}},
      {"disk_full", {"save"}, {}},
      {"overwrite", {"end"}, {}},
      // Takes all faults away.
      {"clear", {"now"}, {}},
  };
  return kKinds;
}

std::optional<std::int64_t> number(const json::value& value, std::int64_t low, std::int64_t high) {
  if (!value.is_int64() || value.get_int64() < low || value.get_int64() > high) return std::nullopt;
  return value.get_int64();
}

std::string range(std::int64_t low, std::int64_t high) {
  if (high == INT64_MAX) return "a whole number of at least " + std::to_string(low);
  return "a whole number from " + std::to_string(low) + " to " + std::to_string(high);
}

const Kind* find_kind(std::string_view name) {
  const auto found = std::find_if(kinds().begin(), kinds().end(), [&](const Kind& kind) { return kind.name == name; });
  return found == kinds().end() ? nullptr : &*found;
}

void set_number(std::string_view name, std::int64_t value, Fault& fault) {
  if (name == "delay_ms") fault.delay_ms = value;
  if (name == "status") fault.status = value;
  if (name == "node") fault.node = value;
  if (name == "bytes_per_s") fault.bytes_per_s = value;
  if (name == "bytes" && value >= 0) fault.bytes = value;
}

json::value value_of(std::string_view name, const Fault& fault) {
  if (name == "path") return json::value(fault.path);
  if (name == "delay_ms") return fault.delay_ms;
  if (name == "status") return fault.status;
  if (name == "node") return fault.node;
  if (name == "bytes_per_s") return fault.bytes_per_s;
  return fault.bytes ? json::value(*fault.bytes) : json::value(nullptr);
}

// The fields that every fault has.
std::optional<std::string> read_common(std::string_view key, const json::value& value, Fault& fault, bool& known) {
  known = true;
  if (key == "fault" || key == "at") return std::nullopt;  // read before
  if (key == "probability") {
    if (!value.is_number()) return "probability: must be a number";
    fault.probability = value.to_number<double>();
    if (!(fault.probability >= 0.0 && fault.probability <= 1.0)) return "probability: must be between 0 and 1";
    return std::nullopt;
  }
  if (key == "count") {
    const auto count = number(value, 1, INT64_MAX);
    if (!count) return "count: must be " + range(1, INT64_MAX);
    fault.count = static_cast<std::uint64_t>(*count);
    return std::nullopt;
  }
  if (key == "for_ms") {
    fault.for_ms = number(value, 1, kDay);
    if (!fault.for_ms) return "for_ms: must be " + range(1, kDay);
    return std::nullopt;
  }
  known = false;
  return std::nullopt;
}

std::optional<std::string> read_own(std::string_view key, const json::value& value, const Kind& kind, Fault& fault) {
  const auto field =
      std::find_if(kind.fields.begin(), kind.fields.end(), [&](const Field& f) { return f.name == key; });
  if (field == kind.fields.end()) return std::string(key) + ": fault " + std::string(kind.name) + " has no such field";
  if (key == "path") {
    if (!value.is_string() || !value.get_string().starts_with('/')) return "path: must be a string that begins with /";
    fault.path = std::string(value.get_string());
    return std::nullopt;
  }
  const auto given = number(value, field->low, field->high);
  const bool no_error = key == "status" && given && *given != 0 && *given < 400;
  if (no_error) return "status: must be 0 or from 400 to 599";
  if (!given) return std::string(key) + ": must be " + range(field->low, field->high);
  set_number(key, *given, fault);
  return std::nullopt;
}

std::optional<std::string> read_place(const json::value& body, const Kind& kind, Fault& fault) {
  fault.at = kind.places.front();
  const json::value* at = member(body, "at");
  if (at == nullptr) return std::nullopt;
  const bool known = at->is_string() && std::find(kind.places.begin(), kind.places.end(),
                                                  std::string_view(at->get_string())) != kind.places.end();
  if (known) {
    fault.at = std::string(at->get_string());
    return std::nullopt;
  }
  std::string words;
  for (const std::string_view place : kind.places) words += (words.empty() ? "" : ", ") + std::string(place);
  return "at: must be one of " + words + " for fault " + std::string(kind.name);
}

}  // namespace

json::object Fault::to_json() const {
  json::object out = {
      {"fault", kind}, {"at", at}, {"probability", probability}, {"count", nullptr}, {"for_ms", nullptr}};
  if (count) out["count"] = *count;
  if (for_ms) out["for_ms"] = *for_ms;
  const Kind* known = find_kind(kind);
  if (known == nullptr) return out;
  for (const Field& field : known->fields) out[json::string_view(field.name)] = value_of(field.name, *this);
  return out;
}

std::optional<std::string> read_fault(const json::value& body, Fault& fault) {
  const json::value* name = member(body, "fault");
  if (name == nullptr || !name->is_string()) return "fault: must be a string";
  const Kind* kind = find_kind(std::string_view(name->get_string()));
  if (kind == nullptr) {
    std::string words;
    for (const Kind& known : kinds()) words += (words.empty() ? "" : ", ") + std::string(known.name);
    return "fault: must be one of " + words;
  }
  fault.kind = kind->name;
  if (auto complaint = read_place(body, *kind, fault)) return complaint;
  for (const Field& field : kind->fields) set_number(field.name, field.standard, fault);
  for (const auto& [key, value] : body.get_object()) {
    bool known = false;
    if (auto complaint = read_common(key, value, fault, known)) return complaint;
    if (known) continue;
    if (auto complaint = read_own(key, value, *kind, fault)) return complaint;
  }
  if (kind->needs_time && !fault.for_ms) return "for_ms: fault " + fault.kind + " needs it";
  if (fault.at == "now" && fault.for_ms && !kind->lasting_now)
    return "for_ms: fault " + fault.kind + " strikes but once";
  return std::nullopt;
}

}  // namespace comfysim
