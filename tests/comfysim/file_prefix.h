// The variables in a filename_prefix.
#ifndef RENDERYARD_TESTS_COMFYSIM_FILE_PREFIX_H_
#define RENDERYARD_TESTS_COMFYSIM_FILE_PREFIX_H_

#include <string>

namespace comfysim {

// Fills in %width%, %height%, %year%, %month%, %day%, %hour%, %minute%, %second% (local time).
std::string fill_prefix(std::string prefix, int width, int height);

}  // namespace comfysim

#endif  // RENDERYARD_TESTS_COMFYSIM_FILE_PREFIX_H_
