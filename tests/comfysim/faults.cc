#include "tests/comfysim/faults.h"

#include <utility>

namespace comfysim {
namespace {

bool fits(const Fault& fault, std::string_view kind, const Occasion& occasion) {
  return fault.kind == kind && fault.at == occasion.at && occasion.path.starts_with(fault.path) &&
         (fault.at != "mid_run" || fault.node == occasion.node_number);
}

}  // namespace

void Faults::drop_expired(Time now) {
  std::erase_if(kept_, [now](const Kept& kept) { return kept.until <= now; });
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
  const auto now = std::chrono::steady_clock::now();
  const std::lock_guard lock(mutex_);
  for (Fault& fault : wanted) {
    if (fault.kind == "clear") {
      kept_.clear();
    } else if (fault.at == "now") {
      if (random_.unit() < fault.probability) immediate.push_back(std::move(fault));
    } else {
      const Time until = fault.for_ms ? now + std::chrono::milliseconds(*fault.for_ms) : Time::max();
      kept_.push_back({std::move(fault), until});
    }
  }
  return std::nullopt;
}

std::optional<Fault> Faults::take(std::string_view kind, const Occasion& occasion) {
  const std::lock_guard lock(mutex_);
  if (kept_.empty()) return std::nullopt;
  drop_expired(std::chrono::steady_clock::now());
  for (auto it = kept_.begin(); it != kept_.end(); ++it) {
    Fault& fault = it->fault;
    if (!fits(fault, kind, occasion)) continue;
    if (fault.probability < 1.0 && random_.unit() >= fault.probability) continue;
    Fault hit = fault;
    if (fault.count && --*fault.count == 0) kept_.erase(it);
    return hit;
  }
  return std::nullopt;
}

json::array Faults::list() {
  const std::lock_guard lock(mutex_);
  drop_expired(std::chrono::steady_clock::now());
  json::array out;
  for (const Kept& kept : kept_) out.push_back(kept.fault.to_json());
  return out;
}

}  // namespace comfysim
