// Output files under names that are common to several prompts: a prompt that runs before they were copied may write
// over them. Pure.
#pragma once

#include <set>
#include <string>
#include <string_view>

namespace renderyard::domain {

using NodeClasses = std::set<std::string, std::less<>>;

// The classes of those nodes of a workflow that leave such files if they save any, which it does not say: all nodes but
// those whose literal filename_prefix is put into the execution's own folder (unique_prefix, see prompt_body()).
// workflow_json: as inspect_workflow() accepts it; anything else has no nodes.
NodeClasses classes_of_common_names(std::string_view workflow_json, bool unique_prefix);

// Output nodes of ComfyUI's own that save nothing, or temporary files with a random part in their names.
bool saves_nothing(std::string_view node_class);

}  // namespace renderyard::domain
