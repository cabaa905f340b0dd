#include "tests/comfysim/image.h"

#include <jpeglib.h>  // needs <cstdio> before it
#include <png.h>
#include <zlib.h>

#include <cstdio>
#include <cstdlib>
#include <stdexcept>

namespace comfysim {
namespace {

std::string big_endian(std::uint32_t value) {
  std::string out;
  for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>((value >> shift) & 0xff);
  return out;
}

std::string text_chunk(const std::string& keyword, const std::string& value) {
  const std::string body = "tEXt" + keyword + std::string(1, '\0') + value;
  const auto crc = ::crc32(0, reinterpret_cast<const Bytef*>(body.data()), static_cast<uInt>(body.size()));
  return big_endian(static_cast<std::uint32_t>(body.size() - 4)) + body + big_endian(static_cast<std::uint32_t>(crc));
}

[[noreturn]] void throw_jpeg_error(j_common_ptr) {
  throw std::runtime_error("broken JPEG");
}

void keep_quiet(j_common_ptr, int) {}

std::optional<Picture> decode_png(std::string_view bytes) {
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  if (png_image_begin_read_from_memory(&image, bytes.data(), bytes.size()) == 0) return std::nullopt;
  image.format = PNG_FORMAT_RGB;
  Picture out(static_cast<int>(image.width), static_cast<int>(image.height));
  const png_color black{0, 0, 0};
  if (png_image_finish_read(&image, &black, out.rgb.data(), 0, nullptr) == 0) return std::nullopt;
  return out;
}

std::optional<Picture> decode_jpeg(std::string_view bytes) {
  jpeg_decompress_struct jpeg{};
  jpeg_error_mgr errors{};
  jpeg.err = jpeg_std_error(&errors);
  errors.error_exit = throw_jpeg_error;
  errors.emit_message = keep_quiet;
  jpeg_create_decompress(&jpeg);
  try {
    const std::string copy(bytes);
    jpeg_mem_src(&jpeg, reinterpret_cast<const unsigned char*>(copy.data()), copy.size());
    jpeg_read_header(&jpeg, TRUE);
    jpeg.out_color_space = JCS_RGB;
    jpeg_start_decompress(&jpeg);
    Picture out(static_cast<int>(jpeg.output_width), static_cast<int>(jpeg.output_height));
    while (jpeg.output_scanline < jpeg.output_height) {
      JSAMPROW row = out.pixel(0, static_cast<int>(jpeg.output_scanline));
      jpeg_read_scanlines(&jpeg, &row, 1);
    }
    jpeg_finish_decompress(&jpeg);
    jpeg_destroy_decompress(&jpeg);
    return out;
  } catch (const std::runtime_error&) {
    jpeg_destroy_decompress(&jpeg);
    return std::nullopt;
  }
}

}  // namespace

Picture::Picture(int w, int h)
    : width(w), height(h), rgb(static_cast<std::size_t>(w) * static_cast<std::size_t>(h) * 3) {}

std::string encode_png(const Picture& picture, const PngTexts& texts) {
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  image.width = static_cast<png_uint_32>(picture.width);
  image.height = static_cast<png_uint_32>(picture.height);
  image.format = PNG_FORMAT_RGB;
  image.flags = PNG_IMAGE_FLAG_FAST;
  png_alloc_size_t size = PNG_IMAGE_PNG_SIZE_MAX(image);
  std::string out(size, '\0');
  if (png_image_write_to_memory(&image, out.data(), &size, 0, picture.rgb.data(), 0, nullptr) == 0) {
    throw std::runtime_error(image.message);
  }
  out.resize(size);
  constexpr std::size_t kAfterHeader = 33;  // signature 8, IHDR 12 + 13
  std::string chunks;
  for (const auto& [keyword, value] : texts) chunks += text_chunk(keyword, value);
  out.insert(kAfterHeader, chunks);
  return out;
}

std::string encode_jpeg(const Picture& picture, int quality) {
  jpeg_compress_struct jpeg{};
  jpeg_error_mgr errors{};
  jpeg.err = jpeg_std_error(&errors);
  errors.error_exit = throw_jpeg_error;
  jpeg_create_compress(&jpeg);
  unsigned char* memory = nullptr;
  unsigned long size = 0;  // NOLINT(google-runtime-int): libjpeg's type
  jpeg_mem_dest(&jpeg, &memory, &size);
  jpeg.image_width = static_cast<JDIMENSION>(picture.width);
  jpeg.image_height = static_cast<JDIMENSION>(picture.height);
  jpeg.input_components = 3;
  jpeg.in_color_space = JCS_RGB;
  jpeg_set_defaults(&jpeg);
  jpeg_set_quality(&jpeg, quality, TRUE);
  jpeg_start_compress(&jpeg, TRUE);
  std::vector<std::uint8_t> line(static_cast<std::size_t>(picture.width) * 3);
  while (jpeg.next_scanline < jpeg.image_height) {
    const std::uint8_t* source = picture.pixel(0, static_cast<int>(jpeg.next_scanline));
    line.assign(source, source + line.size());
    JSAMPROW row = line.data();
    jpeg_write_scanlines(&jpeg, &row, 1);
  }
  jpeg_finish_compress(&jpeg);
  jpeg_destroy_compress(&jpeg);
  std::string out(reinterpret_cast<const char*>(memory), size);
  std::free(memory);  // NOLINT(cppcoreguidelines-no-malloc): libjpeg allocates with malloc
  return out;
}

std::optional<Picture> decode_image(std::string_view bytes) {
  if (bytes.starts_with("\x89PNG")) return decode_png(bytes);
  if (bytes.starts_with("\xff\xd8")) return decode_jpeg(bytes);
  return std::nullopt;
}

Picture scale(const Picture& picture, int width, int height) {
  Picture out(width, height);
  for (int y = 0; y < height; ++y) {
    const int from_y = static_cast<int>(static_cast<std::int64_t>(y) * picture.height / height);
    for (int x = 0; x < width; ++x) {
      const int from_x = static_cast<int>(static_cast<std::int64_t>(x) * picture.width / width);
      const std::uint8_t* source = picture.pixel(from_x, from_y);
      std::copy(source, source + 3, out.pixel(x, y));
    }
  }
  return out;
}

}  // namespace comfysim
