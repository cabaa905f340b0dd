// May what was heard of a prompt stand for its history? Over gaps, cached nodes and servers that say less.
#include "libs/common/domain/heard_prompt.h"

#include <gtest/gtest.h>

#include <map>
#include <set>
#include <string>
#include <vector>

#include "libs/common/domain/output_files.h"
#include "tests/unit/recordings.h"

namespace renderyard::domain {
namespace {

constexpr char kId[] = "p";

Executing over() {
  Executing message;
  message.prompt_id = kId;
  return message;
}

Executing executing(const std::string& node) {
  Executing message;
  message.prompt_id = kId;
  message.node = node;
  return message;
}

Executed executed(const std::string& node, std::string output_json) {
  Executed message;
  message.prompt_id = kId;
  message.node = node;
  message.output_json = std::move(output_json);
  return message;
}

ExecutionError failed(bool ends_prompt) {
  ExecutionError message;
  message.prompt_id = kId;
  message.message = "no memory";
  message.ends_prompt = ends_prompt;
  return message;
}

struct Said {
  ComfyMessage message;
  std::uint64_t stream = 1;
};

HeardPrompt heard(const std::vector<Said>& messages) {
  HeardPrompt prompt;
  for (const Said& said : messages) prompt.apply(said.message, said.stream);
  return prompt;
}

TEST(HeardPromptTest, HeardFromStartToEndOnOneConnectionIsWhole) {
  const HeardPrompt prompt = heard({{ExecutionStart{kId}},
                                    {ExecutionCached{kId, {}}},
                                    {executed("9", R"({"images":[]})")},
                                    {executed("1\"0", "{}")},
                                    {ExecutionSuccess{kId}}});
  EXPECT_TRUE(prompt.whole());
  EXPECT_EQ(prompt.outputs_json(), R"({"1\"0":{},"9":{"images":[]}})");
  EXPECT_EQ(without_history(prompt), WithoutHistory::kAsHeard);
}

TEST(HeardPromptTest, AGapAnywhereLeavesItUnknownWhetherOutputsAreMissing) {
  const std::vector<Said> whole = {{ExecutionStart{kId}},  {ExecutionCached{kId, {}}}, {executing("8")},
                                   {executed("8", "{}")},  {executing("9")},           {executed("9", "{}")},
                                   {ExecutionSuccess{kId}}};
  ASSERT_TRUE(heard(whole).whole());
  for (std::size_t gap = 1; gap < whole.size(); ++gap) {
    std::vector<Said> broken = whole;
    for (std::size_t i = gap; i < broken.size(); ++i) broken[i].stream = 2;
    EXPECT_FALSE(heard(broken).whole()) << gap;
    EXPECT_EQ(without_history(heard(broken)), WithoutHistory::kOutputsMissing) << gap;
  }
}

TEST(HeardPromptTest, WhoCameAfterTheStartHasNotHeardAll) {
  const HeardPrompt prompt = heard({{executing("9")}, {executed("9", "{}")}, {ExecutionSuccess{kId}}});
  EXPECT_FALSE(prompt.whole());
  EXPECT_EQ(without_history(prompt), WithoutHistory::kOutputsMissing);
}

TEST(HeardPromptTest, WithoutAnEndNothingIsKnown) {
  EXPECT_EQ(without_history(HeardPrompt()), WithoutHistory::kUnknown);
  EXPECT_EQ(without_history(heard({{ExecutionStart{kId}}, {executed("9", "{}")}})), WithoutHistory::kUnknown);
  // Over in whatever way, and what was said before is not known.
  EXPECT_EQ(without_history(heard({{ExecutionStart{kId}, 1}, {over(), 2}})), WithoutHistory::kUnknown);
  EXPECT_EQ(without_history(heard({{over(), 1}})), WithoutHistory::kUnknown);
}

TEST(HeardPromptTest, FailuresAndInterruptionsStandAsHeardWithOrWithoutGaps) {
  HeardPrompt prompt = heard({{ExecutionStart{kId}, 1}, {failed(true), 2}, {over(), 2}});
  EXPECT_EQ(prompt.end(), HistoryEnd::kError);
  EXPECT_EQ(prompt.error()->message, "no memory");
  EXPECT_EQ(without_history(prompt), WithoutHistory::kAsHeard);
  prompt = heard({{ExecutionStart{kId}, 1}, {ExecutionInterrupted{kId, "", ""}, 1}, {over(), 1}});
  EXPECT_EQ(prompt.end(), HistoryEnd::kInterrupted);
  EXPECT_FALSE(prompt.whole());
  EXPECT_EQ(without_history(prompt), WithoutHistory::kAsHeard);
}

TEST(HeardPromptTest, ABlockedBranchIsNoEnd) {
  const HeardPrompt prompt = heard({{ExecutionStart{kId}}, {ExecutionCached{kId, {}}}, {failed(false)}});
  EXPECT_FALSE(prompt.end());
  EXPECT_FALSE(prompt.error());
}

TEST(HeardPromptTest, ServersWithoutExecutionSuccessEndWithANull) {
  const HeardPrompt prompt =
      heard({{ExecutionStart{kId}}, {ExecutionCached{kId, {}}}, {executed("9", "{}")}, {over()}});
  EXPECT_EQ(prompt.end(), HistoryEnd::kSuccess);
  EXPECT_TRUE(prompt.whole());
}

TEST(HeardPromptTest, CachedOutputsCountOnlyOnServersThatRepeatThem) {
  std::vector<Said> said = {{ExecutionStart{kId}}, {ExecutionCached{kId, {"1", "9"}}}, {over()}};
  EXPECT_EQ(without_history(heard(said)), WithoutHistory::kOutputsMissing);
  said.insert(said.begin() + 2, {executed("8", "{}")});
  EXPECT_FALSE(heard(said).whole()) << "8 was not cached and shows nothing";
  std::vector<Said> repeated = said;
  repeated.insert(repeated.begin() + 2, {executed("9", "null")});
  EXPECT_TRUE(heard(repeated).whole());
  EXPECT_EQ(heard(repeated).outputs_json(), R"({"8":{}})");
  said.insert(said.begin() + 2, {ProgressState{kId, {}}});
  EXPECT_TRUE(heard(said).whole()) << "servers with progress_state repeat them";
}

TEST(HeardPromptTest, WhatAnEarlierProcessStoredIsTakenUp) {
  HeardPrompt prompt;
  prompt.restore({.end = HistoryEnd::kSuccess,
                  .outputs_json = R"({"9":{"images":[1]}})",
                  .whole = true,
                  .ended_at = absl::FromUnixSeconds(7)});
  EXPECT_EQ(prompt.ended_at(), absl::FromUnixSeconds(7));
  EXPECT_EQ(without_history(prompt), WithoutHistory::kAsHeard);
  EXPECT_EQ(prompt.outputs_json(), R"({"9":{"images":[1]}})");
  HeardPrompt with_gaps;
  with_gaps.restore({.end = HistoryEnd::kSuccess, .outputs_json = ""});
  EXPECT_EQ(without_history(with_gaps), WithoutHistory::kOutputsMissing);
  EXPECT_EQ(with_gaps.outputs_json(), "{}");
  HeardPrompt broken;
  broken.restore({.end = HistoryEnd::kError, .outputs_json = "{}", .error = failed(true)});
  EXPECT_EQ(without_history(broken), WithoutHistory::kAsHeard);
  EXPECT_EQ(broken.error()->message, "no memory");
  for (const HistoryEnd end : {HistoryEnd::kSuccess, HistoryEnd::kError, HistoryEnd::kInterrupted}) {
    EXPECT_EQ(history_end_from(to_string(end)), end);
  }
  EXPECT_FALSE(history_end_from(""));
}

TEST(OutputFilesTest, OnlyTheExecutionsOwnFolderIsSafeFromOtherPrompts) {
  const auto file = [](std::string subfolder, std::string type = "output") {
    return OutputFile{"9", "images", "x_00001_.png", std::move(subfolder), std::move(type)};
  };
  for (const char* own : {"renderyard/7", "renderyard/7/a/b", "renderyard\\7", "renderyard\\7\\a"}) {
    EXPECT_FALSE(overwritable(file(own), "7")) << own;
  }
  for (const char* other :
       {"", "a", "renderyard", "renderyard/", "renderyard/70", "renderyard/8/7", "a/renderyard/7"}) {
    EXPECT_TRUE(overwritable(file(other), "7")) << other;
  }
  EXPECT_FALSE(overwritable(file("", "temp"), "7"));
}

TEST(OutputFilesTest, AFileWrittenAfterItsPromptsEndIsAnotherPrompts) {
  const absl::Time end = absl::FromUnixMillis(1795221880299);
  EXPECT_FALSE(written_after_end(end - absl::Hours(5), end)) << "a cached output";
  EXPECT_FALSE(written_after_end(end, end));
  EXPECT_FALSE(written_after_end(end + kFileClockSlack, end));
  EXPECT_TRUE(written_after_end(end + kFileClockSlack + absl::Milliseconds(1), end));
  EXPECT_FALSE(written_after_end(std::nullopt, end));
  EXPECT_FALSE(written_after_end(end, std::nullopt));
}

using Files = std::multiset<std::string>;

Files names_of(const std::vector<OutputFile>& files) {
  Files names;
  for (const OutputFile& file : files) {
    names.insert(file.node_id + " " + file.kind + " " + file.type + "/" + file.subfolder + "/" + file.filename);
  }
  return names;
}

// The prompts of a recording, as each connection's messages tell them.
std::map<std::string, HeardPrompt> prompts_of(const testing::Recording& recording) {
  std::map<std::string, HeardPrompt> prompts;
  std::map<std::string, std::uint64_t> streams;
  for (const auto& event : recording.events) {
    if (!event.frame || event.frame->binary) continue;
    const auto message = parse_text_frame(event.frame->bytes);
    if (!message.ok() || prompt_id_of(*message).empty()) continue;
    const std::uint64_t stream = streams.try_emplace(event.frame->conn, streams.size() + 1).first->second;
    prompts[std::string(prompt_id_of(*message))].apply(*message, stream);
  }
  return prompts;
}

TEST(HeardPromptTest, WhereARecordingWasHeardWholeItsHistoryHasNoOtherFiles) {
  int whole = 0;
  int gaps = 0;
  for (const testing::Recording& recording : testing::recordings()) {
    const auto prompts = prompts_of(recording);
    for (const auto& event : recording.events) {
      if (!event.exchange || event.exchange->status != 200 || event.exchange->trimmed) continue;
      if (event.exchange->path.find("/history") == std::string::npos) continue;
      for (const auto& [id, prompt] : prompts) {
        const auto entry = parse_history(event.exchange->body, id);
        if (!entry.ok() || !*entry) continue;
        if (prompt.end()) EXPECT_EQ(*prompt.end(), (*entry)->end) << recording.name << " " << id;
        if (prompt.ended_at()) EXPECT_EQ(prompt.ended_at(), (*entry)->ended_at) << recording.name << " " << id;
        if (!prompt.whole()) {
          ++gaps;
          continue;
        }
        ++whole;
        EXPECT_EQ(names_of(output_files(prompt.outputs_json())), names_of((*entry)->files))
            << recording.name << " " << id;
      }
    }
  }
  EXPECT_GT(whole, 30);
  EXPECT_GT(gaps, 5) << "without these the recordings show nothing about gaps";
}

}  // namespace
}  // namespace renderyard::domain
