// What a ComfyUI server has: node classes, the files its loaders can choose from, its release, its devices; and what
// its nodes do; read from /object_info and /system_stats. Pure.
//
// Bounded, because a server may answer anything. What is over a bound is left out and `complete` is false: then what is
// not listed is unknown, never "not there". What is listed is there.
#pragma once

#include <absl/status/statusor.h>

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "libs/common/domain/non_output_classes.h"

namespace renderyard::domain {

struct ComfyDevice {
  std::string name;
  std::string type;             // cuda, cpu, mps, …
  std::int64_t vram_total = 0;  // bytes

  friend bool operator==(const ComfyDevice&, const ComfyDevice&) = default;
};

struct Capabilities {
  std::vector<std::string> node_classes;  // sorted
  // The choices of inputs that choose files of models (or have no choice at all, as loaders without any have), each
  // list once: many loaders share a folder. By "Class.input"; the value is an index into model_lists.
  std::map<std::string, std::size_t> model_inputs;
  std::vector<std::vector<std::string>> model_lists;  // each sorted
  bool complete = true;
  std::string comfyui_version;  // empty when the server does not say
  std::vector<ComfyDevice> devices;

  friend bool operator==(const Capabilities&, const Capabilities&) = default;
};

struct CapabilityBounds {
  std::size_t node_classes = 20'000;
  std::size_t model_inputs = 20'000;
  std::size_t models = 100'000;  // entries of all lists together
  std::size_t name_bytes = 512;  // of one class, input or entry
  std::size_t devices = 64;
};

struct ServerDescription {
  Capabilities capabilities;    // to be published
  NonOutputClasses non_output;  // of the classes there
};

// INVALID_ARGUMENT: one of the two is not what ComfyUI answers, or names no node class.
absl::StatusOr<ServerDescription> parse_description(std::string_view object_info, std::string_view system_stats,
                                                    const CapabilityBounds& bounds = {});

// Equal for equal capabilities: SHA-256 of their JSON, 64 lowercase hex digits.
std::string digest_of(const Capabilities& capabilities);

// For jsonb: {"inputs": {"Class.input": n, …}, "lists": [[…], …]} and [{"name", "type", "vram_total"}, …].
std::string models_json(const Capabilities& capabilities);
std::string devices_json(const Capabilities& capabilities);

// What was stored, read back into `into`: a JSON array of node classes and what the two above wrote. INTERNAL: it is
// not what was stored.
absl::Status read_stored_capabilities(std::string_view node_classes, std::string_view models, std::string_view devices,
                                      Capabilities& into);

}  // namespace renderyard::domain
