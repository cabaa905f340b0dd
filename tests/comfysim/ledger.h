// The record of everything that was accepted and executed, kept on disk across restarts.
#ifndef RENDERYARD_TESTS_COMFYSIM_LEDGER_H_
#define RENDERYARD_TESTS_COMFYSIM_LEDGER_H_

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include "tests/comfysim/pyjson.h"

namespace comfysim {

// Microseconds since the epoch (CLOCK_REALTIME).
std::int64_t now_us();

// The id under which the fleet knows this execution: extra_data.renderyard.execution_id, a string or a number, else
// null.
json::value execution_id_of(const json::value& extra_data);

// Append-only file of one JSON object per line. A line is handed to the kernel by one write(2) on an O_APPEND
// descriptor before the call returns, so it survives the death of the process (not of the machine). Thread-safe.
class Ledger {
 public:
  explicit Ledger(std::filesystem::path file);
  ~Ledger();
  Ledger(const Ledger&) = delete;
  Ledger& operator=(const Ledger&) = delete;

  // Writes {"t_us","event","prompt_id","execution_id", then the fields of `more`}. `t_us` 0 means now.
  void write(std::string_view event, const json::value& prompt_id, const json::value& execution_id,
             const json::object& more = {}, std::int64_t t_us = 0);

  // The file from byte `offset` on (empty when beyond its end).
  std::string read(std::size_t offset = 0) const;

 private:
  std::filesystem::path file_;
  int descriptor_;
};

}  // namespace comfysim

#endif  // RENDERYARD_TESTS_COMFYSIM_LEDGER_H_
