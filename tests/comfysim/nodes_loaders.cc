// Nodes that load models and change what they do. A model is no more than the list of what made it; all of it counts
// for the pictures.
#include "tests/comfysim/digest.h"
#include "tests/comfysim/nodes.h"

namespace comfysim {
namespace {

// The given model with one more line, made of inputs that are no links.
Loaded changed(const Loaded& model, const char* how, const NodeInputs& in, std::initializer_list<const char*> inputs) {
  std::string recipe = model.recipe + '\n' + how;
  for (const char* name : inputs) recipe += '|' + in.text(name);
  return Loaded{std::move(recipe)};
}

Conditioning changed(Conditioning conditioning, const std::string& line) {
  conditioning.recipe += '\n' + line;
  return conditioning;
}

NodeOutput load_checkpoint(const NodeInputs& in, NodeHost&) {
  NodeOutput out;
  out.values.assign(3, Loaded{in.text("ckpt_name")});
  return out;
}

NodeOutput load_vae(const NodeInputs& in, NodeHost&) {
  return value_out(Loaded{in.text("vae_name")});
}

NodeOutput load_unet(const NodeInputs& in, NodeHost&) {
  const std::string dtype = in.has("weight_dtype") ? in.text("weight_dtype") : "default";
  return value_out(Loaded{in.text("unet_name") + '|' + dtype});
}

NodeOutput load_clip(const NodeInputs& in, NodeHost&) {
  return value_out(Loaded{in.text("clip_name") + '|' + in.text("type")});
}

NodeOutput load_two_clips(const NodeInputs& in, NodeHost&) {
  return value_out(Loaded{in.text("clip_name1") + '|' + in.text("clip_name2") + '|' + in.text("type")});
}

NodeOutput load_control_net(const NodeInputs& in, NodeHost&) {
  return value_out(Loaded{in.text("control_net_name")});
}

NodeOutput load_upscale_model(const NodeInputs& in, NodeHost&) {
  return value_out(Loaded{in.text("model_name")});
}

NodeOutput apply_lora(const NodeInputs& in, NodeHost&) {
  NodeOutput out;
  out.values.emplace_back(changed(in.linked<Loaded>("model"), "lora", in, {"lora_name", "strength_model"}));
  out.values.emplace_back(changed(in.linked<Loaded>("clip"), "lora", in, {"lora_name", "strength_clip"}));
  return out;
}

NodeOutput apply_lora_to_model(const NodeInputs& in, NodeHost&) {
  return value_out(changed(in.linked<Loaded>("model"), "lora", in, {"lora_name", "strength_model"}));
}

NodeOutput set_last_layer(const NodeInputs& in, NodeHost&) {
  return value_out(changed(in.linked<Loaded>("clip"), "layer", in, {"stop_at_clip_layer"}));
}

NodeOutput sampling_sd3(const NodeInputs& in, NodeHost&) {
  return value_out(changed(in.linked<Loaded>("model"), "sd3", in, {"shift"}));
}

NodeOutput sampling_flux(const NodeInputs& in, NodeHost&) {
  return value_out(changed(in.linked<Loaded>("model"), "flux", in, {"max_shift", "base_shift", "width", "height"}));
}

NodeOutput text_encode(const NodeInputs& in, NodeHost&) {
  return value_out(Conditioning{in.text("text"), in.linked<Loaded>("clip").recipe});
}

NodeOutput zero_out(const NodeInputs& in, NodeHost&) {
  return value_out(Conditioning{"", changed(in.linked<Conditioning>("conditioning"), "zero").recipe});
}

NodeOutput combine(const NodeInputs& in, NodeHost&) {
  const auto& first = in.linked<Conditioning>("conditioning_1");
  const auto& second = in.linked<Conditioning>("conditioning_2");
  return value_out(Conditioning{first.text + '\n' + second.text, first.recipe + '\n' + second.recipe});
}

NodeOutput flux_guidance(const NodeInputs& in, NodeHost&) {
  return value_out(changed(in.linked<Conditioning>("conditioning"), "guidance|" + in.text("guidance")));
}

NodeOutput apply_control_net(const NodeInputs& in, NodeHost&) {
  std::string line = "control|" + in.linked<Loaded>("control_net").recipe;
  for (const char* name : {"strength", "start_percent", "end_percent"}) line += '|' + in.text(name);
  for (const PicturePtr& hint : in.linked<Batch>("image")) {
    line += '|' + sha256_hex({reinterpret_cast<const char*>(hint->rgb.data()), hint->rgb.size()});
  }
  const bool off = in.number("strength") == 0.0;
  NodeOutput out;
  for (const char* name : {"positive", "negative"}) {
    const auto& given = in.linked<Conditioning>(name);
    out.values.emplace_back(off ? given : changed(given, line));
  }
  return out;
}

}  // namespace

const NodeFunctions& loader_node_functions() {
  static const NodeFunctions kFunctions = {
      {"CheckpointLoaderSimple", load_checkpoint},
      {"VAELoader", load_vae},
      {"UNETLoader", load_unet},
      {"CLIPLoader", load_clip},
      {"DualCLIPLoader", load_two_clips},
      {"ControlNetLoader", load_control_net},
      {"UpscaleModelLoader", load_upscale_model},
      {"LoraLoader", apply_lora},
      {"LoraLoaderModelOnly", apply_lora_to_model},
      {"CLIPSetLastLayer", set_last_layer},
      {"ModelSamplingSD3", sampling_sd3},
      {"ModelSamplingFlux", sampling_flux},
      {"CLIPTextEncode", text_encode},
      {"ConditioningZeroOut", zero_out},
      {"ConditioningCombine", combine},
      {"FluxGuidance", flux_guidance},
      {"ControlNetApplyAdvanced", apply_control_net},
  };
  return kFunctions;
}

}  // namespace comfysim
