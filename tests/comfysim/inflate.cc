#include "tests/comfysim/inflate.h"

#include <zlib.h>

#include <array>

namespace comfysim {

std::optional<std::string> inflate_body(std::string_view packed, std::size_t limit) {
  z_stream stream{};
  constexpr int kEitherHeader = 15 + 32;
  if (inflateInit2(&stream, kEitherHeader) != Z_OK) return std::nullopt;
  std::string in(packed);
  stream.next_in = reinterpret_cast<Bytef*>(in.data());
  stream.avail_in = static_cast<uInt>(in.size());
  std::string out;
  std::array<char, 16 * 1024> chunk{};
  int state = Z_OK;
  while (state == Z_OK && out.size() <= limit) {
    stream.next_out = reinterpret_cast<Bytef*>(chunk.data());
    stream.avail_out = static_cast<uInt>(chunk.size());
    state = inflate(&stream, Z_NO_FLUSH);
    out.append(chunk.data(), chunk.size() - stream.avail_out);
  }
  inflateEnd(&stream);
  if (state != Z_STREAM_END || out.size() > limit) return std::nullopt;
  return out;
}

}  // namespace comfysim
