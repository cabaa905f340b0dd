// Follows jobs until all of them are final: reads the gateway's live feed, reconnects with its position when it drops,
// and shows what happens. Blocking; one thread.
#pragma once

#include <absl/status/status.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace renderyard::cli {

struct WatchedJob {
  std::string status = "pending";
  int percent = 0;
  std::string node;   // what runs now: title, class and id as far as they are known
  std::string error;  // "code: message" of a failed job
  std::string waiting_reason;
  int shown_percent = -1;  // of the last plain line

  bool final() const { return status == "completed" || status == "failed" || status == "cancelled"; }
};

using WatchedJobs = std::map<std::int64_t, WatchedJob>;

// One message of the feed applied to what is known; pure. Messages of other jobs are ignored.
struct FeedStep {
  std::vector<std::int64_t> changed;
  std::optional<std::string> position;  // where to go on after a drop
  std::string error_code;               // the feed ends with it
  std::string error_detail;
};
FeedStep apply_message(std::string_view text, WatchedJobs& jobs);

// Draws the jobs on standard output: bars that are redrawn on a terminal, a line per change elsewhere.
class WatchView {
 public:
  // quiet: nothing is drawn.
  enum class Style { kBars, kLines, kQuiet };
  explicit WatchView(Style style) : style_(style) {}
  void show(WatchedJobs& jobs, const std::vector<std::int64_t>& changed);
  void finish(const WatchedJobs& jobs);

 private:
  void draw(const WatchedJobs& jobs);
  Style style_;
  int drawn_lines_ = 0;
};

// Until every job is final. Errors: the gateway cannot be reached for 5 minutes on end, or refuses.
absl::Status watch(const std::string& gateway, const std::string& token, WatchedJobs& jobs, WatchView& view);

}  // namespace renderyard::cli
