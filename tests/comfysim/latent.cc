#include "tests/comfysim/latent.h"

#include <algorithm>

namespace comfysim {
namespace {

constexpr std::uint8_t kGrey = 127;  // an empty latent decodes to about that

// The last pass that leaves nothing of those before it.
std::size_t first_visible(const Latent& latent) {
  std::size_t first = latent.passes.size();
  while (first > 0) {
    --first;
    if (latent.passes[first].strength >= 1.0 && latent.passes[first].mask == nullptr) break;
  }
  return first;
}

Picture ground(const Latent& latent, std::size_t index, int width, int height) {
  if (!latent.pixels.empty()) return scale(*latent.pixels[std::min(index, latent.pixels.size() - 1)], width, height);
  Picture out(width, height);
  std::fill(out.rgb.begin(), out.rgb.end(), kGrey);
  return out;
}

}  // namespace

Picture render(const Latent& latent, int index, int width, int height, double clarity) {
  const std::size_t begin = first_visible(latent);
  Picture out = ground(latent, static_cast<std::size_t>(index), width, height);
  for (std::size_t i = begin; i < latent.passes.size(); ++i) {
    const Pass& pass = latent.passes[i];
    const bool last = i + 1 == latent.passes.size();
    const Picture painting = paint(pass.scene, width, height, latent.first + index, last ? clarity : 1.0);
    if (pass.mask == nullptr) {
      out = pass.strength >= 1.0 ? painting : blend(out, painting, nullptr, pass.strength);
    } else {
      const Mask mask = scale(*pass.mask, width, height);
      out = blend(out, painting, &mask, pass.strength);
    }
  }
  return out;
}

std::string recipe_of(const Latent& latent) {
  std::string out;
  for (const Pass& pass : latent.passes) {
    out += std::to_string(pass.scene.seed) + '\n' + pass.scene.positive + '\n' + pass.scene.negative + '\n' +
           pass.scene.settings + '\n';
  }
  return out;
}

}  // namespace comfysim
