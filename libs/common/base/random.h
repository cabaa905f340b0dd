// Random: the only source of randomness; production seeds it from the kernel, the simulation from the run's seed.
// Thread-safety: none, one per strand.
#pragma once

#include <absl/time/time.h>

#include <cstdint>
#include <string>

namespace renderyard::base {

class Random {
 public:
  virtual ~Random() = default;
  virtual std::uint64_t next() = 0;

  // Uniform in [0, n); n must be > 0.
  std::uint64_t below(std::uint64_t n);
  // Uniform in [0, 1).
  double unit();
  // True with probability p.
  bool chance(double p) { return unit() < p; }
  // Uniform in [0, limit): "full jitter".
  absl::Duration jitter(absl::Duration limit);
  // Canonical lowercase hyphenated UUID, version 4 (RFC 9562 §5.4).
  std::string uuid4();
};

// splitmix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014): the same on every platform.
class SplitMix final : public Random {
 public:
  explicit SplitMix(std::uint64_t seed) : state_(seed) {}
  std::uint64_t next() override;

 private:
  std::uint64_t state_;
};

// A seed from the kernel.
std::uint64_t kernel_seed();

}  // namespace renderyard::base
