// The input, output and temp folders of a server.
#ifndef RENDERYARD_TESTS_COMFYSIM_FILES_H_
#define RENDERYARD_TESTS_COMFYSIM_FILES_H_

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tests/comfysim/pyjson.h"

namespace comfysim {

// A file as ComfyUI names it: {filename, subfolder, type}.
struct FileName {
  std::string filename;
  std::string subfolder;
  std::string type;  // "input", "output" or "temp"

  json::object to_json() const;
};

// Thread-safe as far as the file system is; only the worker picks output names.
class Files {
 public:
  // Makes the three folders below `root` and empties temp, as a start of ComfyUI does.
  explicit Files(std::filesystem::path root);

  const std::filesystem::path& root() const { return root_; }

  // Folder of a type; nullopt for a type that does not exist.
  std::optional<std::filesystem::path> folder(std::string_view type) const;

  // "sub/name.png [temp]" as inputs of LoadImage have it; the type defaults to `default_type`.
  std::filesystem::path annotated(std::string_view name, std::string_view default_type) const;

  // The name SaveImage gives the next file of `prefix` ("sub/pic" -> sub, pic_00001_.png): one more than the highest
  // counter that is there, of whatever ending. nullopt when the prefix leads out of the folder.
  std::optional<FileName> next_name(std::string_view prefix, std::string_view type, std::string_view ending) const;

  std::filesystem::path path_of(const FileName& name) const;

  // Names of the plain files in input, sorted: the choices of LoadImage.
  std::vector<std::string> inputs() const;

 private:
  std::filesystem::path root_;
};

// Whether `path` is `folder` or below it, after normalising both; nothing is looked up on disk.
bool is_below(const std::filesystem::path& folder, const std::filesystem::path& path);

// Splits off " [output]", " [input]" or " [temp]"; the second is empty when there is none.
std::pair<std::string, std::string> split_annotation(std::string_view name);

// The whole file; nullopt when it cannot be read.
std::optional<std::string> read_file(const std::filesystem::path& path);

// Writes the whole file under a temporary name and renames it, so that no reader sees half of it. Throws
// std::runtime_error.
void write_file(const std::filesystem::path& path, std::string_view bytes);

}  // namespace comfysim

#endif  // RENDERYARD_TESTS_COMFYSIM_FILES_H_
