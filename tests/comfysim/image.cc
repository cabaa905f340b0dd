#include "tests/comfysim/image.h"

#include <algorithm>

namespace comfysim {

Picture::Picture(int w, int h)
    : width(w), height(h), rgb(static_cast<std::size_t>(w) * static_cast<std::size_t>(h) * 3) {}

std::optional<Picture> decode_image(std::string_view bytes) {
  if (bytes.starts_with("\x89PNG")) return decode_png(bytes);
  if (bytes.starts_with("\xff\xd8")) return decode_jpeg(bytes);
  if (bytes.starts_with("RIFF")) return decode_webp(bytes);
  return std::nullopt;
}

std::vector<std::uint8_t> to_rgba(const Picture& picture) {
  std::vector<std::uint8_t> out;
  out.reserve(picture.rgb.size() / 3 * 4);
  for (std::size_t i = 0; i < picture.rgb.size(); i += 3) {
    out.insert(out.end(), {picture.rgb[i], picture.rgb[i + 1], picture.rgb[i + 2],
                           picture.alpha.empty() ? std::uint8_t{255} : picture.alpha[i / 3]});
  }
  return out;
}

Picture from_rgba(const std::uint8_t* rgba, int width, int height, bool opaque) {
  Picture out(width, height);
  const std::size_t pixels = out.rgb.size() / 3;
  if (!opaque) out.alpha.resize(pixels);
  for (std::size_t i = 0; i < pixels; ++i) {
    std::copy(rgba + i * 4, rgba + i * 4 + 3, &out.rgb[i * 3]);
    if (!opaque) out.alpha[i] = rgba[i * 4 + 3];
  }
  return out;
}

Picture scale(const Picture& picture, int width, int height) {
  Picture out(width, height);
  if (!picture.alpha.empty()) out.alpha.resize(out.rgb.size() / 3);
  for (int y = 0; y < height; ++y) {
    const int from_y = static_cast<int>(static_cast<std::int64_t>(y) * picture.height / height);
    for (int x = 0; x < width; ++x) {
      const int from_x = static_cast<int>(static_cast<std::int64_t>(x) * picture.width / width);
      const std::uint8_t* source = picture.pixel(from_x, from_y);
      std::copy(source, source + 3, out.pixel(x, y));
      if (!out.alpha.empty()) out.alpha[out.index(x, y)] = picture.alpha[picture.index(from_x, from_y)];
    }
  }
  return out;
}

Picture crop(const Picture& picture, int x, int y, int width, int height) {
  Picture out(width, height);
  if (!picture.alpha.empty()) out.alpha.resize(out.rgb.size() / 3);
  for (int row = 0; row < height; ++row) {
    const std::uint8_t* source = picture.pixel(x, y + row);
    std::copy(source, source + static_cast<std::ptrdiff_t>(width) * 3, out.pixel(0, row));
    if (out.alpha.empty()) continue;
    std::copy_n(&picture.alpha[picture.index(x, y + row)], width, &out.alpha[out.index(0, row)]);
  }
  return out;
}

}  // namespace comfysim
