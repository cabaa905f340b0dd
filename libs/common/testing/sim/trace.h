// Trace: what a simulated run did, as a running hash (always) and as readable lines (only while recording, because
// formatting costs more than the steps themselves; a failing seed is simply run again with recording on).
// Nothing in here influences the run.
#pragma once

#include <absl/time/time.h>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>

namespace renderyard::testing::sim {

class Trace {
 public:
  // Keeps the last `lines` lines; 0 = the hash alone.
  void record(std::size_t lines) { capacity_ = lines; }
  bool recording() const { return capacity_ > 0; }

  // One step of the schedule. Order matters.
  void mix(absl::Time at, int process, std::uint64_t seq);
  std::uint64_t hash() const { return hash_; }

  // "t=12.345 bridge#2 text", time since the start of the world.
  void line(absl::Duration at, std::string_view who, std::string_view text);
  const std::deque<std::string>& lines() const { return lines_; }

 private:
  void mix_word(std::uint64_t word);

  std::uint64_t hash_ = 0xcbf29ce484222325ULL;
  std::size_t capacity_ = 0;
  std::deque<std::string> lines_;
};

}  // namespace renderyard::testing::sim
