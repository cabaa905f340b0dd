// Journal: what happened, as an event name and fixed keys. Production writes JSON lines, the simulation its trace,
// tests look at it. Values must never contain secrets (tokens, URLs with user info, workflow texts). Thread-safety: any
// thread.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <type_traits>
#include <variant>

#include "libs/common/base/ids.h"

namespace renderyard::base {

enum class Severity { kDebug, kInfo, kWarning, kError };

// The keys that mean the same everywhere.
namespace key {
inline constexpr std::string_view kJob = "job_id";
inline constexpr std::string_view kExecution = "execution_id";
inline constexpr std::string_view kInstance = "instance_id";
inline constexpr std::string_view kPrompt = "prompt_id";
inline constexpr std::string_view kClient = "client_id";
inline constexpr std::string_view kEpoch = "epoch";
inline constexpr std::string_view kAttempt = "attempt";
inline constexpr std::string_view kState = "state";
inline constexpr std::string_view kCode = "code";
inline constexpr std::string_view kReason = "reason";
inline constexpr std::string_view kElapsedMs = "elapsed_ms";
}  // namespace key

struct Field {
  std::string_view name;
  std::variant<std::int64_t, double, bool, std::string> value;

  template <class Tag>
  Field(std::string_view n, Id<Tag> id) : name(n), value(id.value) {}
  Field(std::string_view n, bool v) : name(n), value(v) {}
  Field(std::string_view n, double v) : name(n), value(v) {}
  template <class T>
  requires(std::is_integral_v<T> && !std::is_same_v<T, bool>) Field(std::string_view n, T v)
      : name(n), value(static_cast<std::int64_t>(v)) {}
  Field(std::string_view n, std::string_view v) : name(n), value(std::string(v)) {}
  Field(std::string_view n, const std::string& v) : name(n), value(v) {}
  Field(std::string_view n, const char* v) : name(n), value(std::string(v)) {}
};

class Journal {
 public:
  virtual ~Journal() = default;
  virtual void record(Severity severity, std::string_view event, std::initializer_list<Field> fields) = 0;

  void info(std::string_view event, std::initializer_list<Field> fields = {}) {
    record(Severity::kInfo, event, fields);
  }
  void warning(std::string_view event, std::initializer_list<Field> fields = {}) {
    record(Severity::kWarning, event, fields);
  }
  void error(std::string_view event, std::initializer_list<Field> fields = {}) {
    record(Severity::kError, event, fields);
  }
  void debug(std::string_view event, std::initializer_list<Field> fields = {}) {
    record(Severity::kDebug, event, fields);
  }
};

}  // namespace renderyard::base
