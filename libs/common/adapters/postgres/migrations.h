// The migrations of migrations/NNNN_name.sql, in order, with what applied files are recognised by.
#pragma once

#include <absl/status/statusor.h>

#include <string>
#include <vector>

namespace renderyard::postgres {

struct Migration {
  int version = 0;
  std::string name;    // file name, "0001_foundation.sql"
  std::string sha256;  // of its bytes, lowercase hex
  std::string sql;
};

// Those this binary was built with.
const std::vector<Migration>& embedded_migrations();
// Those of a directory. INVALID_ARGUMENT: a name that is not NNNN_name.sql, numbers that do not run 1, 2, 3, …, or
// nothing.
absl::StatusOr<std::vector<Migration>> read_migrations(const std::string& directory);

}  // namespace renderyard::postgres
