// Pictures in memory and their PNG and JPEG forms.
#ifndef RENDERYARD_TESTS_COMFYSIM_IMAGE_H_
#define RENDERYARD_TESTS_COMFYSIM_IMAGE_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace comfysim {

// 8-bit RGB, rows from the top, 3 bytes a pixel without padding.
struct Picture {
  int width = 0;
  int height = 0;
  std::vector<std::uint8_t> rgb;

  Picture(int w, int h);
  std::uint8_t* pixel(int x, int y) { return &rgb[offset(x, y)]; }
  const std::uint8_t* pixel(int x, int y) const { return &rgb[offset(x, y)]; }

 private:
  std::size_t offset(int x, int y) const {
    return (static_cast<std::size_t>(y) * static_cast<std::size_t>(width) + static_cast<std::size_t>(x)) * 3;
  }
};

// A batch as nodes pass it on; the pictures are shared and never changed.
using PicturePtr = std::shared_ptr<const Picture>;
using Batch = std::vector<PicturePtr>;

// Text chunks of a PNG: keyword and value (Latin-1 or ASCII).
using PngTexts = std::vector<std::pair<std::string, std::string>>;

std::string encode_png(const Picture& picture, const PngTexts& texts = {});
std::string encode_jpeg(const Picture& picture, int quality);

// Decodes PNG or JPEG, told apart by their first bytes; nullopt when it is neither or broken.
std::optional<Picture> decode_image(std::string_view bytes);

// Nearest-neighbour scaling.
Picture scale(const Picture& picture, int width, int height);

}  // namespace comfysim

#endif  // RENDERYARD_TESTS_COMFYSIM_IMAGE_H_
