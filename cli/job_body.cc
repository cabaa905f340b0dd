#include "cli/job_body.h"

#include <absl/strings/str_cat.h>

#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>
#include <charconv>
#include <utility>

#include "libs/common/domain/json_text.h"

namespace renderyard::cli {

namespace {

using domain::JsonMember;

constexpr std::string_view kDefaultType = "image_generation";

std::string quoted(std::string_view text) {
  return boost::json::serialize(boost::json::value(boost::json::string_view(text.data(), text.size())));
}

struct SeedInput {
  std::size_t offset = 0;  // in the workflow's text
  std::size_t size = 0;
  std::uint64_t value = 0;
};

std::vector<SeedInput> find_seeds(std::string_view workflow) {
  std::vector<SeedInput> found;
  for (const JsonMember& node : domain::json_members(workflow)) {
    if (!domain::is_json_object(node.value)) continue;
    const std::string_view inputs = domain::json_member(node.value, "inputs");
    for (const JsonMember& input : domain::json_members(inputs)) {
      if (input.key != "seed" && input.key != "noise_seed") continue;
      SeedInput seed;
      const char* end = input.value.data() + input.value.size();
      const auto result = std::from_chars(input.value.data(), end, seed.value);
      // A link to another node is an array, and stays one.
      if (result.ec != std::errc() || result.ptr != end) continue;
      seed.offset = static_cast<std::size_t>(input.value.data() - workflow.data());
      seed.size = input.value.size();
      found.push_back(seed);
    }
  }
  return found;
}

std::string with_seeds(std::string_view workflow, const std::vector<SeedInput>& seeds,
                       std::optional<std::uint64_t> first, int number) {
  std::string out;
  std::size_t at = 0;
  for (const SeedInput& seed : seeds) {
    out += workflow.substr(at, seed.offset - at);
    out += std::to_string(first.value_or(seed.value) + static_cast<std::uint64_t>(number));
    at = seed.offset + seed.size;
  }
  out += workflow.substr(at);
  return out;
}

void add_member(std::string& body, std::string_view key, std::string_view value) {
  if (body.size() > 1) body += ',';
  body += quoted(key);
  body += ':';
  body += value;
}

// The parameters of a job body with another workflow in the place of its own.
std::string with_workflow(std::string_view parameters, std::string_view workflow) {
  std::string out = "{";
  for (const JsonMember& member : domain::json_members(parameters)) {
    add_member(out, member.key, member.key == "workflow" ? workflow : member.value);
  }
  return out += '}';
}

std::string make_body(std::string_view file, bool is_job, std::string_view workflow, const JobOptions& options) {
  std::string body = "{";
  bool has_type = false;
  for (const JsonMember& member : is_job ? domain::json_members(file) : std::vector<JsonMember>()) {
    const bool replaced = (member.key == "job_type" && options.job_type) ||
                          (member.key == "priority" && options.priority) || (member.key == "name" && options.name);
    if (replaced) continue;
    has_type = has_type || member.key == "job_type";
    if (member.key == "parameters") {
      add_member(body, member.key, with_workflow(member.value, workflow));
    } else {
      add_member(body, member.key, member.value);
    }
  }
  if (!has_type) add_member(body, "job_type", quoted(options.job_type.value_or(std::string(kDefaultType))));
  if (!is_job) add_member(body, "parameters", absl::StrCat("{\"workflow\":", std::string(workflow), "}"));
  if (options.priority) add_member(body, "priority", std::to_string(*options.priority));
  if (options.name) add_member(body, "name", quoted(*options.name));
  return body += '}';
}

}  // namespace

absl::StatusOr<JobBodies> make_job_bodies(std::string_view file, const JobOptions& options) {
  const absl::Status status = domain::check_json_text(file);
  if (!status.ok()) return absl::InvalidArgumentError(absl::StrCat("the file is refused: ", status.message()));
  const std::string_view parameters = domain::json_member(file, "parameters");
  // A node named "parameters" has a class.
  const bool is_job = domain::is_json_object(parameters) && domain::json_member(parameters, "class_type").empty();
  const std::string_view workflow = is_job ? domain::json_member(parameters, "workflow") : file;
  const bool vary = options.jobs > 1 || options.seed.has_value();
  const auto seeds = vary ? find_seeds(workflow) : std::vector<SeedInput>();
  JobBodies result;
  result.seed_inputs = static_cast<int>(seeds.size());
  for (int i = 0; i < options.jobs; ++i) {
    const std::string changed = with_seeds(workflow, seeds, options.seed, i);
    result.bodies.push_back(make_body(file, is_job, changed, options));
  }
  return result;
}

}  // namespace renderyard::cli
