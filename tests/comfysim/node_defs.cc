#include "tests/comfysim/node_defs.h"

#include <stdexcept>

namespace comfysim {
namespace {

// In the form of GET /object_info, recorded from 0.33.0 (long tooltips and most models left out); SimSlow is our own,
// the Bridge nodes are those of the recordings.
constexpr const char* kDefinitions = R"json({"KSampler": {"input": {"required": {"model": ["MODEL",
{"tooltip": "The model used for denoising the input latent."}], "seed": ["INT", {"default": 0, "min": 0,
"max": 18446744073709551615, "control_after_generate": true,
"tooltip": "The random seed used for creating the noise."}], "steps": ["INT", {"default": 20, "min": 1,
"max": 10000, "tooltip": "The number of steps used in the denoising process."}], "cfg": ["FLOAT",
{"default": 8.0, "min": 0.0, "max": 100.0, "step": 0.1, "round": 0.01}], "sampler_name": [["euler",
"euler_cfg_pp", "euler_ancestral", "euler_ancestral_cfg_pp", "heun", "heunpp2", "exp_heun_2_x0",
"exp_heun_2_x0_sde", "dpm_2", "dpm_2_ancestral", "lms", "dpm_fast", "dpm_adaptive", "dpmpp_2s_ancestral",
"dpmpp_2s_ancestral_cfg_pp", "dpmpp_sde", "dpmpp_sde_gpu", "dpmpp_2m", "dpmpp_2m_cfg_pp", "dpmpp_2m_sde",
"dpmpp_2m_sde_gpu", "dpmpp_2m_sde_heun", "dpmpp_2m_sde_heun_gpu", "dpmpp_3m_sde", "dpmpp_3m_sde_gpu", "ddpm",
"lcm", "ipndm", "ipndm_v", "deis", "res_multistep", "res_multistep_cfg_pp", "res_multistep_ancestral",
"res_multistep_ancestral_cfg_pp", "gradient_estimation", "gradient_estimation_cfg_pp", "er_sde", "seeds_2",
"seeds_3", "sa_solver", "sa_solver_pece", "ddim", "uni_pc", "uni_pc_bh2"], {}], "scheduler": [["simple",
"sgm_uniform", "karras", "exponential", "ddim_uniform", "beta", "normal", "linear_quadratic", "kl_optimal"],
{"tooltip": "The scheduler controls how noise is gradually removed to form the image."}],
"positive": ["CONDITIONING",
{"tooltip": "The conditioning describing the attributes you want to include in the image."}],
"negative": ["CONDITIONING",
{"tooltip": "The conditioning describing the attributes you want to exclude from the image."}],
"latent_image": ["LATENT", {"tooltip": "The latent image to denoise."}], "denoise": ["FLOAT", {"default": 1.0,
"min": 0.0, "max": 1.0, "step": 0.01}]}}, "input_order": {"required": ["model", "seed", "steps", "cfg",
"sampler_name", "scheduler", "positive", "negative", "latent_image", "denoise"]}, "is_input_list": false,
"output": ["LATENT"], "output_is_list": [false], "output_name": ["LATENT"], "name": "KSampler",
"display_name": "KSampler",
"description": "Uses the provided model, positive and negative conditioning to denoise the latent image.",
"python_module": "nodes", "category": "model/sampling", "output_node": false, "has_intermediate_output": false,
"output_tooltips": ["The denoised latent."], "search_aliases": ["sampler", "sample", "generate", "denoise",
"diffuse", "txt2img", "img2img"]},

"CheckpointLoaderSimple": {"input": {"required": {"ckpt_name": [["sd_xl_base_1.0.safetensors",
"v1-5-pruned-emaonly-fp16.safetensors", "v1-5-pruned-emaonly.safetensors"],
{"tooltip": "The name of the checkpoint (model) to load."}]}}, "input_order": {"required": ["ckpt_name"]},
"is_input_list": false, "output": ["MODEL", "CLIP", "VAE"], "output_is_list": [false, false, false],
"output_name": ["MODEL", "CLIP", "VAE"], "name": "CheckpointLoaderSimple", "display_name": "Load Checkpoint",
"description": "", "python_module": "nodes", "category": "model/loaders", "output_node": false,
"has_intermediate_output": false, "search_aliases": []},

"CLIPTextEncode": {"input": {"required": {"text": ["STRING", {"multiline": true, "dynamicPrompts": true,
"tooltip": "The text to be encoded."}], "clip": ["CLIP",
{"tooltip": "The CLIP model used for encoding the text."}]}}, "input_order": {"required": ["text", "clip"]},
"is_input_list": false, "output": ["CONDITIONING"], "output_is_list": [false], "output_name": ["CONDITIONING"],
"name": "CLIPTextEncode", "display_name": "CLIP Text Encode (Prompt)", "description": "",
"python_module": "nodes", "category": "model/conditioning", "output_node": false,
"has_intermediate_output": false, "search_aliases": []},

"VAEDecode": {"input": {"required": {"samples": ["LATENT", {"tooltip": "The latent to be decoded."}],
"vae": ["VAE", {"tooltip": "The VAE model used for decoding the latent."}]}},
"input_order": {"required": ["samples", "vae"]}, "is_input_list": false, "output": ["IMAGE"],
"output_is_list": [false], "output_name": ["IMAGE"], "name": "VAEDecode", "display_name": "VAE Decode",
"description": "", "python_module": "nodes", "category": "model/latent", "output_node": false,
"has_intermediate_output": false, "search_aliases": []},

"EmptyLatentImage": {"input": {"required": {"width": ["INT", {"default": 512, "min": 16, "max": 16384,
"step": 8, "tooltip": "The width of the latent images in pixels."}], "height": ["INT", {"default": 512,
"min": 16, "max": 16384, "step": 8, "tooltip": "The height of the latent images in pixels."}],
"batch_size": ["INT", {"default": 1, "min": 1, "max": 4096,
"tooltip": "The number of latent images in the batch."}]}}, "input_order": {"required": ["width", "height",
"batch_size"]}, "is_input_list": false, "output": ["LATENT"], "output_is_list": [false],
"output_name": ["LATENT"], "name": "EmptyLatentImage", "display_name": "Empty Latent Image", "description": "",
"python_module": "nodes", "category": "model/latent", "output_node": false, "has_intermediate_output": false,
"search_aliases": []},

"SaveImage": {"input": {"required": {"images": ["IMAGE", {"tooltip": "The images to save."}],
"filename_prefix": ["STRING", {"default": "ComfyUI"}]}, "hidden": {"prompt": "PROMPT",
"extra_pnginfo": "EXTRA_PNGINFO"}}, "input_order": {"required": ["images", "filename_prefix"],
"hidden": ["prompt", "extra_pnginfo"]}, "is_input_list": false, "output": ["IMAGE"], "output_is_list": [false],
"output_name": ["images"], "name": "SaveImage", "display_name": "Save Image",
"description": "Saves the input images to your ComfyUI output directory.", "python_module": "nodes",
"category": "image", "output_node": true, "has_intermediate_output": false, "search_aliases": ["save",
"save image", "export image", "output image", "write image", "download"], "essentials_category": "Basics"},

"PreviewImage": {"input": {"required": {"images": ["IMAGE"]}, "hidden": {"prompt": "PROMPT",
"extra_pnginfo": "EXTRA_PNGINFO"}}, "input_order": {"required": ["images"], "hidden": ["prompt",
"extra_pnginfo"]}, "is_input_list": false, "output": ["IMAGE"], "output_is_list": [false],
"output_name": ["images"], "name": "PreviewImage", "display_name": "Preview Image",
"description": "Preview the images without saving them to the ComfyUI output directory.",
"python_module": "nodes", "category": "image", "output_node": true, "has_intermediate_output": false,
"search_aliases": ["preview", "preview image", "show image", "view image", "display image", "image viewer"],
"essentials_category": "Basics"},

"LoadImage": {"input": {"required": {"image": [[], {"image_upload": true}]}},
"input_order": {"required": ["image"]}, "is_input_list": false, "output": ["IMAGE", "MASK"],
"output_is_list": [false, false], "output_name": ["IMAGE", "MASK"], "name": "LoadImage",
"display_name": "Load Image", "description": "", "python_module": "nodes", "category": "image",
"output_node": false, "has_intermediate_output": false, "search_aliases": ["load image", "open image",
"import image", "image input", "upload image", "read image", "image loader"], "essentials_category": "Basics"},

"ImageScale": {"input": {"required": {"image": ["IMAGE"], "upscale_method": [["nearest-exact", "bilinear",
"area", "bicubic", "lanczos"]], "width": ["INT", {"default": 512, "min": 0, "max": 16384, "step": 1}],
"height": ["INT", {"default": 512, "min": 0, "max": 16384, "step": 1}], "crop": [["disabled", "center"]]}},
"input_order": {"required": ["image", "upscale_method", "width", "height", "crop"]}, "is_input_list": false,
"output": ["IMAGE"], "output_is_list": [false], "output_name": ["IMAGE"], "name": "ImageScale",
"display_name": "Upscale Image", "description": "", "python_module": "nodes", "category": "image/upscaling",
"output_node": false, "has_intermediate_output": false, "search_aliases": ["resize", "resize image",
"scale image", "image resize", "zoom", "zoom in", "change size"], "essentials_category": "Image Tools"},

"ImageInvert": {"input": {"required": {"image": ["IMAGE"]}}, "input_order": {"required": ["image"]},
"is_input_list": false, "output": ["IMAGE"], "output_is_list": [false], "output_name": ["IMAGE"],
"name": "ImageInvert", "display_name": "Invert Image Colors", "description": "", "python_module": "nodes",
"category": "image/color", "output_node": false, "has_intermediate_output": false, "search_aliases": []},

"EmptyImage": {"input": {"required": {"width": ["INT", {"default": 512, "min": 1, "max": 16384, "step": 1}],
"height": ["INT", {"default": 512, "min": 1, "max": 16384, "step": 1}], "batch_size": ["INT", {"default": 1,
"min": 1, "max": 4096}], "color": ["INT", {"default": 0, "min": 0, "max": 16777215, "step": 1,
"display": "color"}]}}, "input_order": {"required": ["width", "height", "batch_size", "color"]},
"is_input_list": false, "output": ["IMAGE"], "output_is_list": [false], "output_name": ["IMAGE"],
"name": "EmptyImage", "display_name": "Empty Image", "description": "", "python_module": "nodes",
"category": "image", "output_node": false, "has_intermediate_output": false, "search_aliases": []},

"SimSlow": {"input": {"required": {"seconds": ["FLOAT", {"default": 1.0, "min": 0.0, "max": 600.0,
"step": 0.1}], "steps": ["INT", {"default": 4, "min": 1, "max": 1000}]}, "optional": {"image": ["IMAGE"],
"salt": ["INT", {"default": 0, "min": 0, "max": 18446744073709551615}]}},
"input_order": {"required": ["seconds", "steps"], "optional": ["image", "salt"]}, "is_input_list": false,
"output": ["IMAGE"], "output_is_list": [false], "output_name": ["IMAGE"], "name": "SimSlow",
"display_name": "SimSlow",
"description": "Sleeps in steps and reports progress; without an image it makes an 8x8 one.",
"python_module": "comfysim", "category": "comfysim", "output_node": false, "has_intermediate_output": false,
"search_aliases": []},

"BridgeSlow": {"input": {"required": {"image": ["IMAGE"], "seconds": ["FLOAT", {"default": 1.0, "min": 0.0,
"max": 600.0, "step": 0.1}], "steps": ["INT", {"default": 4, "min": 1, "max": 1000}], "preview": [["none",
"JPEG", "PNG"]]}, "optional": {"salt": ["INT", {"default": 0, "min": 0, "max": 18446744073709551615}]}},
"input_order": {"required": ["image", "seconds", "steps", "preview"], "optional": ["salt"]},
"is_input_list": false, "output": ["IMAGE"], "output_is_list": [false], "output_name": ["IMAGE"],
"name": "BridgeSlow", "display_name": "BridgeSlow", "description": "",
"python_module": "custom_nodes.slow_nodes", "category": "bridge-test", "output_node": false,
"has_intermediate_output": false, "search_aliases": []},

"BridgeFail": {"input": {"required": {"image": ["IMAGE"], "message": ["STRING", {"default": "boom"}]},
"optional": {"salt": ["INT", {"default": 0, "min": 0, "max": 18446744073709551615}]}},
"input_order": {"required": ["image", "message"], "optional": ["salt"]}, "is_input_list": false,
"output": ["IMAGE"], "output_is_list": [false], "output_name": ["IMAGE"], "name": "BridgeFail",
"display_name": "BridgeFail", "description": "", "python_module": "custom_nodes.slow_nodes",
"category": "bridge-test", "output_node": false, "has_intermediate_output": false, "search_aliases": []},

"BridgeDeaf": {"input": {"required": {"image": ["IMAGE"], "seconds": ["FLOAT", {"default": 1.0, "min": 0.0,
"max": 600.0, "step": 0.1}]}, "optional": {"salt": ["INT", {"default": 0, "min": 0,
"max": 18446744073709551615}]}}, "input_order": {"required": ["image", "seconds"], "optional": ["salt"]},
"is_input_list": false, "output": ["IMAGE"], "output_is_list": [false], "output_name": ["IMAGE"],
"name": "BridgeDeaf", "display_name": "BridgeDeaf", "description": "",
"python_module": "custom_nodes.slow_nodes", "category": "bridge-test", "output_node": false,
"has_intermediate_output": false, "search_aliases": []},

"BridgeDeafOut": {"input": {"required": {"image": ["IMAGE"], "seconds": ["FLOAT", {"default": 1.0, "min": 0.0,
"max": 600.0, "step": 0.1}]}, "optional": {"salt": ["INT", {"default": 0, "min": 0,
"max": 18446744073709551615}]}}, "input_order": {"required": ["image", "seconds"], "optional": ["salt"]},
"is_input_list": false, "output": [], "output_is_list": [], "output_name": [], "name": "BridgeDeafOut",
"display_name": "BridgeDeafOut", "description": "", "python_module": "custom_nodes.slow_nodes",
"category": "bridge-test", "output_node": true, "has_intermediate_output": false, "search_aliases": []},

"BridgeText": {"input": {"required": {"text": ["STRING", {"default": "hello", "multiline": true}]},
"optional": {"image": ["IMAGE"]}, "hidden": {"unique_id": "UNIQUE_ID"}}, "input_order": {"required": ["text"],
"optional": ["image"], "hidden": ["unique_id"]}, "is_input_list": false, "output": [], "output_is_list": [],
"output_name": [], "name": "BridgeText", "display_name": "BridgeText", "description": "",
"python_module": "custom_nodes.slow_nodes", "category": "bridge-test", "output_node": true,
"has_intermediate_output": false, "search_aliases": []}})json";

}  // namespace

NodeDefs::NodeDefs() {
  std::optional<json::value> all = parse_json(kDefinitions);
  if (!all) throw std::logic_error("the node definitions are no JSON");
  all_ = std::move(all->as_object());
}

const json::object* NodeDefs::find(std::string_view class_type) const {
  const json::value* found = all_.if_contains(json::string_view(class_type.data(), class_type.size()));
  return found == nullptr ? nullptr : &found->as_object();
}

bool NodeDefs::is_output(std::string_view class_type) const {
  const json::object* definition = find(class_type);
  return definition != nullptr && definition->at("output_node").as_bool();
}

json::object NodeDefs::describe(const std::vector<std::string>& inputs) const {
  json::object out = all_;
  json::array choices;
  for (const std::string& name : inputs) choices.emplace_back(name);
  out.at("LoadImage").at("input").at("required").at("image").at(0) = std::move(choices);
  return out;
}

const json::array& NodeDefs::checkpoints() const {
  return all_.at("CheckpointLoaderSimple").at("input").at("required").at("ckpt_name").at(0).as_array();
}

const NodeDefs& node_defs() {
  static const NodeDefs kDefs;
  return kDefs;
}

}  // namespace comfysim
