// Compressed request bodies.
#ifndef RENDERYARD_TESTS_COMFYSIM_INFLATE_H_
#define RENDERYARD_TESTS_COMFYSIM_INFLATE_H_

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace comfysim {

// Unpacks gzip or zlib data; nullopt when it is broken, cut off, or would unpack to more than `limit` bytes.
std::optional<std::string> inflate_body(std::string_view packed, std::size_t limit);

}  // namespace comfysim

#endif  // RENDERYARD_TESTS_COMFYSIM_INFLATE_H_
