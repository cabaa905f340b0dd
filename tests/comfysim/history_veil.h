// Finished prompts that the history does not show yet.
#ifndef RENDERYARD_TESTS_COMFYSIM_HISTORY_VEIL_H_
#define RENDERYARD_TESTS_COMFYSIM_HISTORY_VEIL_H_

#include <chrono>
#include <map>
#include <mutex>
#include <string>

namespace comfysim {

// Thread-safe. Keeps an id no longer than it is hidden.
class HistoryVeil {
 public:
  using Clock = std::chrono::steady_clock;

  void hide(const std::string& prompt_id, std::chrono::milliseconds time) {
    const std::lock_guard lock(mutex_);
    hidden_[prompt_id] = Clock::now() + time;
  }

  bool hides(const std::string& prompt_id) {
    const std::lock_guard lock(mutex_);
    if (hidden_.empty()) return false;
    const auto now = Clock::now();
    std::erase_if(hidden_, [now](const auto& entry) { return entry.second <= now; });
    return hidden_.contains(prompt_id);
  }

 private:
  std::mutex mutex_;
  std::map<std::string, Clock::time_point> hidden_;
};

}  // namespace comfysim

#endif  // RENDERYARD_TESTS_COMFYSIM_HISTORY_VEIL_H_
