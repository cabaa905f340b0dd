// Latents: empty ones, those of pictures, what is done to them, and back to pictures.
#include <algorithm>
#include <cmath>
#include <memory>

#include "tests/comfysim/nodes.h"

namespace comfysim {
namespace {

constexpr int kCell = 8;        // pixels of one latent element
constexpr int kLeastSize = 64;  // of LatentUpscale

int whole_cells(std::int64_t pixels) {
  return std::max(kCell, static_cast<int>(pixels / kCell * kCell));
}

NodeOutput empty_latent(const NodeInputs& in, NodeHost&) {
  Latent latent;
  latent.width = whole_cells(in.integer("width"));
  latent.height = whole_cells(in.integer("height"));
  latent.batch = static_cast<int>(in.integer("batch_size"));
  return value_out(std::move(latent));
}

// Cut to whole cells, as a VAE does.
Latent encode(const Batch& images) {
  Latent latent;
  latent.width = whole_cells(images.at(0)->width);
  latent.height = whole_cells(images.at(0)->height);
  latent.batch = static_cast<int>(images.size());
  for (const PicturePtr& image : images) {
    const bool whole = image->width == latent.width && image->height == latent.height;
    if (image->width < latent.width || image->height < latent.height) {
      throw NodeError("RuntimeError", "the picture is smaller than one cell of the latent");
    }
    latent.pixels.push_back(whole ? image
                                  : share(crop(*image, (image->width - latent.width) / 2,
                                               (image->height - latent.height) / 2, latent.width, latent.height)));
  }
  return latent;
}

NodeOutput vae_encode(const NodeInputs& in, NodeHost&) {
  return value_out(encode(in.linked<Batch>("pixels")));
}

// What is masked becomes grey and will be painted anew.
NodeOutput vae_encode_for_inpaint(const NodeInputs& in, NodeHost&) {
  Latent latent = encode(in.linked<Batch>("pixels"));
  const Mask mask = scale(*in.linked<MaskPtr>("mask"), latent.width, latent.height);
  Picture grey(latent.width, latent.height);
  std::fill(grey.rgb.begin(), grey.rgb.end(), std::uint8_t{127});
  for (PicturePtr& pixels : latent.pixels) pixels = share(blend(*pixels, grey, &mask, 1.0));
  latent.noise_mask = std::make_shared<const Mask>(grow(mask, static_cast<int>(in.integer("grow_mask_by"))));
  return value_out(std::move(latent));
}

NodeOutput set_noise_mask(const NodeInputs& in, NodeHost&) {
  Latent latent = in.linked<Latent>("samples");
  latent.noise_mask = in.linked<MaskPtr>("mask");
  return value_out(std::move(latent));
}

NodeOutput latent_upscale(const NodeInputs& in, NodeHost&) {
  Latent latent = in.linked<Latent>("samples");
  std::int64_t width = in.integer("width");
  std::int64_t height = in.integer("height");
  if (width == 0 && height == 0) return value_out(std::move(latent));
  if (width == 0) width = height * latent.width / latent.height;
  if (height == 0) height = width * latent.height / latent.width;
  latent.width = whole_cells(std::max<std::int64_t>(kLeastSize, width));
  latent.height = whole_cells(std::max<std::int64_t>(kLeastSize, height));
  return value_out(std::move(latent));
}

NodeOutput latent_upscale_by(const NodeInputs& in, NodeHost&) {
  Latent latent = in.linked<Latent>("samples");
  const double by = in.number("scale_by");
  const auto cells = [&](int pixels) { return std::max(1, static_cast<int>(std::lround(pixels * by / kCell))); };
  latent.width = cells(latent.width) * kCell;
  latent.height = cells(latent.height) * kCell;
  return value_out(std::move(latent));
}

NodeOutput latent_from_batch(const NodeInputs& in, NodeHost&) {
  Latent latent = in.linked<Latent>("samples");
  std::int64_t begin = in.integer("batch_index");
  if (begin < 0) begin += latent.batch;
  const auto first = static_cast<int>(std::clamp<std::int64_t>(begin, 0, latent.batch - 1));
  latent.batch = static_cast<int>(std::min<std::int64_t>(in.integer("length"), latent.batch - first));
  latent.first += first;
  if (latent.pixels.size() > 1) {
    latent.pixels = Batch(latent.pixels.begin() + first, latent.pixels.begin() + first + latent.batch);
  }
  return value_out(std::move(latent));
}

// Repeats pictures, so that those of one sampled latent are equal; noise for later passes differs.
NodeOutput repeat_latent_batch(const NodeInputs& in, NodeHost&) {
  Latent latent = in.linked<Latent>("samples");
  const std::int64_t amount = in.integer("amount");
  if (!latent.passes.empty()) {
    Batch rendered;
    for (int i = 0; i < latent.batch; ++i) rendered.push_back(share(render(latent, i, latent.width, latent.height)));
    latent.pixels = std::move(rendered);
    latent.passes.clear();
  }
  const Batch once = latent.pixels;
  for (std::int64_t i = 1; i < amount && once.size() > 0; ++i) {
    latent.pixels.insert(latent.pixels.end(), once.begin(), once.end());
  }
  latent.batch *= static_cast<int>(amount);
  return value_out(std::move(latent));
}

NodeOutput vae_decode(const NodeInputs& in, NodeHost&) {
  const auto& latent = in.linked<Latent>("samples");
  Batch images;
  for (int i = 0; i < latent.batch; ++i) images.push_back(share(render(latent, i, latent.width, latent.height)));
  return images_out(std::move(images));
}

}  // namespace

const NodeFunctions& latent_node_functions() {
  static const NodeFunctions kFunctions = {
      {"EmptyLatentImage", empty_latent},
      {"EmptySD3LatentImage", empty_latent},
      {"VAEEncode", vae_encode},
      {"VAEEncodeForInpaint", vae_encode_for_inpaint},
      {"SetLatentNoiseMask", set_noise_mask},
      {"LatentUpscale", latent_upscale},
      {"LatentUpscaleBy", latent_upscale_by},
      {"LatentFromBatch", latent_from_batch},
      {"RepeatLatentBatch", repeat_latent_batch},
      {"VAEDecode", vae_decode},
  };
  return kFunctions;
}

}  // namespace comfysim
