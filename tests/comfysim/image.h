// Pictures in memory and their PNG, JPEG and WebP forms.
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
  std::vector<std::uint8_t> alpha;  // one byte a pixel; empty: opaque

  Picture(int w, int h);
  std::uint8_t* pixel(int x, int y) { return &rgb[index(x, y) * 3]; }
  const std::uint8_t* pixel(int x, int y) const { return &rgb[index(x, y) * 3]; }
  std::size_t index(int x, int y) const {
    return static_cast<std::size_t>(y) * static_cast<std::size_t>(width) + static_cast<std::size_t>(x);
  }
};

// A batch as nodes pass it on; the pictures are shared and never changed.
using PicturePtr = std::shared_ptr<const Picture>;
using Batch = std::vector<PicturePtr>;

// Text chunks of a PNG: keyword and value (Latin-1 or ASCII).
using PngTexts = std::vector<std::pair<std::string, std::string>>;

// Each throws std::runtime_error when the library refuses, as for a picture that is too large for the form. JPEG drops
// the alpha. `quality` 0..100.
std::string encode_png(const Picture& picture, const PngTexts& texts = {});
std::string encode_jpeg(const Picture& picture, int quality);
std::string encode_webp(const Picture& picture, int quality);

// Each decodes one form; nullopt when the bytes are of another or broken. Of an animated WebP the first frame counts.
std::optional<Picture> decode_png(std::string_view bytes);
std::optional<Picture> decode_jpeg(std::string_view bytes);
std::optional<Picture> decode_webp(std::string_view bytes);

// Decodes PNG, JPEG or WebP, told apart by their first bytes; nullopt when it is none of them or broken.
std::optional<Picture> decode_image(std::string_view bytes);

// Red, green, blue, alpha of each pixel.
std::vector<std::uint8_t> to_rgba(const Picture& picture);
// The reverse; `opaque` drops the alpha.
Picture from_rgba(const std::uint8_t* rgba, int width, int height, bool opaque);

// Nearest-neighbour scaling.
Picture scale(const Picture& picture, int width, int height);

// The part of `width` x `height` pixels that begins at (x, y); must be within the picture.
Picture crop(const Picture& picture, int x, int y, int width, int height);

}  // namespace comfysim

#endif  // RENDERYARD_TESTS_COMFYSIM_IMAGE_H_
