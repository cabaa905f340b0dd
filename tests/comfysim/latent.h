// What samplers work on. Nothing is computed until a VAE decodes it.
#ifndef RENDERYARD_TESTS_COMFYSIM_LATENT_H_
#define RENDERYARD_TESTS_COMFYSIM_LATENT_H_

#include <vector>

#include "tests/comfysim/image.h"
#include "tests/comfysim/mask.h"
#include "tests/comfysim/paint.h"

namespace comfysim {

// One pass of a sampler: its painting goes upon what was there.
struct Pass {
  Scene scene;
  double strength = 1.0;  // denoise: 1 leaves nothing of what was there
  MaskPtr mask;           // of any size; null: everywhere
};

// Sizes in pixels, multiples of 8.
struct Latent {
  int width = 0;
  int height = 0;
  int batch = 1;
  Batch pixels;  // encoded pictures, one for each of the batch or one for all; none: empty
  std::vector<Pass> passes;
  MaskPtr noise_mask;  // for the passes to come
  int first = 0;       // number of the first one: a part of a batch keeps its pictures
  double seconds = 0;  // of sound; 0: pictures
};

// Picture number `index` of the batch. `clarity` as in paint(), for the last pass.
Picture render(const Latent& latent, int index, int width, int height, double clarity = 1.0);

// The scenes and all else that a sound is made of, as one text.
std::string recipe_of(const Latent& latent);

}  // namespace comfysim

#endif  // RENDERYARD_TESTS_COMFYSIM_LATENT_H_
