// The faults that comfysim knows, and how a request names one.
#ifndef RENDERYARD_TESTS_COMFYSIM_FAULT_KINDS_H_
#define RENDERYARD_TESTS_COMFYSIM_FAULT_KINDS_H_

#include <cstdint>
#include <optional>
#include <string>

#include "tests/comfysim/pyjson.h"

namespace comfysim {

// One fault in force. What each does is told in README.md; which fields and places a kind has, in fault_kinds.cc.
struct Fault {
  std::string kind;
  std::string at;                        // the place where it strikes
  double probability = 1.0;              // of each occasion
  std::optional<std::uint64_t> count;    // occasions left; unlimited when not given
  std::optional<std::int64_t> for_ms;    // in force so long; unlimited when not given
  std::string path = "/";                // requests whose path begins so
  std::int64_t delay_ms = 0;             // of an answer, a read or a history entry
  std::int64_t status = 503;             // of the answer; 0 closes the connection
  std::int64_t node = 2;                 // the n-th node that a prompt executes
  std::optional<std::int64_t> bytes;     // after so many a download ends; half of it when not given
  std::int64_t bytes_per_s = 64 * 1024;  // of a download

  // With the fields that its kind has.
  json::object to_json() const;
};

// Reads {"fault": KIND, ...} into `fault`. On a bad request returns the complaint, which begins with the field's name.
std::optional<std::string> read_fault(const json::value& body, Fault& fault);

}  // namespace comfysim

#endif  // RENDERYARD_TESTS_COMFYSIM_FAULT_KINDS_H_
