#include "libs/common/domain/capabilities.h"

#include <absl/strings/ascii.h>
#include <absl/strings/escaping.h>
#include <openssl/sha.h>

#include <algorithm>
#include <array>
#include <utility>

#include "libs/common/base/status_macros.h"
#include "libs/common/domain/comfy_json.h"

namespace renderyard::domain {

namespace {

constexpr std::array<std::string_view, 10> kModelEndings = {".safetensors", ".sft", ".ckpt", ".pt",   ".pt2",
                                                            ".pth",         ".bin", ".pkl",  ".gguf", ".onnx"};

bool is_model_file(std::string_view name) {
  const std::string lower = absl::AsciiStrToLower(std::string(name));
  return std::any_of(kModelEndings.begin(), kModelEndings.end(),
                     [&](std::string_view ending) { return lower.ends_with(ending); });
}

// [[choices…], {options}] of old, ["COMBO", {"options": [choices…]}] of new nodes; missing for every other input.
ComfyValue choices_of(const ComfyValue& input) {
  if (input[0].is_array()) return input[0];
  if (input[0].string_or("") == "COMBO") return input[1]["options"];
  return {};
}

// Files that users upload are chosen from too, and are no models.
bool is_upload(const ComfyValue& options) {
  for (const char* key : {"image_upload", "audio_upload", "video_upload", "upload"}) {
    if (options[key].bool_or(false)) return true;
  }
  return false;
}

class Collector {
 public:
  explicit Collector(const CapabilityBounds& bounds) : bounds_(bounds) {}

  void take_class(const std::string& name, const ComfyValue& info) {
    if (name.size() > bounds_.name_bytes || result_.node_classes.size() >= bounds_.node_classes) {
      result_.complete = false;
      return;
    }
    result_.node_classes.push_back(name);
    if (!info["output_node"].bool_or(true)) non_output_.push_back(name);
    for (const char* group : {"required", "optional"}) {
      for (const auto& [input, definition] : info["input"][group].members()) take_input(name + "." + input, definition);
    }
  }

  void take_system(const ComfyValue& stats) {
    result_.comfyui_version = stats["system"]["comfyui_version"].string_or("").substr(0, bounds_.name_bytes);
    for (const ComfyValue& device : stats["devices"].items()) {
      if (result_.devices.size() >= bounds_.devices) break;
      ComfyDevice one;
      one.name = device["name"].string_or("").substr(0, bounds_.name_bytes);
      one.type = device["type"].string_or("").substr(0, bounds_.name_bytes);
      const double vram = device["vram_total"].number().value_or(0);
      if (vram > 0 && vram < 1e18) one.vram_total = static_cast<std::int64_t>(vram);
      result_.devices.push_back(std::move(one));
    }
  }

  ServerDescription finish() {
    std::sort(result_.node_classes.begin(), result_.node_classes.end());
    const auto twice = std::unique(result_.node_classes.begin(), result_.node_classes.end());
    result_.node_classes.erase(twice, result_.node_classes.end());
    // In the order of the inputs' names, so that the same choices are the same document.
    std::map<std::size_t, std::size_t> place;
    std::vector<std::vector<std::string>> lists;
    for (auto& [input, list] : result_.model_inputs) {
      const auto [it, fresh] = place.emplace(list, lists.size());
      if (fresh) lists.push_back(std::move(result_.model_lists[list]));
      list = it->second;
    }
    result_.model_lists = std::move(lists);
    const std::vector<std::string_view> non_output(non_output_.begin(), non_output_.end());
    return {std::move(result_), NonOutputClasses(non_output)};
  }

 private:
  void take_input(const std::string& name, const ComfyValue& definition) {
    const ComfyValue choices = choices_of(definition);
    if (!choices.is_array() || is_upload(definition[1])) return;
    std::vector<std::string> names;
    bool any_model = false;
    bool fits = name.size() <= bounds_.name_bytes && result_.model_inputs.size() < bounds_.model_inputs;
    for (const ComfyValue& choice : choices.items()) {
      std::string text = choice.string_or("");
      any_model = any_model || is_model_file(text);
      fits = fits && text.size() <= bounds_.name_bytes;
      names.push_back(std::move(text));
    }
    if (!any_model && !names.empty()) return;
    std::sort(names.begin(), names.end());
    names.erase(std::unique(names.begin(), names.end()), names.end());
    const auto known = list_of_.find(names);
    if (known == list_of_.end()) fits = fits && models_ + names.size() <= bounds_.models;
    if (!fits) {
      result_.complete = false;
      return;
    }
    if (known != list_of_.end()) {
      result_.model_inputs.insert_or_assign(name, known->second);
      return;
    }
    models_ += names.size();
    result_.model_inputs.insert_or_assign(name, result_.model_lists.size());
    list_of_.emplace(names, result_.model_lists.size());
    result_.model_lists.push_back(std::move(names));
  }

  const CapabilityBounds bounds_;
  Capabilities result_;
  std::vector<std::string> non_output_;
  std::map<std::vector<std::string>, std::size_t> list_of_;
  std::size_t models_ = 0;
};

void append_list(std::string& out, const std::vector<std::string>& texts) {
  out += '[';
  for (std::size_t i = 0; i < texts.size(); ++i) {
    if (i > 0) out += ',';
    append_json_string(out, texts[i]);
  }
  out += ']';
}

}  // namespace

absl::StatusOr<ServerDescription> parse_description(std::string_view object_info, std::string_view system_stats,
                                                    const CapabilityBounds& bounds) {
  Collector collector(bounds);
  {
    ASSIGN_OR_RETURN(const ComfyDocument nodes, parse_comfy_json(object_info));
    const auto classes = nodes.root().members();
    if (classes.empty()) return absl::InvalidArgumentError("/object_info names no node class");
    for (const auto& [name, info] : classes) collector.take_class(name, info);
  }
  ASSIGN_OR_RETURN(const ComfyDocument stats, parse_comfy_json(system_stats));
  if (!stats.root()["system"].is_object()) return absl::InvalidArgumentError("/system_stats is not ComfyUI's");
  collector.take_system(stats.root());
  return collector.finish();
}

std::string models_json(const Capabilities& capabilities) {
  std::string out = R"({"inputs":{)";
  bool first = true;
  for (const auto& [input, list] : capabilities.model_inputs) {
    if (!std::exchange(first, false)) out += ',';
    append_json_string(out, input);
    out += ":" + std::to_string(list);
  }
  out += R"(},"lists":[)";
  for (std::size_t i = 0; i < capabilities.model_lists.size(); ++i) {
    if (i > 0) out += ',';
    append_list(out, capabilities.model_lists[i]);
  }
  return out + "]}";
}

std::string devices_json(const Capabilities& capabilities) {
  std::string out = "[";
  for (const ComfyDevice& device : capabilities.devices) {
    if (out.size() > 1) out += ',';
    out += R"({"name":)";
    append_json_string(out, device.name);
    out += R"(,"type":)";
    append_json_string(out, device.type);
    out += R"(,"vram_total":)" + std::to_string(device.vram_total) + "}";
  }
  return out + "]";
}

absl::Status read_stored_capabilities(std::string_view node_classes, std::string_view models, std::string_view devices,
                                      Capabilities& into) {
  const auto classes = parse_comfy_json(node_classes);
  const auto lists = parse_comfy_json(models);
  const auto hardware = parse_comfy_json(devices);
  if (!classes.ok() || !lists.ok() || !hardware.ok()) return absl::InternalError("stored capabilities are no JSON");
  for (const ComfyValue& name : classes->root().items()) into.node_classes.push_back(name.string_or(""));
  for (const ComfyValue& list : lists->root()["lists"].items()) {
    std::vector<std::string>& files = into.model_lists.emplace_back();
    for (const ComfyValue& file : list.items()) files.push_back(file.string_or(""));
  }
  for (const auto& [input, list] : lists->root()["inputs"].members()) {
    const double n = list.number().value_or(-1);
    if (n < 0 || n >= static_cast<double>(into.model_lists.size())) {
      return absl::InternalError("stored capabilities name a list that is not there");
    }
    into.model_inputs.emplace(input, static_cast<std::size_t>(n));
  }
  for (const ComfyValue& device : hardware->root().items()) {
    into.devices.push_back({device["name"].string_or(""), device["type"].string_or(""),
                            static_cast<std::int64_t>(device["vram_total"].number().value_or(0))});
  }
  return absl::OkStatus();
}

std::string digest_of(const Capabilities& capabilities) {
  std::string text;
  append_list(text, capabilities.node_classes);
  text += models_json(capabilities) + devices_json(capabilities) + (capabilities.complete ? "complete" : "cut");
  append_json_string(text, capabilities.comfyui_version);
  std::array<unsigned char, SHA256_DIGEST_LENGTH> hash{};
  SHA256(reinterpret_cast<const unsigned char*>(text.data()), text.size(), hash.data());
  return absl::BytesToHexString(absl::string_view(reinterpret_cast<const char*>(hash.data()), hash.size()));
}

}  // namespace renderyard::domain
