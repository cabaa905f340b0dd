// Checks of POST /prompt before a prompt is queued (execution.validate_prompt of ComfyUI).
#ifndef RENDERYARD_TESTS_COMFYSIM_VALIDATE_H_
#define RENDERYARD_TESTS_COMFYSIM_VALIDATE_H_

#include <optional>
#include <string>
#include <vector>

#include "tests/comfysim/choices.h"
#include "tests/comfysim/files.h"
#include "tests/comfysim/generation.h"
#include "tests/comfysim/node_defs.h"
#include "tests/comfysim/pyjson.h"

namespace comfysim {

struct Validation {
  bool accepted = false;                     // at least one output node is good
  json::object error;                        // {type, message, details, extra_info} when not accepted
  json::value node_errors = json::object();  // may be filled when accepted, too; older servers have [] for none
  json::array outputs;                       // ids of the good output nodes
};

// What a prompt is checked against; refers to its parts.
struct Rules {
  const Files& files;
  const Generation& generation;
  const NodeDefs& nodes;
  const Choices& choices;
  const std::vector<std::string>& output_order;  // see Options
};

// Checks `prompt` and rewrites its inputs to the declared types as the real server does (10 becomes 10.0 for a FLOAT).
// `targets`, when given, are the only output nodes looked at (partial_execution_targets).
Validation validate_prompt(json::object& prompt, const std::optional<json::array>& targets, const Rules& rules);

// {"type","message","details","extra_info"} as all refusals have it.
json::object make_error(std::string_view type, std::string_view message, std::string_view details,
                        json::object extra_info = {});

}  // namespace comfysim

#endif  // RENDERYARD_TESTS_COMFYSIM_VALIDATE_H_
