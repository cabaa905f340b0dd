#include "tests/comfysim/files.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <utility>

#include "tests/comfysim/nul.h"

namespace comfysim {
namespace {

namespace fs = std::filesystem;

constexpr std::array<std::string_view, 3> kTypes = {"input", "output", "temp"};

// The counter of "<prefix>_00012_.png", or 0 when the name is not of that form.
int counter_of(std::string_view name, std::string_view prefix) {
  if (!name.starts_with(prefix) || name.size() <= prefix.size() || name[prefix.size()] != '_') return 0;
  name.remove_prefix(prefix.size() + 1);
  const std::string_view digits = name.substr(0, name.find('_'));
  int value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  return error == std::errc() && end == digits.data() + digits.size() ? value : 0;
}

}  // namespace

json::object FileName::to_json() const {
  return json::object{{"filename", filename}, {"subfolder", subfolder}, {"type", type}};
}

Files::Files(fs::path root) : root_(std::move(root)) {
  fs::create_directories(root_);
  root_ = fs::canonical(root_);
  fs::remove_all(root_ / "temp");
  for (const std::string_view type : kTypes) fs::create_directories(root_ / type);
}

std::optional<fs::path> Files::folder(std::string_view type) const {
  if (std::find(kTypes.begin(), kTypes.end(), type) == kTypes.end()) return std::nullopt;
  return root_ / type;
}

fs::path Files::annotated(std::string_view name, std::string_view default_type) const {
  const auto [plain, type] = split_annotation(name);
  return root_ / (type.empty() ? std::string(default_type) : type) / plain;
}

std::optional<FileName> Files::next_name(std::string_view prefix, std::string_view type,
                                         std::string_view ending) const {
  const fs::path normal = fs::path(prefix).lexically_normal();
  const std::string subfolder = normal.parent_path().string();
  const std::string stem = normal.filename().string();
  const fs::path folder = root_ / type / subfolder;
  if (!is_below(root_ / type, folder)) return std::nullopt;
  fs::create_directories(folder);
  int highest = 0;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
    highest = std::max(highest, counter_of(entry.path().filename().string(), stem));
  }
  std::array<char, 32> counter{};
  std::snprintf(counter.data(), counter.size(), "_%05d_", highest + 1);
  return FileName{stem + counter.data() + std::string(ending), subfolder, std::string(type)};
}

fs::path Files::path_of(const FileName& name) const {
  return root_ / name.type / name.subfolder / name.filename;
}

std::vector<std::string> Files::inputs() const {
  std::vector<std::string> out;
  for (const fs::directory_entry& entry : fs::directory_iterator(root_ / "input")) {
    if (entry.is_regular_file()) out.push_back(entry.path().filename().string());
  }
  std::sort(out.begin(), out.end());
  return out;
}

bool is_below(const fs::path& folder, const fs::path& path) {
  const fs::path outer = folder.lexically_normal();
  const fs::path inner = path.lexically_normal();
  return std::mismatch(outer.begin(), outer.end(), inner.begin(), inner.end()).first == outer.end();
}

std::pair<std::string, std::string> split_annotation(std::string_view name) {
  for (const std::string_view type : kTypes) {
    const std::string mark = " [" + std::string(type) + "]";
    if (name.ends_with(mark)) return {std::string(name.substr(0, name.size() - mark.size())), std::string(type)};
  }
  return {std::string(name), ""};
}

std::optional<std::string> read_file(const fs::path& path) {
  std::error_code error;
  if (has_nul(path.native()) || !fs::is_regular_file(path, error)) return std::nullopt;
  std::ifstream in(path, std::ios::binary);
  if (!in) return std::nullopt;
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

void write_file(const fs::path& path, std::string_view bytes) {
  fs::path temporary = path;
  temporary += ".part";
  {
    std::ofstream out(temporary, std::ios::binary | std::ios::trunc);
    out.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    if (!out.flush()) throw std::runtime_error("cannot write " + path.string());
  }
  fs::rename(temporary, path);
}

}  // namespace comfysim
