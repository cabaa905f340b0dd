// What a set of ledgers says about the prompts in them.
#ifndef RENDERYARD_TESTS_COMFYSIM_JUDGE_H_
#define RENDERYARD_TESTS_COMFYSIM_JUDGE_H_

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "tests/comfysim/pyjson.h"

namespace comfysim {

// A ledger that cannot be read, or a line that is none; the text names file and line.
struct UnreadableLedger : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// One prompt as it was accepted by one server.
struct PromptStory {
  std::string ledger;
  std::string prompt_id;
  std::string execution_id;      // empty: none
  std::int64_t accepted_us = 0;  // 0: not in the ledger
  std::int64_t started_us = 0;   // 0: never
  std::string status;            // success, error, interrupted; deleted; empty when it has no end
  std::string why;               // what else ended it (a fault, a restart), or who deleted it
  json::object interrupted;      // by, targeted, user_agent of the interrupt that the run saw
  std::size_t files = 0;
};

// The same execution id or prompt id, started more than once.
struct Twice {
  std::string kind;  // "execution_id" or "prompt_id"
  std::string id;
  std::vector<PromptStory> runs;  // by time of start
};

class Judgement {
 public:
  // Reads one more ledger, whole. Throws UnreadableLedger.
  void read(const std::filesystem::path& file);
  void read(const std::string& name, std::string_view text);

  std::vector<Twice> executed_twice() const;
  std::vector<PromptStory> never_finished() const;  // started, without an end
  std::vector<PromptStory> interrupted() const;
  std::vector<PromptStory> accepted_never_started() const;                        // and not deleted either
  const std::map<std::string, std::size_t>& refused() const { return refused_; }  // reason -> how often

  json::object to_json() const;
  // A table for people.
  std::string to_text() const;

 private:
  class Reader;

  std::size_t count(std::string_view status) const;

  std::size_t ledgers_ = 0;
  std::size_t posts_ = 0;
  std::vector<PromptStory> stories_;
  std::map<std::string, std::size_t> refused_;
};

}  // namespace comfysim

#endif  // RENDERYARD_TESTS_COMFYSIM_JUDGE_H_
