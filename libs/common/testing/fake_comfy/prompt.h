// A posted prompt as the fake ComfyUI understands it: nodes in the order they run and what each of them does.
//
// Known classes: every class is a node that takes time, except
//   SaveImage    output node: writes one file under inputs.filename_prefix
//   SaveAnywhere output node of somebody else's making: writes one file under inputs.path, as it stands; one that
//                ends in .png is the file's whole name, which the next prompt that names it writes over
//   SaveImageWebsocket  output node: sends two pictures over the socket and leaves nothing else
//   HangingNode  says nothing and does nothing until it is interrupted, or for kHangs, after which it raises
//   DeafNode     says nothing for kDeafFor and does not look whether it is interrupted before that
//   FailingNode  raises an exception when it runs
//   MissingNode  is not installed: the prompt is refused with 400
// The picture of an output depends only on the seeds in the workflow, so that a check can say which job it belongs to.
#pragma once

#include <absl/time/time.h>

#include <string>
#include <string_view>
#include <vector>

#include "libs/common/domain/submission.h"

namespace renderyard::testing {

inline constexpr absl::Duration kHangs = absl::Minutes(5);
inline constexpr absl::Duration kDeafFor = absl::Seconds(100);

struct ComfyNode {
  std::string id;
  std::string class_type;
  std::string filename_prefix;  // of output nodes
};

struct ComfyPrompt {
  std::string prompt_id;
  std::string client_id;
  std::string execution_id;
  std::string job_id;
  std::string chosen_id;
  double number = 0;
  std::vector<ComfyNode> nodes;
  std::string picture;  // content of every file it writes, apart from the node's id
};

struct ParsedPost {
  ComfyPrompt prompt;
  // Set when the server refuses: what it answers.
  bool refused = false;
  domain::PostOutcome answer;
};

// Reads the body of POST /prompt; prompt_id is empty when the body brings none.
ParsedPost parse_post(std::string_view body);

// The bytes node `node_id` writes for a workflow whose seeds, in order of node ids, are `seeds`.
std::string picture_of(const std::vector<std::string>& seeds);
std::string file_content(std::string_view picture, std::string_view node_id);

}  // namespace renderyard::testing
