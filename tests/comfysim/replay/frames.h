// What a WebSocket client hears, in a form in which two runs of the same scenario are equal.
#ifndef RENDERYARD_TESTS_COMFYSIM_REPLAY_FRAMES_H_
#define RENDERYARD_TESTS_COMFYSIM_REPLAY_FRAMES_H_

#include <cstdint>
#include <string>
#include <vector>

#include "tests/comfysim/pyjson.h"

namespace comfysim::replay {

struct Frame {
  enum class Kind { kText, kBinary, kPong };
  Kind kind = Kind::kText;
  std::string bytes;
};

// Reports of progress of one node that came without anything but `status` between them. How many come depends on timing
// (newer servers thin them out, an interrupt comes sooner or later), so two runs agree in less than all of it.
struct Reports {
  std::string node;  // id, "null" for the broadcast of the oldest servers
  std::string prompt_id;
  std::string pattern;      // types in their order, as "progress_state progress preview(1,jpeg,512x512)"
  json::value first_state;  // the first progress_state, or null
  json::value first;        // values as they came, so that 1 and 1.0 differ
  json::value last;
  json::value max;
  std::size_t count = 0;
};

// One thing heard: a message, or a group of reports.
struct Heard {
  json::value message;  // {"type", "data"}; {"pong": text}; {"text": [node, text]}; {"unparsed": text}
  Reports reports;      // count 0 when this is a message
  bool is_reports() const { return reports.count > 0; }
};

// Groups the reports; one that the beginning or end of the connection cut in half is left out. A `status` among or
// right after the reports of a node, whose place among them is chance, is put before them.
std::vector<Heard> digest(const std::vector<Frame>& frames);

bool is_status(const Heard& heard);

// One line for a person.
std::string describe(const Heard& heard);

}  // namespace comfysim::replay

#endif  // RENDERYARD_TESTS_COMFYSIM_REPLAY_FRAMES_H_
