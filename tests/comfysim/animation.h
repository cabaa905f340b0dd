// Moving pictures: animated WebP and animated PNG.
#ifndef RENDERYARD_TESTS_COMFYSIM_ANIMATION_H_
#define RENDERYARD_TESTS_COMFYSIM_ANIMATION_H_

#include <string>

#include "tests/comfysim/image.h"

namespace comfysim {

struct WebpSettings {
  bool lossless = true;
  int quality = 80;  // 0..100
  int method = 4;    // 0 (fast) .. 6 (small)
};

// All frames are of one size, and there is at least one; each is shown for `frame_ms`. Both repeat for ever and throw
// std::runtime_error when the library refuses. The texts of a PNG go where SaveAnimatedPNG puts them: into chunks of
// type comf after the pixels.
std::string encode_animated_webp(const Batch& frames, int frame_ms, const WebpSettings& settings);
std::string encode_animated_png(const Batch& frames, int frame_ms, const PngTexts& texts);

}  // namespace comfysim

#endif  // RENDERYARD_TESTS_COMFYSIM_ANIMATION_H_
