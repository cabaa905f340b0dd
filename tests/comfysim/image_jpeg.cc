#include <cstdio>
#include <cstdlib>
#include <stdexcept>

#include "tests/comfysim/image.h"
// It takes FILE for known.
#include <jpeglib.h>

namespace comfysim {
namespace {

[[noreturn]] void throw_jpeg_error(j_common_ptr) {
  throw std::runtime_error("broken JPEG");
}

void keep_quiet(j_common_ptr, int) {}

}  // namespace

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

}  // namespace comfysim
