#include <webp/decode.h>
#include <webp/encode.h>

#include <stdexcept>

#include "tests/comfysim/image.h"

namespace comfysim {
namespace {

const std::uint8_t* data_of(std::string_view bytes) {
  return reinterpret_cast<const std::uint8_t*>(bytes.data());
}

}  // namespace

std::string encode_webp(const Picture& picture, int quality) {
  std::uint8_t* memory = nullptr;
  const auto level = static_cast<float>(quality);
  std::size_t size = 0;
  if (picture.alpha.empty()) {
    size = WebPEncodeRGB(picture.rgb.data(), picture.width, picture.height, picture.width * 3, level, &memory);
  } else {
    size = WebPEncodeRGBA(to_rgba(picture).data(), picture.width, picture.height, picture.width * 4, level, &memory);
  }
  if (size == 0) throw std::runtime_error("cannot encode as WebP");
  std::string out(reinterpret_cast<const char*>(memory), size);
  WebPFree(memory);
  return out;
}

std::optional<Picture> decode_webp(std::string_view bytes) {
  WebPBitstreamFeatures features{};
  if (WebPGetFeatures(data_of(bytes), bytes.size(), &features) != VP8_STATUS_OK) return std::nullopt;
  int width = 0;
  int height = 0;
  std::uint8_t* memory = WebPDecodeRGBA(data_of(bytes), bytes.size(), &width, &height);
  if (memory == nullptr) return std::nullopt;
  Picture out = from_rgba(memory, width, height, features.has_alpha == 0);
  WebPFree(memory);
  return out;
}

}  // namespace comfysim
