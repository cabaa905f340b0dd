// The files named in a prompt's outputs: every item with a filename in any list of any output key. Pure.
#pragma once

#include <string_view>
#include <vector>

#include "libs/common/domain/comfy_message.h"

namespace renderyard::domain {

// outputs_json: the normalised "outputs" object of a history entry (node id -> output). Order: as in the text. Items
// that are no files (texts, numbers) are passed over; text that is no object gives none.
std::vector<OutputFile> output_files(std::string_view outputs_json);

}  // namespace renderyard::domain
