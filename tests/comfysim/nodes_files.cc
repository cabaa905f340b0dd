// Nodes that read and write pictures.
#include <memory>

#include "tests/comfysim/nodes.h"

namespace comfysim {
namespace {

Picture read_picture(const std::string& name, NodeHost& host) {
  std::optional<Picture> picture = decode_image(read_input(name, host));
  if (!picture) throw NodeError("PIL.UnidentifiedImageError", "cannot identify image file '" + name + "'");
  return std::move(*picture);
}

MaskPtr share_mask(Mask mask) {
  return std::make_shared<const Mask>(std::move(mask));
}

NodeOutput load_image(const NodeInputs& in, NodeHost& host) {
  Picture picture = read_picture(in.text("image"), host);
  MaskPtr mask = share_mask(mask_of_alpha(picture));
  picture.alpha.clear();
  NodeOutput out = images_out({share(std::move(picture))});
  out.values.emplace_back(std::move(mask));
  return out;
}

NodeOutput load_image_mask(const NodeInputs& in, NodeHost& host) {
  const Picture picture = read_picture(in.text("image"), host);
  const std::string channel = in.text("channel");
  if (channel == "alpha") return value_out(share_mask(mask_of_alpha(picture)));
  return value_out(share_mask(mask_of_channel(picture, channel == "red" ? 0 : channel == "green" ? 1 : 2)));
}

NodeOutput write_images(const NodeInputs& in, NodeHost& host, const std::string& prefix, const std::string& type) {
  json::array images;
  for (const PicturePtr& picture : in.linked<Batch>("images")) {
    images.push_back(write_output(host, prefix, type, ".png", encode_png(*picture, host.png_texts()), picture->width,
                                  picture->height));
  }
  NodeOutput out = images_out(in.linked<Batch>("images"));
  out.ui = json::object{{"images", std::move(images)}};
  return out;
}

NodeOutput save_image(const NodeInputs& in, NodeHost& host) {
  return write_images(in, host, in.text("filename_prefix"), "output");
}

NodeOutput preview_image(const NodeInputs& in, NodeHost& host) {
  return write_images(in, host, temporary_prefix(), "temp");
}

// The pictures go out as previews of their full size and nowhere else.
NodeOutput save_to_socket(const NodeInputs& in, NodeHost& host) {
  const Batch& images = in.linked<Batch>("images");
  for (std::size_t i = 0; i < images.size(); ++i) {
    host.progress(static_cast<std::int64_t>(i), static_cast<std::int64_t>(images.size()), Preview{*images[i], true});
  }
  return {};
}

}  // namespace

const NodeFunctions& file_node_functions() {
  static const NodeFunctions kFunctions = {
      {"LoadImage", load_image},       {"LoadImageMask", load_image_mask},     {"SaveImage", save_image},
      {"PreviewImage", preview_image}, {"SaveImageWebsocket", save_to_socket},
  };
  return kFunctions;
}

}  // namespace comfysim
