#include "tests/comfysim/png_chunk.h"

#include <zlib.h>

namespace comfysim {

std::string big_endian_32(std::uint32_t value) {
  std::string out;
  for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>((value >> shift) & 0xff);
  return out;
}

std::string png_chunk(std::string_view type, std::string_view content) {
  const std::string body = std::string(type) + std::string(content);
  const auto crc = ::crc32(0, reinterpret_cast<const Bytef*>(body.data()), static_cast<uInt>(body.size()));
  return big_endian_32(static_cast<std::uint32_t>(content.size())) + body +
         big_endian_32(static_cast<std::uint32_t>(crc));
}

}  // namespace comfysim
