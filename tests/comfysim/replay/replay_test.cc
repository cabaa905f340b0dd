// Every recording of a real server, sent to comfysim once more. coverage.txt says which are compared and, for the few
// that are not, why.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <fstream>
#include <future>
#include <iomanip>
#include <map>
#include <set>
#include <sstream>
#include <string>

#include "tests/comfysim/replay/player.h"

namespace comfysim::replay {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kAtOnce = 8;  // they wait more than they compute
constexpr int kMostExceptions = 10;

const char* const kGenerations[] = {"2024-06-30", "0.3.64", "0.33.0"};

fs::path source(const std::string& name) {
  const char* root = std::getenv("RENDERYARD_TEST_SOURCE_DIR");
  if (root == nullptr) throw std::runtime_error("RENDERYARD_TEST_SOURCE_DIR is not set");
  return fs::path(root) / "tests" / name;
}

struct Entry {
  bool covered = false;
  std::string reason;
  std::vector<std::string> allowed;  // beginnings of differences
};

// "covered FILE", "excepted FILE: reason", and, for a covered file, "allow FILE \"beginning of differences\" reason".
// # begins a comment.
std::map<std::string, Entry> read_coverage() {
  std::map<std::string, Entry> out;
  std::ifstream in(source("comfysim/replay/coverage.txt"));
  for (std::string text; std::getline(in, text);) {
    std::istringstream words(text);
    std::string kind;
    std::string file;
    if (!(words >> kind >> file) || kind.starts_with("#")) continue;
    if (file.ends_with(":")) file.pop_back();
    if (kind == "allow") {
      std::string beginning;
      std::string reason;
      words >> std::quoted(beginning);
      std::getline(words, reason);
      EXPECT_TRUE(out.contains(file)) << text << ": comes before the line of the file";
      EXPECT_FALSE(beginning.empty() || reason.empty()) << text;
      out[file].allowed.push_back(beginning);
      continue;
    }
    Entry entry;
    entry.covered = kind == "covered";
    std::getline(words, entry.reason);
    EXPECT_TRUE(entry.covered || kind == "excepted") << text;
    EXPECT_TRUE(out.emplace(file, entry).second) << file << " is listed twice";
  }
  return out;
}

std::vector<std::string> recordings(const std::string& generation) {
  std::vector<std::string> out;
  for (const auto& entry : fs::directory_iterator(source("recordings") / generation)) {
    out.push_back(generation + "/" + entry.path().filename().string());
  }
  std::sort(out.begin(), out.end());
  return out;
}

std::string play(const std::string& generation, const std::string& name, const std::vector<std::string>& allowed) {
  try {
    Player player({source("recordings") / name, generation, generation != "0.33.0"});
    for (const std::string& beginning : allowed) player.differ().allow(beginning);
    std::string out;
    for (const std::string& difference : player.play()) out += "  " + difference + "\n";
    return out;
  } catch (const std::exception& error) {
    return std::string("  ") + error.what() + "\n";
  }
}

TEST(ReplayCoverage, EveryRecordingIsListed) {
  const std::map<std::string, Entry> coverage = read_coverage();
  std::set<std::string> present;
  for (const std::string generation : kGenerations) {
    int exceptions = 0;
    for (const std::string& name : recordings(generation)) {
      present.insert(name);
      const auto entry = coverage.find(name);
      ASSERT_NE(entry, coverage.end()) << name << " is not in coverage.txt";
      if (entry->second.covered) continue;
      EXPECT_FALSE(entry->second.reason.empty()) << name << " is excepted without a reason";
      ++exceptions;
    }
    EXPECT_LE(exceptions, kMostExceptions) << generation;
  }
  for (const auto& [name, entry] : coverage) EXPECT_TRUE(present.contains(name)) << name << " is no recording";
}

class Replay : public ::testing::TestWithParam<const char*> {};

// RENDERYARD_REPLAY=part of a name: only those, listed or not.
TEST_P(Replay, ComfysimAnswersAsRecorded) {
  const std::string generation = GetParam();
  const std::map<std::string, Entry> coverage = read_coverage();
  const char* only = std::getenv("RENDERYARD_REPLAY");
  std::vector<std::string> names;
  for (const std::string& name : recordings(generation)) {
    const auto entry = coverage.find(name);
    const bool wanted =
        only != nullptr ? name.find(only) != std::string::npos : entry != coverage.end() && entry->second.covered;
    if (wanted) names.push_back(name);
  }
  if (only == nullptr) EXPECT_GE(names.size(), recordings(generation).size() - kMostExceptions);
  std::atomic<std::size_t> next = 0;
  std::vector<std::string> differences(names.size());
  std::vector<std::future<void>> workers;
  for (std::size_t i = 0; i < kAtOnce; ++i) {
    workers.push_back(std::async(std::launch::async, [&] {
      for (std::size_t at = next++; at < names.size(); at = next++)
        differences[at] = play(generation, names[at], coverage.at(names[at]).allowed);
    }));
  }
  for (std::future<void>& worker : workers) worker.get();
  for (std::size_t i = 0; i < names.size(); ++i) {
    EXPECT_TRUE(differences[i].empty()) << names[i] << ":\n" << differences[i];
  }
}

INSTANTIATE_TEST_SUITE_P(Generations, Replay, ::testing::ValuesIn(kGenerations), [](const auto& info) {
  std::string out = info.param;
  std::replace_if(
      out.begin(), out.end(), [](char c) { return c == '.' || c == '-'; }, '_');
  return "v" + out;
});

}  // namespace
}  // namespace comfysim::replay
