// The parts a PNG file is made of.
#ifndef RENDERYARD_TESTS_COMFYSIM_PNG_CHUNK_H_
#define RENDERYARD_TESTS_COMFYSIM_PNG_CHUNK_H_

#include <cstdint>
#include <string>
#include <string_view>

namespace comfysim {

// 4 bytes, most significant first.
std::string big_endian_32(std::uint32_t value);

// Length, type (4 letters), content and checksum.
std::string png_chunk(std::string_view type, std::string_view content);

}  // namespace comfysim

#endif  // RENDERYARD_TESTS_COMFYSIM_PNG_CHUNK_H_
