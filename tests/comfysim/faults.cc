#include "tests/comfysim/faults.h"

#include <algorithm>
#include <utility>

namespace comfysim {
namespace {

constexpr std::int64_t kLongestDelayMs = 8000;

struct Kind {
  std::string_view name;
  std::vector<std::string_view> places;  // the first is the default
};

const std::vector<Kind>& kinds() {
  static const std::vector<Kind> kKinds = {
      {"refuse", {"post"}},
      {"read_late", {"post"}},
      {"drop", {"now", "mid_run"}},
      {"die", {"now", "post_before_queue", "post_after_queue", "mid_run"}},
      {"forget", {"now", "post_after_queue", "mid_run"}},
      {"deaf", {"now", "post_after_queue", "mid_run"}},
      {"clear", {"now"}},
  };
  return kKinds;
}

std::string join(const std::vector<std::string_view>& words) {
  std::string out;
  for (const std::string_view word : words) out += (out.empty() ? "" : ", ") + std::string(word);
  return out;
}

// A whole number in [low, high]; nullopt when it is none.
std::optional<std::int64_t> whole(const json::value& value, std::int64_t low, std::int64_t high) {
  if (!value.is_int64() || value.get_int64() < low || value.get_int64() > high) return std::nullopt;
  return value.get_int64();
}

std::optional<std::string> read_field(std::string_view key, const json::value& value, const Kind& kind, Fault& fault) {
  if (key == "fault") return std::nullopt;
  if (key == "at") {
    const bool known = value.is_string() && std::find(kind.places.begin(), kind.places.end(),
                                                      std::string_view(value.get_string())) != kind.places.end();
    if (!known) return "at: must be one of " + join(kind.places) + " for fault " + std::string(kind.name);
    fault.at = std::string(value.get_string());
    return std::nullopt;
  }
  if (key == "probability") {
    if (!value.is_number()) return "probability: must be a number";
    fault.probability = value.to_number<double>();
    if (!(fault.probability >= 0.0 && fault.probability <= 1.0)) return "probability: must be between 0 and 1";
    return std::nullopt;
  }
  if (key == "count") {
    const auto count = whole(value, 1, INT64_MAX);
    if (!count) return "count: must be a whole number of at least 1";
    fault.count = static_cast<std::uint64_t>(*count);
    return std::nullopt;
  }
  if (key == "delay_ms") {
    const auto delay = whole(value, 0, kLongestDelayMs);
    if (!delay) return "delay_ms: must be a whole number from 0 to 8000";
    fault.delay_ms = *delay;
    return std::nullopt;
  }
  if (key == "status") {
    const auto status = whole(value, 0, 599);
    if (!status || (*status != 0 && *status < 400)) return "status: must be 0 or from 400 to 599";
    fault.status = static_cast<unsigned>(*status);
    return std::nullopt;
  }
  return std::string(key) + ": unknown field";
}

std::optional<std::string> read_fault(const json::value& body, Fault& fault) {
  const json::value* name = member(body, "fault");
  if (name == nullptr || !name->is_string()) return "fault: must be a string";
  const auto kind =
      std::find_if(kinds().begin(), kinds().end(), [&](const Kind& k) { return name->get_string() == k.name; });
  if (kind == kinds().end()) return "fault: must be one of refuse, read_late, drop, die, forget, deaf, clear";
  fault.kind = kind->name;
  fault.at = kind->places.front();
  for (const auto& [key, value] : body.get_object()) {
    if (auto complaint = read_field(key, value, *kind, fault)) return complaint;
  }
  return std::nullopt;
}

}  // namespace

json::object Fault::to_json() const {
  json::object out = {{"fault", kind}, {"at", at}, {"probability", probability}, {"count", nullptr}};
  if (count) out["count"] = *count;
  if (kind == "read_late") out["delay_ms"] = delay_ms;
  if (kind == "refuse") out["status"] = status;
  return out;
}

std::optional<std::string> Faults::add(const json::value& body, std::vector<Fault>& immediate) {
  std::vector<Fault> wanted;
  if (body.is_array()) {
    for (const json::value& item : body.get_array()) {
      if (auto complaint = read_fault(item, wanted.emplace_back())) return complaint;
    }
  } else if (auto complaint = read_fault(body, wanted.emplace_back())) {
    return complaint;
  }
  const std::lock_guard lock(mutex_);
  for (Fault& fault : wanted) {
    if (fault.kind == "clear") {
      faults_.clear();
    } else if (fault.at == "now") {
      if (random_.unit() < fault.probability) immediate.push_back(std::move(fault));
    } else {
      faults_.push_back(std::move(fault));
    }
  }
  return std::nullopt;
}

std::optional<Fault> Faults::take(std::string_view kind, std::string_view at) {
  const std::lock_guard lock(mutex_);
  for (auto it = faults_.begin(); it != faults_.end(); ++it) {
    if (it->kind != kind || it->at != at) continue;
    if (it->probability < 1.0 && random_.unit() >= it->probability) continue;
    Fault hit = *it;
    if (it->count && --*it->count == 0) faults_.erase(it);
    return hit;
  }
  return std::nullopt;
}

json::array Faults::list() const {
  const std::lock_guard lock(mutex_);
  json::array out;
  for (const Fault& fault : faults_) out.push_back(fault.to_json());
  return out;
}

}  // namespace comfysim
