// File names with a NUL in them.
#ifndef RENDERYARD_TESTS_COMFYSIM_NUL_H_
#define RENDERYARD_TESTS_COMFYSIM_NUL_H_

#include <string_view>

namespace comfysim {

// No file has such a name, but the system calls would take what stands before the NUL. Python raises ValueError.
inline bool has_nul(std::string_view name) {
  return name.find('\0') != std::string_view::npos;
}

}  // namespace comfysim

#endif  // RENDERYARD_TESTS_COMFYSIM_NUL_H_
