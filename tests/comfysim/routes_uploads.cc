// /upload/image and /upload/mask.
#include <filesystem>
#include <map>
#include <stdexcept>

#include "tests/comfysim/files.h"
#include "tests/comfysim/image.h"
#include "tests/comfysim/multipart.h"
#include "tests/comfysim/nul.h"
#include "tests/comfysim/routes.h"

namespace comfysim {
namespace {

namespace fs = std::filesystem;

using Form = std::map<std::string, FormPart>;

std::string field(const Form& form, const std::string& name) {
  const auto found = form.find(name);
  return found == form.end() ? std::string() : found->second.content;
}

// The file `original_ref` names; nullopt when it leads nowhere. Throws when it is no JSON or names no file: the real
// one does not look.
std::optional<std::string> original_of(const Form& form, const Files& files) {
  const std::optional<json::value> reference = parse_json(field(form, "original_ref"));
  const json::value* name = reference ? member(*reference, "filename") : nullptr;
  if (name == nullptr || !name->is_string()) throw std::invalid_argument("original_ref");
  const auto text = [&](const char* key, const char* otherwise) {
    const json::value* value = member(*reference, key);
    return value == nullptr ? std::string(otherwise) : python_str(*value);
  };
  const auto [filename, annotation] = split_annotation(python_str(*name));
  if (filename.empty() || filename.front() == '/' || filename.find("..") != std::string::npos) return std::nullopt;
  const std::optional<fs::path> folder = files.folder(annotation.empty() ? text("type", "output") : annotation);
  if (!folder) return std::nullopt;
  const fs::path directory = *folder / text("subfolder", "");
  if (!is_below(*folder, directory)) return std::nullopt;
  return read_file(directory / fs::path(filename).filename());
}

// The original with the alpha of the upload. Throws when one of them is no picture or they differ in size.
std::string masked(const std::string& original, const std::string& upload) {
  std::optional<Picture> picture = decode_image(original);
  const std::optional<Picture> mask = decode_image(upload);
  if (!picture || !mask) throw std::invalid_argument("cannot identify image file");
  if (picture->width != mask->width || picture->height != mask->height) {
    throw std::invalid_argument("images do not match");
  }
  picture->alpha = mask->alpha;
  if (picture->alpha.empty()) picture->alpha.assign(picture->rgb.size() / 3, 255);
  return encode_png(*picture);
}

// "name.png", or "name (1).png" and so on while other files have that name. Sets `duplicate` when one of them has the
// same bytes and that is looked at.
std::string free_name(const fs::path& folder, const std::string& wanted, const std::string& bytes, bool compare,
                      bool& duplicate) {
  const fs::path path(wanted);
  const std::string stem = (path.parent_path() / path.stem()).string();
  std::string name = wanted;
  for (int i = 1; fs::exists(folder / name); ++i) {
    duplicate = compare && read_file(folder / name) == bytes;
    if (duplicate) return name;
    name = stem + " (" + std::to_string(i) + ")" + path.extension().string();
  }
  return name;
}

}  // namespace

HttpResponse Routes::post_upload(HttpRequest& request, const std::string&) {
  return accept_upload(parse_form(request.header("content-type"), request.body), false);
}

HttpResponse Routes::post_upload_mask(HttpRequest& request, const std::string&) {
  return accept_upload(parse_form(request.header("content-type"), request.body), true);
}

HttpResponse Routes::accept_upload(const Form& form, bool is_mask) {
  const std::string type = form.contains("type") ? field(form, "type") : "input";
  const std::optional<fs::path> root = machine_.files.folder(type);
  if (!root) throw std::invalid_argument("unknown upload type");
  const auto image = form.find("image");
  if (image == form.end()) return empty_response(400);
  if (!image->second.filename) {
    // A field that is no file: empty is none, anything else is a type error.
    return image->second.content.empty() ? empty_response(400) : trouble();
  }
  const std::string& wanted = *image->second.filename;
  if (wanted.empty()) return empty_response(400);
  const std::string subfolder = field(form, "subfolder");
  if (has_nul(wanted) || has_nul(subfolder)) throw std::invalid_argument("embedded null byte");
  const fs::path folder = *root / subfolder;
  if (!is_below(*root, folder / wanted)) return empty_response(400);
  fs::create_directories(folder);
  const std::string overwrite = field(form, "overwrite");
  const std::string& bytes = image->second.content;
  std::string name = wanted;
  bool duplicate = false;
  if (overwrite != "true" && overwrite != "1") {
    name = free_name(folder, wanted, bytes, machine_.generation.upload_duplicates, duplicate);
  }
  if (!duplicate && !is_mask) write_file(folder / name, bytes);
  if (!duplicate && is_mask) {
    // The real one answers with the name also when there is no original and so no file.
    if (const std::optional<std::string> original = original_of(form, machine_.files)) {
      write_file(folder / name, masked(*original, bytes));
    }
  }
  return json_response({{"name", name}, {"subfolder", subfolder}, {"type", type}});
}

}  // namespace comfysim
