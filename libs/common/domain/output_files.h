// The files named in a prompt's outputs: every item with a filename in any list of any output key. Pure.
#pragma once

#include <absl/time/time.h>

#include <optional>
#include <string_view>
#include <vector>

#include "libs/common/domain/comfy_message.h"

namespace renderyard::domain {

// outputs_json: the normalised "outputs" object of a history entry (node id -> output). Order: as in the text. Items
// that are no files (texts, numbers) are passed over; text that is no object gives none.
std::vector<OutputFile> output_files(std::string_view outputs_json);

// May another prompt write over it while the server has it? Not in the folder that this execution's prompt alone writes
// to (unique_prefix of prompt_body()), nor a temporary file: their names have a random part.
bool overwritable(const OutputFile& file, std::string_view execution_id);

// How much later than its prompt's end a file may be stamped: whole seconds, and file systems with a clock of their
// own.
inline constexpr absl::Duration kFileClockSlack = absl::Seconds(2);

// A file that was last written after its prompt had ended is another prompt's. Both by the server's clock; what is not
// known proves nothing.
bool written_after_end(std::optional<absl::Time> modified_at, std::optional<absl::Time> prompt_ended_at);

}  // namespace renderyard::domain
