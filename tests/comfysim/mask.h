// Masks: where a picture is to be changed.
#ifndef RENDERYARD_TESTS_COMFYSIM_MASK_H_
#define RENDERYARD_TESTS_COMFYSIM_MASK_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "tests/comfysim/image.h"

namespace comfysim {

// 255 is "change all of it", rows from the top.
struct Mask {
  int width = 0;
  int height = 0;
  std::vector<std::uint8_t> values;

  Mask(int w, int h) : width(w), height(h), values(static_cast<std::size_t>(w) * static_cast<std::size_t>(h)) {}
  std::uint8_t at(int x, int y) const {
    return values[static_cast<std::size_t>(y) * static_cast<std::size_t>(width) + static_cast<std::size_t>(x)];
  }
};

// Shared and never changed.
using MaskPtr = std::shared_ptr<const Mask>;

// The mask LoadImage gives: transparent is masked; 64 x 64 and empty for an opaque picture.
Mask mask_of_alpha(const Picture& picture);

// Channel 0 to 2 (red, green, blue) as a mask.
Mask mask_of_channel(const Picture& picture, int channel);

// Nearest-neighbour scaling.
Mask scale(const Mask& mask, int width, int height);

// Grown by `by` pixels in all directions.
Mask grow(const Mask& mask, int by);

// `over` upon `under` where the mask is, as strongly as it says times `strength` (0..1). All are of one size; a null
// mask covers all.
Picture blend(const Picture& under, const Picture& over, const Mask* mask, double strength);

}  // namespace comfysim

#endif  // RENDERYARD_TESTS_COMFYSIM_MASK_H_
