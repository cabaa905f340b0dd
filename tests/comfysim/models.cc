#include "tests/comfysim/models.h"

#include <algorithm>
#include <stdexcept>
#include <string>

namespace comfysim {
namespace {

using Files = std::vector<std::string>;

// folder_paths.folder_names_and_paths of 0.3.64. The recorded GET /models, shortened by the recorder, was as long as
// this.
std::vector<std::pair<std::string, Files>> well_known() {
  return {{"checkpoints",
           {"sd_xl_base_1.0.safetensors", "v1-5-pruned-emaonly-fp16.safetensors", "v1-5-pruned-emaonly.safetensors"}},
          {"configs", {}},
          {"loras", {"lcm-lora-sdv1-5.safetensors", "sd_xl_offset_example-lora_1.0.safetensors"}},
          {"vae", {"ae.safetensors", "vae-ft-mse-840000-ema-pruned.safetensors"}},
          {"text_encoders", {"clip_l.safetensors", "t5xxl_fp16.safetensors"}},
          {"diffusion_models", {"flux1-dev.safetensors", "flux1-schnell.safetensors"}},
          {"clip_vision", {}},
          {"style_models", {}},
          {"embeddings", {}},
          {"diffusers", {}},
          {"vae_approx", {}},
          {"controlnet", {"control_v11f1p_sd15_depth.safetensors", "control_v11p_sd15_canny.safetensors"}},
          {"gligen", {}},
          {"upscale_models", {"4x-UltraSharp.pth", "RealESRGAN_x2plus.pth"}},
          {"custom_nodes", {}},
          {"hypernetworks", {}},
          {"photomaker", {}},
          {"classifiers", {}},
          {"model_patches", {}},
          {"audio_encoders", {}}};
}

std::string_view newer_name(std::string_view folder) {
  if (folder == "clip") return "text_encoders";
  return folder == "unet" ? "diffusion_models" : folder;
}

Files split(std::string_view list) {
  Files out;
  while (!list.empty()) {
    const std::string_view file = list.substr(0, list.find(','));
    list.remove_prefix(std::min(list.size(), file.size() + 1));
    if (!file.empty()) out.emplace_back(file);
  }
  std::sort(out.begin(), out.end());
  return out;
}

}  // namespace

Models::Models(const Generation& generation, const std::vector<std::string>& more) : folders_(well_known()) {
  if (generation.newer_folders) {
    const auto place =
        std::find_if(folders_.begin(), folders_.end(), [](const auto& known) { return known.first == "custom_nodes"; });
    const auto custom_nodes = folders_.insert(place, {"latent_upscale_models", {}}) + 1;
    folders_.insert(custom_nodes + 1, {"datasets", {}});
    for (const char* folder :
         {"background_removal", "frame_interpolation", "geometry_estimation", "optical_flow", "detection"}) {
      folders_.emplace_back(folder, Files());
    }
  }
  for (const std::string& list : more) {
    const std::size_t equals = list.find('=');
    const std::string_view folder = newer_name(std::string_view(list).substr(0, equals));
    const auto found =
        std::find_if(folders_.begin(), folders_.end(), [&](const auto& known) { return known.first == folder; });
    if (equals == std::string::npos || found == folders_.end()) {
      throw std::invalid_argument("models: must be FOLDER=FILE,FILE with a known folder, not " + list);
    }
    found->second = split(std::string_view(list).substr(equals + 1));
  }
}

std::vector<std::string> Models::folders() const {
  std::vector<std::string> out;
  for (const auto& [folder, files] : folders_) out.push_back(folder);
  return out;
}

const std::vector<std::string>* Models::files(std::string_view folder) const {
  const std::string_view name = newer_name(folder);
  for (const auto& [known, files] : folders_) {
    if (known == name) return &files;
  }
  return nullptr;
}

}  // namespace comfysim
