// prompt_body(): the user's text, cut and spliced into a body for POST /prompt. Nothing of it is parsed and written
// again, so seeds beyond 2^64 and numbers like 1e400 go out as they came in.
#include <absl/strings/str_cat.h>

#include <utility>

#include "libs/common/base/json.h"
#include "libs/common/domain/comfy_json.h"
#include "libs/common/domain/json_text.h"
#include "libs/common/domain/workflow.h"

namespace renderyard::domain {

namespace {

struct Cut {
  std::size_t begin = 0;  // in the workflow's text
  std::size_t size = 0;
  std::string text;  // takes its place
};

// A prefix names folders too. Steps upwards would leave the execution's own folder, so they go.
std::string contained(std::string_view prefix) {
  std::string out;
  while (true) {
    const auto end = prefix.find_first_of("/\\");
    const auto part = prefix.substr(0, end);
    const bool keep = !part.empty() && part != ".." && part != ".";
    if (keep) out += part;
    if (end == std::string_view::npos) return out;
    if (keep) out += prefix[end];
    prefix.remove_prefix(end + 1);
  }
}

std::vector<Cut> prefix_cuts(std::string_view workflow, std::string_view execution_id) {
  std::vector<Cut> cuts;
  for (const auto& node : json_members(workflow)) {
    for (const auto& inputs : json_members(node.value)) {
      if (inputs.key != "inputs") continue;
      for (const auto& input : json_members(inputs.value)) {
        if (input.key != "filename_prefix" || !is_json_string(input.value)) continue;
        Cut cut{.begin = static_cast<std::size_t>(input.value.data() - workflow.data()),
                .size = input.value.size(),
                .text = ""};
        std::string prefix = "renderyard/";
        prefix += execution_id;
        prefix += '/';
        prefix += contained(json_string(input.value));
        append_json_string(cut.text, prefix);
        cuts.push_back(std::move(cut));
      }
    }
  }
  return cuts;
}

void append_spliced(std::string& out, std::string_view text, const std::vector<Cut>& cuts) {
  std::size_t at = 0;
  for (const auto& cut : cuts) {  // in the order of the text
    out += text.substr(at, cut.begin - at);
    out += cut.text;
    at = cut.begin + cut.size;
  }
  out += text.substr(at);
}

class ObjectWriter {
 public:
  explicit ObjectWriter(std::string& out) : out_(out) { out_ += '{'; }
  void raw(std::string_view key, std::string_view value) {
    begin(key);
    out_ += value;
  }
  void string(std::string_view key, std::string_view value) {
    begin(key);
    append_json_string(out_, value);
  }
  void begin(std::string_view key) {
    if (!first_) out_ += ',';
    first_ = false;
    append_json_string(out_, key);
    out_ += ':';
  }
  void end() { out_ += '}'; }

 private:
  std::string& out_;
  bool first_ = true;
};

// A null `extra_pnginfo` or `extra_pnginfo.workflow` makes the jobs listing of newer servers fail for everybody.
void append_pnginfo(ObjectWriter& writer, std::string& out, std::string_view value) {
  if (value == "null") return;
  if (!is_json_object(value)) {
    writer.raw("extra_pnginfo", value);
    return;
  }
  writer.begin("extra_pnginfo");
  ObjectWriter inner(out);
  for (const auto& member : json_members(value)) {
    if (member.key != "workflow" || member.value != "null") inner.raw(member.key, member.value);
  }
  inner.end();
}

void append_extra_data(std::string& out, std::string_view extra_data, std::string_view execution_id,
                       std::string_view job_id, std::string_view prompt_id) {
  ObjectWriter writer(out);
  for (const auto& member : json_members(extra_data)) {
    if (member.key == "renderyard") continue;  // ours
    if (member.key == "extra_pnginfo") {
      append_pnginfo(writer, out, member.value);
    } else {
      writer.raw(member.key, member.value);
    }
  }
  writer.begin("renderyard");
  ObjectWriter ours(out);
  ours.string("execution_id", execution_id);
  ours.string("job_id", job_id);
  if (!prompt_id.empty()) ours.string("prompt_id", prompt_id);
  ours.end();
  writer.end();
}

absl::Status check_object(std::string_view text, std::string_view name) {
  if (const auto status = check_json_text(text); !status.ok()) {
    return absl::InvalidArgumentError(absl::StrCat(base::to_absl(name), ": ", status.message()));
  }
  if (!is_json_object(text.substr(text.find_first_not_of(" \t\r\n")))) {
    return absl::InvalidArgumentError(absl::StrCat(base::to_absl(name), " is no JSON object"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::string> prompt_body(std::string_view workflow_json, std::string_view client_id,
                                        std::string_view prompt_id, std::string_view execution_id,
                                        std::string_view job_id, std::string_view extra_data_json, bool unique_prefix) {
  if (const auto status = check_object(workflow_json, "workflow"); !status.ok()) return status;
  if (!extra_data_json.empty()) {
    if (const auto status = check_object(extra_data_json, "extra_data"); !status.ok()) return status;
  }
  std::string body;
  body.reserve(workflow_json.size() + extra_data_json.size() + 512);
  ObjectWriter writer(body);
  writer.begin("prompt");
  append_spliced(body, workflow_json, unique_prefix ? prefix_cuts(workflow_json, execution_id) : std::vector<Cut>());
  writer.string("client_id", client_id);
  // Some servers turn null into the id "None", some refuse it: no key at all means "make one".
  if (!prompt_id.empty()) writer.string("prompt_id", prompt_id);
  writer.begin("extra_data");
  append_extra_data(body, extra_data_json, execution_id, job_id, prompt_id);
  writer.end();
  return body;
}

}  // namespace renderyard::domain
