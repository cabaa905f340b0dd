// The bodies of recorded requests, also of those the recorder only describes.
#ifndef RENDERYARD_TESTS_COMFYSIM_REPLAY_REQUEST_BODY_H_
#define RENDERYARD_TESTS_COMFYSIM_REPLAY_REQUEST_BODY_H_

#include <string>

#include "tests/comfysim/replay/differ.h"
#include "tests/comfysim/replay/recording.h"
#include "tests/comfysim/test_client.h"

namespace comfysim::replay {

// Body of a "http-req", with our names in place of the recorded ones. Sets the Content-Type of a form in `headers`. A
// body that is only said to be large gets `large` bytes.
std::string request_body(const Line& line, const Names& names, testing::Headers& headers, std::size_t large);

// "xxx... (4194314 bytes)" written out; other text as it is.
std::string whole_text(const std::string& text);

// Whether the recorder cut the text off.
bool is_shortened(const std::string& text);

}  // namespace comfysim::replay

#endif  // RENDERYARD_TESTS_COMFYSIM_REPLAY_REQUEST_BODY_H_
