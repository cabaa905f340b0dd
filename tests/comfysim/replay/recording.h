// One recording of a real server, line by line. The format is described in tests/recordings/README.md.
#ifndef RENDERYARD_TESTS_COMFYSIM_REPLAY_RECORDING_H_
#define RENDERYARD_TESTS_COMFYSIM_REPLAY_RECORDING_H_

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "tests/comfysim/pyjson.h"
#include "tests/comfysim/replay/frames.h"

namespace comfysim::replay {

struct Line {
  std::int64_t t_ms = 0;  // since the scenario began
  std::string dir;        // what the line is: "http-req", "ws-recv", ...
  json::object fields;

  // Text of a field; empty when it is not there or no text.
  std::string text(std::string_view key) const;
  // Whole number of a field; 0 when it is not there.
  std::int64_t number(std::string_view key) const;
  // The frame of a "ws-recv".
  Frame frame() const;
};

// Throws std::runtime_error when the file cannot be read or a line is no JSON object.
std::vector<Line> read_recording(const std::filesystem::path& file);

std::string decode_base64(std::string_view text);

}  // namespace comfysim::replay

#endif  // RENDERYARD_TESTS_COMFYSIM_REPLAY_RECORDING_H_
