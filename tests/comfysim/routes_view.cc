// /view and /view_metadata.
#include <algorithm>
#include <cctype>
#include <charconv>
#include <filesystem>
#include <stdexcept>

#include "tests/comfysim/file_response.h"
#include "tests/comfysim/files.h"
#include "tests/comfysim/image.h"
#include "tests/comfysim/media_type.h"
#include "tests/comfysim/routes.h"

namespace comfysim {
namespace {

namespace fs = std::filesystem;

constexpr int kQuality = 90;

Picture picture_of(const std::string& bytes) {
  std::optional<Picture> picture = decode_image(bytes);
  if (!picture) throw std::invalid_argument("cannot identify image file");
  return std::move(*picture);
}

// preview=webp;50 or preview=jpeg. Every other form, and every preview with an alpha channel, is WebP.
void make_preview(const std::string& wish, const std::string& channel, HttpResponse& response) {
  const std::string form = wish.substr(0, wish.find(';'));
  const bool jpeg = form == "jpeg" && channel.find('a') == std::string::npos;
  const std::string last = wish.substr(wish.rfind(';') + 1);  // the whole of it when there is no semicolon
  int quality = kQuality;
  if (!last.empty() && std::all_of(last.begin(), last.end(), [](unsigned char c) { return std::isdigit(c) != 0; })) {
    std::from_chars(last.data(), last.data() + last.size(), quality);
  }
  Picture picture = picture_of(response.body);
  if (channel == "rgb") picture.alpha.clear();
  quality = std::clamp(quality, 0, 100);
  response.content_type = jpeg ? "image/jpeg" : "image/webp";
  response.body = jpeg ? encode_jpeg(picture, quality) : encode_webp(picture, quality);
}

// channel=rgb is the picture without alpha and texts, channel=a the alpha alone on black.
void keep_channel(const std::string& channel, HttpResponse& response) {
  Picture picture = picture_of(response.body);
  if (channel == "rgb") {
    picture.alpha.clear();
  } else {
    if (picture.alpha.empty()) picture.alpha.assign(picture.rgb.size() / 3, 255);
    std::fill(picture.rgb.begin(), picture.rgb.end(), std::uint8_t{0});
  }
  response.content_type = "image/png";
  response.body = encode_png(picture);
}

// What a browser would run instead of showing it.
bool is_active(std::string_view type) {
  return type == "text/html" || type == "text/javascript" || type == "text/css" || type == "application/xhtml+xml";
}

}  // namespace

HttpResponse Routes::get_view(HttpRequest& request, const std::string&) {
  if (!request.parameter("filename")) return empty_response(404);
  const auto [filename, annotation] = split_annotation(*request.parameter("filename"));
  if (filename.empty()) {
    // Without the check it is an index error.
    return machine_.generation.active_files_hidden ? empty_response(400) : trouble();
  }
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

  const std::string name = file.filename().string();
  const std::string channel = request.parameter("channel").value_or("rgba");
  HttpResponse out;
  out.body = std::move(*bytes);
  std::string disposition = "filename=\"" + name + "\"";
  if (request.parameter("preview")) {
    make_preview(*request.parameter("preview"), request.parameter("channel").value_or(""), out);
  } else if (channel == "rgb" || channel == "a") {
    keep_channel(channel, out);
  } else {
    out.content_type = media_type(name);
    const bool attached = machine_.generation.nosniff && (is_active(out.content_type) || name.ends_with(".svg"));
    if (attached) disposition = "attachment; " + disposition;
    if (machine_.generation.active_files_hidden && (attached || is_active(out.content_type))) {
      out.content_type = "application/octet-stream";
    }
    out.headers.emplace_back("Content-Disposition", disposition);
    if (machine_.generation.nosniff) out.headers.emplace_back("X-Content-Type-Options", "nosniff");
    return file_response(request, file, std::move(out));
  }
  out.headers.emplace_back("Content-Disposition", disposition);
  return out;
}

// Nobody has put metadata into the models there are, which is a 404 like everything else that can be wrong.
HttpResponse Routes::get_view_metadata(HttpRequest&, const std::string&) {
  return empty_response(404);
}

}  // namespace comfysim
