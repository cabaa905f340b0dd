// Nodes that make, read and write sound.
#include <memory>

#include "tests/comfysim/digest.h"
#include "tests/comfysim/nodes.h"

namespace comfysim {
namespace {

NodeOutput empty_latent(const NodeInputs& in, NodeHost&) {
  Latent latent;
  latent.seconds = in.number("seconds");
  latent.batch = in.has("batch_size") ? static_cast<int>(in.integer("batch_size")) : 1;
  return value_out(std::move(latent));
}

NodeOutput vae_decode(const NodeInputs& in, NodeHost&) {
  const auto& latent = in.linked<Latent>("samples");
  const std::string recipe = recipe_of(latent);
  AudioBatch out;
  for (int i = 0; i < latent.batch; ++i) {
    const std::uint64_t seed = hash64(recipe + std::to_string(latent.first + i));
    out.push_back(std::make_shared<const Audio>(play_tune(seed, latent.seconds)));
  }
  return value_out(std::move(out));
}

NodeOutput load_audio(const NodeInputs& in, NodeHost& host) {
  const std::string name = in.text("audio");
  std::optional<Audio> audio = decode_flac(read_input(name, host));
  if (!audio) throw NodeError("av.error.InvalidDataError", "[Errno 1094995529] Invalid data found: '" + name + "'");
  return value_out(AudioBatch{std::make_shared<const Audio>(std::move(*audio))});
}

NodeOutput write_sounds(const NodeInputs& in, NodeHost& host, const std::string& prefix, const std::string& type) {
  json::array files;
  for (const auto& audio : in.linked<AudioBatch>("audio")) {
    files.push_back(write_output(host, prefix, type, ".flac", encode_flac(*audio, host.png_texts())));
  }
  NodeOutput out = value_out(in.linked<AudioBatch>("audio"));
  out.ui = json::object{{"audio", std::move(files)}};
  return out;
}

NodeOutput save_audio(const NodeInputs& in, NodeHost& host) {
  return write_sounds(in, host, in.text("filename_prefix"), "output");
}

NodeOutput preview_audio(const NodeInputs& in, NodeHost& host) {
  return write_sounds(in, host, temporary_prefix(), "temp");
}

}  // namespace

const NodeFunctions& audio_node_functions() {
  static const NodeFunctions kFunctions = {
      {"EmptyLatentAudio", empty_latent}, {"VAEDecodeAudio", vae_decode},  {"LoadAudio", load_audio},
      {"SaveAudio", save_audio},          {"PreviewAudio", preview_audio},
  };
  return kFunctions;
}

}  // namespace comfysim
