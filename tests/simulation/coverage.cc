#include "tests/simulation/coverage.h"

#include <cstdio>
#include <set>
#include <vector>

namespace renderyard::simulation {

std::string Coverage::table() const {
  static const std::vector<std::string> kColumns = {"idle",    "assigned",   "submitting", "queued",
                                                    "running", "collecting", "unsettled"};
  std::set<std::string> rows;
  for (const auto& [key, n] : counts_) rows.insert(key.first);
  char cell[64];
  std::string out;
  std::snprintf(cell, sizeof cell, "%-24s", "fault \\ state");
  out += cell;
  for (const auto& column : kColumns) {
    std::snprintf(cell, sizeof cell, "%12s", column.c_str());
    out += cell;
  }
  out += "\n";
  for (const auto& row : rows) {
    std::snprintf(cell, sizeof cell, "%-24s", row.c_str());
    out += cell;
    for (const auto& column : kColumns) {
      std::snprintf(cell, sizeof cell, "%12d", at(row, column));
      out += cell;
    }
    out += "\n";
  }
  return out;
}

}  // namespace renderyard::simulation
