#include "tests/comfysim/nodes.h"

#include <algorithm>
#include <array>
#include <memory>
#include <stdexcept>
#include <utility>

#include "tests/comfysim/digest.h"
#include "tests/comfysim/file_prefix.h"

namespace comfysim {
namespace {

constexpr int kPreviewSize = 512;  // previews are scaled to it, up too

}  // namespace

std::string encode_preview(const Preview& preview) {
  constexpr int kJpegQuality = 95;
  if (preview.file != nullptr) return *preview.file;
  return preview.png ? encode_png(preview.picture) : encode_jpeg(preview.picture, kJpegQuality);
}

NodeFunction node_function(std::string_view class_type) {
  for (const NodeFunctions* functions :
       {&image_node_functions(), &file_node_functions(), &loader_node_functions(), &latent_node_functions(),
        &sampling_node_functions(), &animation_node_functions(), &audio_node_functions(), &test_node_functions()}) {
    if (const auto found = functions->find(class_type); found != functions->end()) return found->second;
  }
  throw std::out_of_range("no node " + std::string(class_type));
}

Picture to_preview(const Picture& picture) {
  const int longest = std::max(picture.width, picture.height);
  return scale(picture, std::max(1, picture.width * kPreviewSize / longest),
               std::max(1, picture.height * kPreviewSize / longest));
}

PicturePtr share(Picture picture) {
  return std::make_shared<const Picture>(std::move(picture));
}

NodeOutput images_out(Batch images) {
  return value_out(std::move(images));
}

std::string read_input(const std::string& name, NodeHost& host) {
  std::optional<std::string> bytes = read_file(host.files().annotated(name, "input"));
  if (!bytes) throw NodeError("FileNotFoundError", "[Errno 2] No such file or directory: '" + name + "'");
  return std::move(*bytes);
}

json::object write_output(NodeHost& host, const std::string& prefix, const std::string& type, const std::string& ending,
                          const std::string& bytes, int width, int height) {
  const std::optional<FileName> name = host.files().next_name(fill_prefix(prefix, width, height), type, ending);
  if (!name) throw NodeError("Exception", "**** ERROR: Saving image outside the output folder is not allowed.");
  write_file(host.files().path_of(*name), bytes);
  host.wrote(*name, bytes);
  return name->to_json();
}

std::string temporary_prefix() {
  static const std::string kPrefix = [] {
    Random random(hash64(make_uuid()));
    std::string letters = "ComfyUI_temp_";
    for (int i = 0; i < 5; ++i) letters += static_cast<char>('a' + random.next() % 26);
    return letters;
  }();
  return kPrefix;
}

}  // namespace comfysim
