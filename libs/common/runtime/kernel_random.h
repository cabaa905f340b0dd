// The production Random: bytes of the kernel's generator, drawn in blocks. Good enough for ids that nobody may guess.
// Thread-safety: none, one per strand.
#pragma once

#include <array>
#include <cstddef>

#include "libs/common/base/random.h"

namespace renderyard::runtime {

class KernelRandom final : public base::Random {
 public:
  std::uint64_t next() override;

 private:
  std::array<std::uint64_t, 32> block_{};
  std::size_t used_ = block_.size();
};

}  // namespace renderyard::runtime
