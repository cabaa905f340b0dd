// Nodes that save moving pictures.
#include <cmath>

#include "tests/comfysim/animation.h"
#include "tests/comfysim/nodes.h"

namespace comfysim {
namespace {

int frame_ms(const NodeInputs& in) {
  return static_cast<int>(1000.0 / in.number("fps"));
}

NodeOutput save(const NodeInputs& in, NodeHost& host, const std::string& ending, const std::string& bytes) {
  const Batch& images = in.linked<Batch>("images");
  json::array files;
  files.push_back(write_output(host, in.text("filename_prefix"), "output", ending, bytes, images.at(0)->width,
                               images.at(0)->height));
  NodeOutput out = images_out(images);
  out.ui = json::object{{"images", std::move(files)}};
  if (images.size() > 1 || !host.generation().animated_only_if_many) (*out.ui)["animated"] = json::array{true};
  return out;
}

NodeOutput save_webp(const NodeInputs& in, NodeHost& host) {
  WebpSettings settings;
  settings.lossless = in.flag("lossless");
  settings.quality = static_cast<int>(in.integer("quality"));
  const std::string method = in.text("method");
  settings.method = method == "fastest" ? 0 : method == "slowest" ? 6 : 4;
  return save(in, host, ".webp", encode_animated_webp(in.linked<Batch>("images"), frame_ms(in), settings));
}

NodeOutput save_png(const NodeInputs& in, NodeHost& host) {
  return save(in, host, ".png", encode_animated_png(in.linked<Batch>("images"), frame_ms(in), host.png_texts()));
}

}  // namespace

const NodeFunctions& animation_node_functions() {
  static const NodeFunctions kFunctions = {
      {"SaveAnimatedWEBP", save_webp},
      {"SaveAnimatedPNG", save_png},
  };
  return kFunctions;
}

}  // namespace comfysim
