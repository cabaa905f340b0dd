// comfysim-judge: says what the ledgers of simulated servers tell. Exit code 0 when nothing was executed twice, 1 when
// something was, 2 when a ledger cannot be read.
#include <CLI/CLI.hpp>
#include <iostream>
#include <string>
#include <vector>

#include "tests/comfysim/judge.h"

int main(int argc, char** argv) {
  std::vector<std::string> files;
  bool as_json = false;
  CLI::App app("comfysim-judge: what was executed twice, never finished, interrupted, never started, refused");
  app.add_option("LEDGER", files, "ledger.jsonl of one or more servers")->required();
  app.add_flag("--json", as_json, "one JSON object instead of a table");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  comfysim::Judgement judgement;
  try {
    for (const std::string& file : files) judgement.read(std::filesystem::path(file));
  } catch (const comfysim::UnreadableLedger& error) {
    std::cerr << "comfysim-judge: " << error.what() << "\n";
    return 2;
  }
  std::cout << (as_json ? comfysim::json::serialize(judgement.to_json()) + "\n" : judgement.to_text());
  return judgement.executed_twice().empty() ? 0 : 1;
}
