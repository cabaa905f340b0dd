// Nodes that make pictures of pictures.
#include <algorithm>
#include <cmath>

#include "tests/comfysim/digest.h"
#include "tests/comfysim/nodes.h"

namespace comfysim {
namespace {

constexpr int kTile = 512;  // pixels that an upscale model takes at once, with the overlap below
constexpr int kOverlap = 32;

template <class F>
Batch map_batch(const Batch& images, F&& change) {
  Batch out;
  for (const PicturePtr& image : images) out.push_back(share(change(*image)));
  return out;
}

NodeOutput empty_image(const NodeInputs& in, NodeHost&) {
  const std::int64_t colour = in.integer("color");
  Picture picture(static_cast<int>(in.integer("width")), static_cast<int>(in.integer("height")));
  for (std::size_t i = 0; i < picture.rgb.size(); ++i) {
    picture.rgb[i] = static_cast<std::uint8_t>((colour >> (16 - 8 * static_cast<int>(i % 3))) & 0xff);
  }
  return images_out(Batch(static_cast<std::size_t>(in.integer("batch_size")), share(std::move(picture))));
}

NodeOutput image_invert(const NodeInputs& in, NodeHost&) {
  return images_out(map_batch(in.linked<Batch>("image"), [](const Picture& source) {
    Picture out = source;
    for (std::uint8_t& value : out.rgb) value = static_cast<std::uint8_t>(255 - value);
    return out;
  }));
}

// The middle part of the aspect that the new size has.
Picture crop_to_aspect(const Picture& source, int width, int height) {
  const double wanted = static_cast<double>(width) / height;
  const double given = static_cast<double>(source.width) / source.height;
  int x = 0;
  int y = 0;
  if (given > wanted) x = static_cast<int>(std::round((source.width - source.width * (wanted / given)) / 2.0));
  if (given < wanted) y = static_cast<int>(std::round((source.height - source.height * (given / wanted)) / 2.0));
  return crop(source, x, y, source.width - 2 * x, source.height - 2 * y);
}

// All methods scale by nearest neighbour; width or height 0 keeps the aspect, both 0 keep the size.
NodeOutput image_scale(const NodeInputs& in, NodeHost&) {
  return images_out(map_batch(in.linked<Batch>("image"), [&](const Picture& source) {
    auto width = static_cast<int>(in.integer("width"));
    auto height = static_cast<int>(in.integer("height"));
    if (width == 0 && height == 0) return source;
    if (width == 0) width = std::max(1, source.width * height / source.height);
    if (height == 0) height = std::max(1, source.height * width / source.width);
    return scale(in.text("crop") == "center" ? crop_to_aspect(source, width, height) : source, width, height);
  }));
}

NodeOutput image_scale_by(const NodeInputs& in, NodeHost&) {
  const double by = in.number("scale_by");
  return images_out(map_batch(in.linked<Batch>("image"), [&](const Picture& source) {
    return scale(source, static_cast<int>(std::lround(source.width * by)),
                 static_cast<int>(std::lround(source.height * by)));
  }));
}

// The second batch is brought to the size of the first.
NodeOutput image_batch(const NodeInputs& in, NodeHost&) {
  Batch out = in.linked<Batch>("image1");
  const Picture first = *out.at(0);
  for (const PicturePtr& image : in.linked<Batch>("image2")) {
    const bool same = image->width == first.width && image->height == first.height;
    out.push_back(same ? image : share(scale(*image, first.width, first.height)));
  }
  return images_out(std::move(out));
}

NodeOutput repeat_image_batch(const NodeInputs& in, NodeHost&) {
  const Batch& images = in.linked<Batch>("image");
  Batch out;
  for (std::int64_t i = 0; i < in.integer("amount"); ++i) out.insert(out.end(), images.begin(), images.end());
  return images_out(std::move(out));
}

// "4x-UltraSharp.pth", "RealESRGAN_x2plus.pth": the factor stands beside an x; 4 when none does.
int factor_of(const std::string& model) {
  for (std::size_t i = 0; i + 1 < model.size(); ++i) {
    const bool after = model[i] == 'x' && model[i + 1] >= '1' && model[i + 1] <= '8';
    const bool before = model[i + 1] == 'x' && model[i] >= '1' && model[i] <= '8';
    if (after || before) return model[after ? i + 1 : i] - '0';
  }
  return 4;
}

std::int64_t tiles_of(const Picture& picture) {
  const auto along = [](int size) {
    return size <= kTile ? 1 : static_cast<std::int64_t>(std::ceil(double(size - kOverlap) / (kTile - kOverlap)));
  };
  return along(picture.width) * along(picture.height);
}

// Larger by the factor in the name of the model, with a grain that is the model's own.
NodeOutput upscale_with_model(const NodeInputs& in, NodeHost& host) {
  const std::string& model = in.linked<Loaded>("upscale_model").recipe;
  const Batch& images = in.linked<Batch>("image");
  const int factor = factor_of(model);
  const std::int64_t tiles = tiles_of(*images.at(0));
  const std::int64_t steps = tiles * static_cast<std::int64_t>(images.size());
  std::int64_t step = 0;
  Batch out;
  for (const PicturePtr& image : images) {
    Picture large = scale(*image, image->width * factor, image->height * factor);
    Random grain(hash64(model));
    for (std::uint8_t& value : large.rgb) {
      value = static_cast<std::uint8_t>(
          std::clamp(static_cast<int>(value) + static_cast<int>(grain.next() % 5) - 2, 0, 255));
    }
    out.push_back(share(std::move(large)));
    for (std::int64_t tile = 0; tile < tiles; ++tile) {
      host.sleep(static_cast<double>(host.step_ms()) / 1000.0);
      host.progress(++step, steps, std::nullopt);
    }
  }
  return images_out(std::move(out));
}

}  // namespace

const NodeFunctions& image_node_functions() {
  static const NodeFunctions kFunctions = {
      {"EmptyImage", empty_image},
      {"ImageInvert", image_invert},
      {"ImageScale", image_scale},
      {"ImageScaleBy", image_scale_by},
      {"ImageBatch", image_batch},
      {"RepeatImageBatch", repeat_image_batch},
      {"ImageUpscaleWithModel", upscale_with_model},
  };
  return kFunctions;
}

}  // namespace comfysim
