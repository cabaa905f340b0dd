#include "libs/common/adapters/postgres/migrations.h"

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <utility>

#include "libs/common/adapters/postgres/digest.h"
#include "libs/common/adapters/postgres/embedded_migrations.h"

namespace renderyard::postgres {

namespace {

// 0 when the name is not NNNN_name.sql.
int version_of(const std::string& name) {
  const bool shape = name.size() > 9 && name[4] == '_' && name.ends_with(".sql") &&
                     std::all_of(name.begin(), name.begin() + 4, [](unsigned char c) { return std::isdigit(c) != 0; });
  return shape ? std::stoi(name.substr(0, 4)) : 0;
}

// Sorts by version; INVALID_ARGUMENT unless they are 1, 2, 3, ….
absl::StatusOr<std::vector<Migration>> in_order(std::vector<std::pair<std::string, std::string>> files) {
  std::sort(files.begin(), files.end());
  std::vector<Migration> migrations;
  for (auto& [name, sql] : files) {
    const int version = version_of(name);
    if (version != static_cast<int>(migrations.size()) + 1) {
      return absl::InvalidArgumentError("migration " + name + " is not number " +
                                        std::to_string(migrations.size() + 1) + " (NNNN_name.sql, without gaps)");
    }
    std::string sha256 = sha256_hex(sql);
    migrations.push_back({.version = version, .name = name, .sha256 = std::move(sha256), .sql = std::move(sql)});
  }
  if (migrations.empty()) return absl::InvalidArgumentError("there are no migrations");
  return migrations;
}

}  // namespace

const std::vector<Migration>& embedded_migrations() {
  static const std::vector<Migration>& migrations = *new std::vector<Migration>([] {
    std::vector<std::pair<std::string, std::string>> files;
    for (const auto& [name, sql] : kEmbeddedMigrations) files.emplace_back(name, sql);
    return *in_order(std::move(files));
  }());
  return migrations;
}

absl::StatusOr<std::vector<Migration>> read_migrations(const std::string& directory) {
  std::vector<std::pair<std::string, std::string>> files;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(directory, error)) {
    if (entry.path().extension() != ".sql") continue;
    std::ifstream in(entry.path(), std::ios::binary);
    std::stringstream text;
    text << in.rdbuf();
    if (!in) return absl::InvalidArgumentError("cannot read " + entry.path().string());
    files.emplace_back(entry.path().filename().string(), text.str());
  }
  if (error) return absl::InvalidArgumentError("cannot read the directory " + directory);
  return in_order(std::move(files));
}

}  // namespace renderyard::postgres
