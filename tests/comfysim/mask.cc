#include "tests/comfysim/mask.h"

#include <algorithm>
#include <cmath>

namespace comfysim {
namespace {

constexpr int kEmptySize = 64;

std::size_t index(const Mask& mask, int x, int y) {
  return static_cast<std::size_t>(y) * static_cast<std::size_t>(mask.width) + static_cast<std::size_t>(x);
}

// The highest value within `by` pixels along one axis.
Mask grow_along(const Mask& mask, int by, bool across) {
  Mask out(mask.width, mask.height);
  for (int y = 0; y < mask.height; ++y) {
    for (int x = 0; x < mask.width; ++x) {
      const int place = across ? x : y;
      const int last = std::min(place + by, (across ? mask.width : mask.height) - 1);
      std::uint8_t highest = 0;
      for (int i = std::max(0, place - by); i <= last; ++i) {
        highest = std::max(highest, across ? mask.at(i, y) : mask.at(x, i));
      }
      out.values[index(out, x, y)] = highest;
    }
  }
  return out;
}

}  // namespace

Mask mask_of_alpha(const Picture& picture) {
  if (picture.alpha.empty()) return Mask(kEmptySize, kEmptySize);
  Mask out(picture.width, picture.height);
  std::transform(picture.alpha.begin(), picture.alpha.end(), out.values.begin(),
                 [](std::uint8_t value) { return static_cast<std::uint8_t>(255 - value); });
  return out;
}

Mask mask_of_channel(const Picture& picture, int channel) {
  Mask out(picture.width, picture.height);
  for (std::size_t i = 0; i < out.values.size(); ++i) {
    out.values[i] = picture.rgb[i * 3 + static_cast<std::size_t>(channel)];
  }
  return out;
}

Mask scale(const Mask& mask, int width, int height) {
  Mask out(width, height);
  for (int y = 0; y < height; ++y) {
    const int from_y = static_cast<int>(static_cast<std::int64_t>(y) * mask.height / height);
    for (int x = 0; x < width; ++x) {
      const int from_x = static_cast<int>(static_cast<std::int64_t>(x) * mask.width / width);
      out.values[index(out, x, y)] = mask.at(from_x, from_y);
    }
  }
  return out;
}

Mask grow(const Mask& mask, int by) {
  return by <= 0 ? mask : grow_along(grow_along(mask, by, true), by, false);
}

Picture blend(const Picture& under, const Picture& over, const Mask* mask, double strength) {
  Picture out = under;
  for (std::size_t i = 0; i < out.rgb.size(); ++i) {
    const double share = strength * (mask == nullptr ? 1.0 : mask->values[i / 3] / 255.0);
    out.rgb[i] = static_cast<std::uint8_t>(std::lround(under.rgb[i] + (over.rgb[i] - under.rgb[i]) * share));
  }
  return out;
}

}  // namespace comfysim
