#include "tests/comfysim/media_type.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <string>
#include <utility>

namespace comfysim {

std::string_view media_type(std::string_view file_name) {
  static constexpr std::array<std::pair<std::string_view, std::string_view>, 22> kTypes = {{
      {"png", "image/png"},         {"jpg", "image/jpeg"},      {"jpeg", "image/jpeg"}, {"webp", "image/webp"},
      {"gif", "image/gif"},         {"bmp", "image/bmp"},       {"tiff", "image/tiff"}, {"svg", "image/svg+xml"},
      {"flac", "audio/flac"},       {"mp3", "audio/mpeg"},      {"wav", "audio/x-wav"}, {"ogg", "audio/ogg"},
      {"opus", "audio/opus"},       {"mp4", "video/mp4"},       {"webm", "video/webm"}, {"mov", "video/quicktime"},
      {"txt", "text/plain"},        {"html", "text/html"},      {"css", "text/css"},    {"js", "text/javascript"},
      {"json", "application/json"}, {"pdf", "application/pdf"},
  }};
  const std::size_t dot = file_name.rfind('.');
  std::string ending(dot == std::string_view::npos ? std::string_view() : file_name.substr(dot + 1));
  std::transform(ending.begin(), ending.end(), ending.begin(), [](unsigned char c) { return std::tolower(c); });
  for (const auto& [known, type] : kTypes) {
    if (known == ending) return type;
  }
  return "application/octet-stream";
}

}  // namespace comfysim
