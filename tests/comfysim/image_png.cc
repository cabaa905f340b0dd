#include <png.h>
#include <zlib.h>

#include <stdexcept>

#include "tests/comfysim/image.h"
#include "tests/comfysim/png_chunk.h"

namespace comfysim {

std::string encode_png(const Picture& picture, const PngTexts& texts) {
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  image.width = static_cast<png_uint_32>(picture.width);
  image.height = static_cast<png_uint_32>(picture.height);
  image.format = picture.alpha.empty() ? PNG_FORMAT_RGB : PNG_FORMAT_RGBA;
  image.flags = PNG_IMAGE_FLAG_FAST;
  png_alloc_size_t size = PNG_IMAGE_PNG_SIZE_MAX(image);
  std::string out(size, '\0');
  const std::vector<std::uint8_t> pixels = picture.alpha.empty() ? picture.rgb : to_rgba(picture);
  if (png_image_write_to_memory(&image, out.data(), &size, 0, pixels.data(), 0, nullptr) == 0) {
    throw std::runtime_error(image.message);
  }
  out.resize(size);
  constexpr std::size_t kAfterHeader = 33;  // signature 8, IHDR 12 + 13
  std::string chunks;
  for (const auto& [keyword, value] : texts) chunks += png_chunk("tEXt", keyword + std::string(1, '\0') + value);
  out.insert(kAfterHeader, chunks);
  return out;
}

std::optional<Picture> decode_png(std::string_view bytes) {
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  if (png_image_begin_read_from_memory(&image, bytes.data(), bytes.size()) == 0) return std::nullopt;
  const bool opaque = (image.format & PNG_FORMAT_FLAG_ALPHA) == 0;
  image.format = PNG_FORMAT_RGBA;
  std::vector<std::uint8_t> pixels(PNG_IMAGE_SIZE(image));
  if (png_image_finish_read(&image, nullptr, pixels.data(), 0, nullptr) == 0) return std::nullopt;
  return from_rgba(pixels.data(), static_cast<int>(image.width), static_cast<int>(image.height), opaque);
}

}  // namespace comfysim
