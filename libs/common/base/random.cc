#include "libs/common/base/random.h"

#include <sys/random.h>

#include <cstdio>
#include <cstdlib>

namespace renderyard::base {

namespace {
__extension__ using Wide = unsigned __int128;
}  // namespace

std::uint64_t Random::below(std::uint64_t n) {
  // Multiply-shift (Lemire 2019) without the rejection step: the bias is below n / 2^64.
  return static_cast<std::uint64_t>((static_cast<Wide>(next()) * n) >> 64U);
}

double Random::unit() {
  return static_cast<double>(next() >> 11U) * 0x1.0p-53;
}

absl::Duration Random::jitter(absl::Duration limit) {
  return limit * unit();
}

std::string Random::uuid4() {
  const std::uint64_t hi = (next() & ~0xf000ULL) | 0x4000ULL;
  const std::uint64_t lo = (next() & ~(3ULL << 62U)) | (2ULL << 62U);
  char text[37];
  std::snprintf(text, sizeof text, "%08x-%04x-%04x-%04x-%012llx", static_cast<unsigned>(hi >> 32U),
                static_cast<unsigned>((hi >> 16U) & 0xffffU), static_cast<unsigned>(hi & 0xffffU),
                static_cast<unsigned>(lo >> 48U), static_cast<unsigned long long>(lo & 0xffffffffffffULL));
  return text;
}

std::uint64_t SplitMix::next() {
  std::uint64_t z = (state_ += 0x9e3779b97f4a7c15ULL);
  z = (z ^ (z >> 30U)) * 0xbf58476d1ce4e5b9ULL;
  z = (z ^ (z >> 27U)) * 0x94d049bb133111ebULL;
  return z ^ (z >> 31U);
}

std::uint64_t kernel_seed() {
  std::uint64_t seed = 0;
  if (getrandom(&seed, sizeof seed, 0) != static_cast<ssize_t>(sizeof seed))
    std::abort();  // the kernel never fails here
  return seed;
}

}  // namespace renderyard::base
