#include "tests/comfysim/nodes.h"

#include <algorithm>
#include <functional>
#include <memory>
#include <stdexcept>
#include <utility>
#include <vector>

#include "tests/comfysim/digest.h"

namespace comfysim {
namespace {

constexpr int kPreviewSize = 512;   // previews are scaled to it, up too
constexpr int kPreviewDetail = 96;  // ... after having been painted at this size
constexpr int kStandInSize = 512;

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

// All methods scale by nearest neighbour; width or height 0 keeps the aspect, both 0 keep the size. `crop` is not
// looked at.
NodeOutput image_scale(const NodeInputs& in, NodeHost&) {
  return images_out(map_batch(in.linked<Batch>("image"), [&](const Picture& source) {
    auto width = static_cast<int>(in.integer("width"));
    auto height = static_cast<int>(in.integer("height"));
    if (width == 0 && height == 0) return source;
    if (width == 0) width = std::max(1, source.width * height / source.height);
    if (height == 0) height = std::max(1, source.height * width / source.width);
    return scale(source, width, height);
  }));
}

NodeOutput load_image(const NodeInputs& in, NodeHost& host) {
  const std::string name = in.text("image");
  const std::optional<std::string> bytes = read_file(host.files().annotated(name, "input"));
  if (!bytes) throw NodeError("FileNotFoundError", "[Errno 2] No such file or directory: '" + name + "'");
  std::optional<Picture> picture = decode_image(*bytes);
  if (!picture && bytes->starts_with("RIFF")) {
    // WebP is not decoded; something that depends on the file stands for it.
    picture = paint(Scene{hash64(*bytes), name, "", ""}, kStandInSize, kStandInSize, 0);
  }
  if (!picture) throw NodeError("PIL.UnidentifiedImageError", "cannot identify image file '" + name + "'");
  NodeOutput out = images_out({share(std::move(*picture))});
  out.values.emplace_back();  // MASK: nothing takes it
  return out;
}

NodeOutput write_images(const NodeInputs& in, NodeHost& host, const std::string& prefix, const std::string& type) {
  json::array images;
  for (const PicturePtr& picture : in.linked<Batch>("images")) {
    const std::optional<FileName> name = host.files().next_name(prefix, type);
    if (!name) throw NodeError("Exception", "**** ERROR: Saving image outside the output folder is not allowed.");
    const std::string bytes = encode_png(*picture, host.png_texts());
    write_file(host.files().path_of(*name), bytes);
    host.wrote(*name, bytes);
    images.push_back(name->to_json());
  }
  NodeOutput out = images_out(in.linked<Batch>("images"));
  out.ui = json::object{{"images", std::move(images)}};
  return out;
}

NodeOutput save_image(const NodeInputs& in, NodeHost& host) {
  return write_images(in, host, in.text("filename_prefix"), "output");
}

NodeOutput preview_image(const NodeInputs& in, NodeHost& host) {
  static const std::string kPrefix = [] {
    Random random(hash64(make_uuid()));
    std::string letters = "ComfyUI_temp_";
    for (int i = 0; i < 5; ++i) letters += static_cast<char>('a' + random.next() % 26);
    return letters;
  }();
  return write_images(in, host, kPrefix, "temp");
}

NodeOutput checkpoint_loader(const NodeInputs& in, NodeHost&) {
  NodeOutput out;
  out.values.assign(3, Loaded{in.text("ckpt_name")});
  return out;
}

NodeOutput text_encode(const NodeInputs& in, NodeHost&) {
  NodeOutput out;
  out.values.emplace_back(Conditioning{in.text("text")});
  return out;
}

NodeOutput empty_latent(const NodeInputs& in, NodeHost&) {
  NodeOutput out;
  out.values.emplace_back(Latent{static_cast<int>(in.integer("width")), static_cast<int>(in.integer("height")),
                                 static_cast<int>(in.integer("batch_size")), std::nullopt});
  return out;
}

NodeOutput k_sampler(const NodeInputs& in, NodeHost& host) {
  Latent latent = in.linked<Latent>("latent_image");
  std::string settings = in.linked<Loaded>("model").file;
  for (const char* name : {"steps", "cfg", "sampler_name", "scheduler", "denoise"}) settings += '|' + in.text(name);
  if (latent.scene) settings += '|' + std::to_string(latent.scene->seed) + latent.scene->positive;
  latent.scene = Scene{in.seed("seed"), in.linked<Conditioning>("positive").text,
                       in.linked<Conditioning>("negative").text, settings};
  const std::int64_t steps = in.integer("steps");
  const int longest = std::max(latent.width, latent.height);
  const int small_width = std::max(1, latent.width * kPreviewDetail / longest);
  const int small_height = std::max(1, latent.height * kPreviewDetail / longest);
  for (std::int64_t step = 1; step <= steps; ++step) {
    host.sleep(static_cast<double>(host.step_ms()) / 1000.0);
    std::optional<Preview> preview;
    if (host.sampler_previews()) {
      const double clarity = static_cast<double>(step) / static_cast<double>(steps);
      preview = Preview{to_preview(paint(*latent.scene, small_width, small_height, 0, clarity))};
    }
    host.progress(step, steps, preview);
  }
  NodeOutput out;
  out.values.emplace_back(std::move(latent));
  return out;
}

NodeOutput vae_decode(const NodeInputs& in, NodeHost&) {
  const auto& latent = in.linked<Latent>("samples");
  Batch images;
  for (int i = 0; i < latent.batch; ++i) {
    Picture picture(latent.width, latent.height);
    std::fill(picture.rgb.begin(), picture.rgb.end(), std::uint8_t{127});
    images.push_back(share(latent.scene ? paint(*latent.scene, latent.width, latent.height, i) : std::move(picture)));
  }
  return images_out(std::move(images));
}

const NodeFunctions& core_node_functions() {
  static const NodeFunctions kFunctions = {
      {"EmptyImage", empty_image},
      {"ImageInvert", image_invert},
      {"ImageScale", image_scale},
      {"LoadImage", load_image},
      {"SaveImage", save_image},
      {"PreviewImage", preview_image},
      {"CheckpointLoaderSimple", checkpoint_loader},
      {"CLIPTextEncode", text_encode},
      {"EmptyLatentImage", empty_latent},
      {"KSampler", k_sampler},
      {"VAEDecode", vae_decode},
  };
  return kFunctions;
}

}  // namespace

PicturePtr share(Picture picture) {
  return std::make_shared<const Picture>(std::move(picture));
}

NodeOutput images_out(Batch images) {
  NodeOutput out;
  out.values.emplace_back(std::move(images));
  return out;
}

Picture to_preview(const Picture& picture) {
  const int longest = std::max(picture.width, picture.height);
  return scale(picture, std::max(1, picture.width * kPreviewSize / longest),
               std::max(1, picture.height * kPreviewSize / longest));
}

NodeFunction node_function(std::string_view class_type) {
  if (const auto core = core_node_functions().find(class_type); core != core_node_functions().end()) {
    return core->second;
  }
  const auto test = test_node_functions().find(class_type);
  if (test == test_node_functions().end()) throw std::out_of_range("no node " + std::string(class_type));
  return test->second;
}

}  // namespace comfysim
