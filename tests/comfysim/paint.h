// The stand-in for a diffusion model: a landscape that depends on seed and prompt.
#ifndef RENDERYARD_TESTS_COMFYSIM_PAINT_H_
#define RENDERYARD_TESTS_COMFYSIM_PAINT_H_

#include <cstdint>
#include <string>

#include "tests/comfysim/image.h"

namespace comfysim {

// What a picture is painted from; equal scenes give equal pixels on one machine.
struct Scene {
  std::uint64_t seed = 0;  // of the sampler
  std::string positive;    // prompt texts
  std::string negative;
  std::string settings;  // whatever else shall make a difference: steps, cfg, sampler, checkpoint
};

// Paints picture number `index` of the batch. `clarity` 0..1 is how far the sampler has come: 1 is the finished
// picture, less shows it through noise.
Picture paint(const Scene& scene, int width, int height, int index, double clarity = 1.0);

}  // namespace comfysim

#endif  // RENDERYARD_TESTS_COMFYSIM_PAINT_H_
