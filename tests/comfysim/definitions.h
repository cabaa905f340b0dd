// The files of definitions/ as they were when comfysim was built.
#ifndef RENDERYARD_TESTS_COMFYSIM_DEFINITIONS_H_
#define RENDERYARD_TESTS_COMFYSIM_DEFINITIONS_H_

#include <string_view>

namespace comfysim {

// Content of definitions/NAME.json. Throws std::out_of_range when there was none.
std::string_view definitions_text(std::string_view name);

}  // namespace comfysim

#endif  // RENDERYARD_TESTS_COMFYSIM_DEFINITIONS_H_
