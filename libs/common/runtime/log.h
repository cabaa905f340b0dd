// The production Journal: one JSON object per line on standard error,
// {"ts":"2026-01-02T03:04:05.678Z","level":"info","service":"bridge","event":"…",…the event's keys}.
// Thread-safety: any thread. Text that is not UTF-8 is written with U+FFFD in the place of what is wrong; numbers that
// JSON does not have are written as null.
#pragma once

#include <absl/time/time.h>

#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>

#include "libs/common/base/journal.h"

namespace spdlog {
class logger;
}

namespace renderyard::runtime {

// One line, without the newline.
std::string format_log_line(absl::Time time, base::Severity severity, std::string_view service, std::string_view event,
                            std::initializer_list<base::Field> fields);

// Appends `text` as a JSON string with its quotes.
void append_json_string(std::string& out, std::string_view text);

class JsonLog final : public base::Journal {
 public:
  // `level`: debug, info, warning, error; lesser events are not written.
  JsonLog(std::string service, std::string_view level);
  ~JsonLog() override;
  void record(base::Severity severity, std::string_view event, std::initializer_list<base::Field> fields) override;

 private:
  std::string service_;
  base::Severity level_;
  std::shared_ptr<spdlog::logger> logger_;
};

}  // namespace renderyard::runtime
