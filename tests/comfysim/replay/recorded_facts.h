// What a recording tells of the server it was made with, so that comfysim can be started alike.
#ifndef RENDERYARD_TESTS_COMFYSIM_REPLAY_RECORDED_FACTS_H_
#define RENDERYARD_TESTS_COMFYSIM_REPLAY_RECORDED_FACTS_H_

#include <cstddef>
#include <string>
#include <vector>

#include "tests/comfysim/replay/recording.h"

namespace comfysim::replay {

// The output nodes in the order in which the server took them, "9,4". ComfyUI keeps them in a Python set, so it differs
// from process to process.
std::string output_order(const std::vector<Line>& lines);

// The files that were in the input folder, as the choices of LoadImage show them.
std::vector<std::string> recorded_inputs(const std::vector<Line>& lines);

// What the Content-Length of an answer announced; 0 without one.
std::size_t announced_size(const Line& answer);

// How large the body of a request was that the recorder does not show: the answer that refuses it tells. 0 when it does
// not.
std::size_t large_body(const std::vector<Line>& lines, const Line& request);

}  // namespace comfysim::replay

#endif  // RENDERYARD_TESTS_COMFYSIM_REPLAY_RECORDED_FACTS_H_
