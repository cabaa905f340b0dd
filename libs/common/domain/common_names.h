// Output files under names that are common to several prompts: a prompt that runs before they were copied may write
// over them. Pure.
#pragma once

#include <set>
#include <string>
#include <string_view>

namespace renderyard::domain {

// Classes of nodes that were seen to write such files.
using NodeClasses = std::set<std::string, std::less<>>;

// May a prompt of this workflow leave such files? True for nodes whose outputs nobody takes, for those alone run for
// their own sake, and for `writers` wherever they stand; but not when their literal filename_prefix is put into the
// execution's own folder (unique_prefix, see prompt_body()), nor for ComfyUI's own nodes that write nothing, or
// temporary files with a random part in their names. A node that only shows something is taken for a writer: nothing in
// a workflow tells them apart.
// workflow_json: as inspect_workflow() accepts it; anything else has no nodes.
bool may_use_common_names(std::string_view workflow_json, bool unique_prefix, const NodeClasses& writers);

}  // namespace renderyard::domain
