#include "libs/common/runtime/health.h"

#include <algorithm>
#include <utility>

#include "libs/common/runtime/log.h"

namespace renderyard::runtime {

namespace {

std::string_view name_of(Condition condition) {
  switch (condition) {
    case Condition::kOk:
      return "ok";
    case Condition::kDegraded:
      return "degraded";
    case Condition::kNotReady:
      return "not_ready";
  }
  return "not_ready";
}

}  // namespace

bool Health::ready_locked() const {
  return std::none_of(parts_.begin(), parts_.end(),
                      [](const auto& part) { return part.second.condition == Condition::kNotReady; });
}

void Health::set(std::string_view part, Condition condition, std::string_view reason) {
  std::function<void(bool)> callback;
  bool now_ready = false;
  {
    base::MutexLock lock(mutex_);
    const bool before = ready_locked();
    parts_[std::string(part)] = {condition, std::string(reason)};
    now_ready = ready_locked();
    if (before != now_ready) callback = callback_;
  }
  if (callback) callback(now_ready);
}

bool Health::ready() const {
  base::MutexLock lock(mutex_);
  return ready_locked();
}

std::string Health::json() const {
  base::MutexLock lock(mutex_);
  std::string out = ready_locked() ? "{\"ready\":true,\"parts\":{" : "{\"ready\":false,\"parts\":{";
  bool first = true;
  for (const auto& [name, part] : parts_) {
    if (!std::exchange(first, false)) out += ',';
    append_json_string(out, name);
    out += ":{\"condition\":";
    append_json_string(out, name_of(part.condition));
    if (!part.reason.empty()) {
      out += ",\"reason\":";
      append_json_string(out, part.reason);
    }
    out += '}';
  }
  return out + "}}\n";
}

void Health::on_change(std::function<void(bool)> callback) {
  bool now_ready = false;
  {
    base::MutexLock lock(mutex_);
    callback_ = callback;
    now_ready = ready_locked();
  }
  if (callback) callback(now_ready);
}

}  // namespace renderyard::runtime
