#include "libs/common/testing/fake_comfy/written_files.h"

#include <absl/time/time.h>

#include <cstdio>

namespace renderyard::testing {

namespace {

constexpr char kStrangersPicture[] = "somebody else's picture, which is larger than ours was";

std::string key_of(const domain::OutputFile& file) {
  return file.type + "/" + file.subfolder + "/" + file.filename;
}

}  // namespace

domain::OutputFile WrittenFiles::write(const ComfyNode& node, std::string content) {
  domain::OutputFile file;
  file.node_id = node.id;
  file.kind = "images";
  file.type = "output";
  const auto slash = node.filename_prefix.rfind('/');
  if (slash != std::string::npos) file.subfolder = node.filename_prefix.substr(0, slash);
  const std::string stem = slash == std::string::npos ? node.filename_prefix : node.filename_prefix.substr(slash + 1);
  file.filename = stem;
  if (!stem.ends_with(".png")) {
    const int number = ++counters_[node.filename_prefix];
    char counter[16];
    std::snprintf(counter, sizeof counter, "_%05d_.png", number);
    file.filename += counter;
  }
  put(file, std::move(content));
  return file;
}

absl::StatusOr<WrittenFiles::File> WrittenFiles::read(const domain::OutputFile& file) const {
  auto it = files_.find(key_of(file));
  if (it == files_.end()) return absl::NotFoundError("404: no such file");
  return it->second;
}

bool WrittenFiles::overwrite(const domain::OutputFile& file) {
  if (file.subfolder.starts_with("renderyard/")) return false;
  put(file, kStrangersPicture);
  return true;
}

WrittenFiles::Versions WrittenFiles::versions(const std::vector<domain::OutputFile>& files) const {
  Versions versions;
  for (const domain::OutputFile& file : files) versions.emplace_back(file, etag_of(file));
  return versions;
}

void WrittenFiles::overwrite_unchanged(const Versions& files) {
  for (const auto& [file, etag] : files) {
    if (etag_of(file) == etag) overwrite(file);
  }
}

const std::string& WrittenFiles::etag_of(const domain::OutputFile& file) const {
  return *files_.at(key_of(file)).version.etag;
}

void WrittenFiles::put(const domain::OutputFile& file, std::string content) {
  File written;
  written.version.size_bytes = static_cast<std::int64_t>(content.size());
  // Whole seconds, as in Last-Modified.
  written.version.modified_at = absl::FromUnixSeconds(absl::ToUnixSeconds(world_.now()));
  written.version.etag = std::to_string(++written_);
  written.content = std::move(content);
  files_.insert_or_assign(key_of(file), std::move(written));
}

}  // namespace renderyard::testing
