// /view and /upload/image.
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <ctime>
#include <map>
#include <stdexcept>

#include "tests/comfysim/files.h"
#include "tests/comfysim/image.h"
#include "tests/comfysim/media_type.h"
#include "tests/comfysim/multipart.h"
#include "tests/comfysim/routes.h"

namespace comfysim {
namespace {

namespace fs = std::filesystem;

// ETag and Last-Modified as aiohttp makes them: "mtime in ns, hex - size, hex".
void add_validators(const fs::path& file, HttpResponse& response) {
  struct stat info {};
  if (::stat(file.c_str(), &info) != 0) return;
  std::array<char, 64> text{};
  const auto nanoseconds = static_cast<unsigned long long>(info.st_mtim.tv_sec) * 1'000'000'000ULL +  // NOLINT
                           static_cast<unsigned long long>(info.st_mtim.tv_nsec);                     // NOLINT
  std::snprintf(text.data(), text.size(), "\"%llx-%llx\"", nanoseconds,
                static_cast<unsigned long long>(info.st_size));  // NOLINT(google-runtime-int)
  response.headers.emplace_back("ETag", text.data());
  std::tm parts{};
  ::gmtime_r(&info.st_mtim.tv_sec, &parts);
  std::strftime(text.data(), text.size(), "%a, %d %b %Y %H:%M:%S GMT", &parts);
  response.headers.emplace_back("Last-Modified", text.data());
  response.headers.emplace_back("Accept-Ranges", "bytes");
}

// "bytes=a-b" of a Range header; leaves the response whole when it is of another form.
void apply_range(const std::string& range, HttpResponse& response) {
  if (!range.starts_with("bytes=")) return;
  const std::size_t dash = range.find('-');
  const std::size_t size = response.body.size();
  std::size_t first = 0;
  std::size_t last = size == 0 ? 0 : size - 1;
  const auto begin = std::from_chars(range.data() + 6, range.data() + range.size(), first);
  if (dash == std::string::npos || begin.ptr != range.data() + dash) return;
  if (dash + 1 < range.size()) {
    const auto end = std::from_chars(range.data() + dash + 1, range.data() + range.size(), last);
    if (end.ptr != range.data() + range.size()) return;
  }
  if (first >= size || last < first) {
    response = text_response(416, "416: Range Not Satisfiable");
    response.headers.emplace_back("Content-Range", "bytes */" + std::to_string(size));
    return;
  }
  last = std::min(last, size - 1);
  response.status = 206;
  response.headers.emplace_back(
      "Content-Range", "bytes " + std::to_string(first) + "-" + std::to_string(last) + "/" + std::to_string(size));
  response.body = response.body.substr(first, last - first + 1);
}

// preview=jpeg;90 makes a JPEG, preview=webp as well (there is no WebP encoder here). channel=rgb: without metadata.
bool convert(const HttpRequest& request, HttpResponse& response) {
  const std::string preview = request.parameter("preview").value_or("");
  const std::string channel = request.parameter("channel").value_or("rgba");
  if (preview.empty() && channel != "rgb") return false;
  const std::optional<Picture> picture = decode_image(response.body);
  if (!picture) return false;
  response.content_type = preview.empty() ? "image/png" : "image/jpeg";
  response.body = preview.empty() ? encode_png(*picture) : encode_jpeg(*picture, 90);
  return true;
}

}  // namespace

HttpResponse Routes::get_view(HttpRequest& request, const std::string&) {
  const auto [filename, annotation] = split_annotation(request.parameter("filename").value_or(""));
  if (filename.empty()) return empty_response(404);
  if (filename.front() == '/' || filename.find("..") != std::string::npos) return empty_response(400);
  std::string type = annotation;
  if (type.empty()) type = request.parameter("type").value_or("output");
  const std::optional<fs::path> folder = machine_.files.folder(type);
  if (!folder) return empty_response(400);
  const fs::path directory = *folder / request.parameter("subfolder").value_or("");
  if (!is_below(*folder, directory)) return empty_response(403);
  const fs::path file = directory / fs::path(filename).filename();
  std::optional<std::string> bytes = read_file(file);
  if (!bytes) return empty_response(404);
  HttpResponse out;
  out.content_type = media_type(file.filename().string());
  out.body = std::move(*bytes);
  out.headers.emplace_back("Content-Disposition", "filename=\"" + file.filename().string() + "\"");
  if (convert(request, out)) return out;
  out.headers.emplace_back("X-Content-Type-Options", "nosniff");
  add_validators(file, out);
  apply_range(request.header("range"), out);
  return out;
}

HttpResponse Routes::post_upload(HttpRequest& request, const std::string&) {
  std::map<std::string, FormPart> form = parse_form(request.header("content-type"), request.body);
  const auto image = form.find("image");
  if (image == form.end() || image->second.filename.value_or("").empty()) return empty_response(400);
  const std::string type = form.contains("type") ? form["type"].content : "input";
  const std::optional<fs::path> root = machine_.files.folder(type);
  if (!root) throw std::invalid_argument("unknown upload type");
  const std::string subfolder = form["subfolder"].content;
  const fs::path wanted = fs::path(*image->second.filename);
  const fs::path folder = *root / subfolder;
  if (!is_below(*root, folder / wanted)) return empty_response(400);
  fs::create_directories((folder / wanted).parent_path());
  const std::string overwrite = form["overwrite"].content;
  std::string name = wanted.string();
  bool duplicate = false;
  if (overwrite != "true" && overwrite != "1") {
    const std::string stem = (wanted.parent_path() / wanted.stem()).string();
    for (int i = 1; fs::exists(folder / name) && !duplicate; ++i) {
      duplicate = read_file(folder / name) == image->second.content;
      if (!duplicate) name = stem + " (" + std::to_string(i) + ")" + wanted.extension().string();
    }
  }
  if (!duplicate) write_file(folder / name, image->second.content);
  return json_response({{"name", name}, {"subfolder", subfolder}, {"type", type}});
}

}  // namespace comfysim
