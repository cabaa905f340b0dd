// All that anybody gets to see of a lab's bridge, as one text: its journal, its metrics page, the rows of the database
// with what GET shows of them, the cache, and the events of its streams. For tests of what must not stand there.
#pragma once

#include <string>
#include <vector>

#include "tests/integration/bridge/bridge_lab.h"

namespace renderyard::testing {

std::string told(BridgeLab& lab, const std::vector<ports::BridgeEvent>& events);

// The value of a field of a line of BridgeLab::journal_lines(), up to the next blank; "(none)" when it is not there.
std::string field_of(const std::string& line, const std::string& name);
// The lines of this event.
std::vector<std::string> lines_of(const BridgeLab& lab, const std::string& event);

}  // namespace renderyard::testing
