// The faults in force, which a test asks for over POST /_sim/faults.
#ifndef RENDERYARD_TESTS_COMFYSIM_FAULTS_H_
#define RENDERYARD_TESTS_COMFYSIM_FAULTS_H_

#include <chrono>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tests/comfysim/digest.h"
#include "tests/comfysim/fault_kinds.h"

namespace comfysim {

// A moment at which a fault may strike.
struct Occasion {
  Occasion(std::string_view place) : at(place) {}  // NOLINT(google-explicit-constructor): most have nothing more
  Occasion(const char* place) : at(place) {}       // NOLINT(google-explicit-constructor)
  static Occasion node(std::string_view at, std::int64_t number) {
    Occasion out(at);
    out.node_number = number;
    return out;
  }
  static Occasion request(std::string_view at, std::string_view path) {
    Occasion out(at);
    out.path = path;
    return out;
  }

  std::string_view at;
  std::string_view path = "/";   // of the request
  std::int64_t node_number = 2;  // how many nodes the prompt has begun to execute
};

// Thread-safe. The draws come from a seeded generator, so a run can be repeated as far as its requests can.
class Faults {
 public:
  explicit Faults(std::uint64_t seed) : random_(seed) {}

  // Adds what `body` (an object or a list of them) asks for, all or nothing. Faults with `at` "now" are not kept but
  // returned in `immediate`. On a bad request returns the complaint, which names the field.
  std::optional<std::string> add(const json::value& body, std::vector<Fault>& immediate);

  // The first fault of that kind that hits on this occasion, its count already lowered.
  std::optional<Fault> take(std::string_view kind, const Occasion& occasion);

  json::array list();

 private:
  using Time = std::chrono::steady_clock::time_point;
  struct Kept {
    Fault fault;
    Time until;
  };

  void drop_expired(Time now);

  std::mutex mutex_;
  Random random_;
  std::vector<Kept> kept_;
};

}  // namespace comfysim

#endif  // RENDERYARD_TESTS_COMFYSIM_FAULTS_H_
