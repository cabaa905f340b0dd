#include "libs/common/runtime/kernel_random.h"

#include <sys/random.h>

#include <cstdlib>

namespace renderyard::runtime {

std::uint64_t KernelRandom::next() {
  if (used_ == block_.size()) {
    // 256 bytes are never cut short or interrupted (getrandom(2)).
    if (getrandom(block_.data(), sizeof block_, 0) != static_cast<ssize_t>(sizeof block_)) std::abort();
    used_ = 0;
  }
  return block_[used_++];
}

}  // namespace renderyard::runtime
