#include "libs/common/testing/sim/trace.h"

#include <cinttypes>
#include <cstdio>

namespace renderyard::testing::sim {

void Trace::mix_word(std::uint64_t word) {
  // One round of splitmix64's finisher over the running value: cheap, and order counts.
  std::uint64_t z = (hash_ ^ word) + 0x9e3779b97f4a7c15ULL;
  z = (z ^ (z >> 30U)) * 0xbf58476d1ce4e5b9ULL;
  z = (z ^ (z >> 27U)) * 0x94d049bb133111ebULL;
  hash_ = z ^ (z >> 31U);
}

void Trace::mix(absl::Time at, int process, std::uint64_t seq) {
  mix_word(static_cast<std::uint64_t>(absl::ToUnixNanos(at)));
  mix_word((static_cast<std::uint64_t>(process) << 48U) ^ seq);
}

void Trace::line(absl::Duration at, std::string_view who, std::string_view text) {
  if (!recording()) return;
  char head[64];
  std::snprintf(head, sizeof head, "t=%.4f ", absl::ToDoubleSeconds(at));
  std::string line(head);
  line.append(who).append(" ").append(text);
  lines_.push_back(std::move(line));
  if (lines_.size() > capacity_) lines_.pop_front();
}

}  // namespace renderyard::testing::sim
