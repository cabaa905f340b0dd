// Faults that a test asks for over POST /_sim/faults.
#ifndef RENDERYARD_TESTS_COMFYSIM_FAULTS_H_
#define RENDERYARD_TESTS_COMFYSIM_FAULTS_H_

#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tests/comfysim/digest.h"
#include "tests/comfysim/pyjson.h"

namespace comfysim {

// One fault in force. What each does is told in README.md.
struct Fault {
  std::string kind;                    // refuse, read_late, drop, die, forget, deaf
  std::string at;                      // now, post, post_before_queue, post_after_queue, mid_run
  double probability = 1.0;            // of each occasion
  std::optional<std::uint64_t> count;  // occasions left; unlimited when not given
  std::int64_t delay_ms = 0;           // read_late
  unsigned status = 503;               // refuse; 0 closes the connection unread

  json::object to_json() const;
};

// Thread-safe. The draws come from a seeded generator, so a run can be repeated as far as its requests can.
class Faults {
 public:
  explicit Faults(std::uint64_t seed) : random_(seed) {}

  // Adds what `body` (an object or a list of them) asks for, all or nothing. Faults with `at` "now" are not kept but
  // returned in `immediate`. On a bad request returns the complaint, which names the field.
  std::optional<std::string> add(const json::value& body, std::vector<Fault>& immediate);

  // The first fault of that kind and place that hits now, its count already lowered.
  std::optional<Fault> take(std::string_view kind, std::string_view at);

  json::array list() const;

 private:
  mutable std::mutex mutex_;
  Random random_;
  std::vector<Fault> faults_;
};

}  // namespace comfysim

#endif  // RENDERYARD_TESTS_COMFYSIM_FAULTS_H_
