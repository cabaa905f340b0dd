#include "tests/comfysim/judge.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace comfysim {
namespace {

using ::testing::HasSubstr;
using ::testing::SizeIs;

std::string line(int t_us, const char* event, const char* prompt, const json::value& execution,
                 const json::object& more = {}) {
  json::object out = {{"t_us", t_us}, {"event", event}, {"prompt_id", prompt}, {"execution_id", execution}};
  for (const auto& [key, value] : more) out[key] = value;
  return json::serialize(out) + "\n";
}

std::string success(int t_us, const char* prompt, const json::value& execution) {
  return line(t_us, "accepted", prompt, execution) + line(t_us + 1, "started", prompt, execution) +
         line(t_us + 2, "ended", prompt, execution, {{"status", "success"}});
}

const std::string kBoot = R"({"t_us":1,"event":"boot","prompt_id":null,"execution_id":null})"
                          "\n";

std::string fault(const char* kind) {
  return line(50, "fault", "", nullptr, {{"fault", kind}});
}

TEST(JudgeTest, OneRunEachIsNoCrime) {
  Judgement judgement;
  judgement.read("a", kBoot + success(10, "p1", 1) + success(20, "p2", 2));
  judgement.read("b", kBoot + success(15, "p3", "3"));
  EXPECT_TRUE(judgement.executed_twice().empty());
  EXPECT_TRUE(judgement.never_finished().empty());
  EXPECT_EQ(judgement.to_json().at("success"), 3u);
  EXPECT_EQ(judgement.to_json().at("ledgers"), 2u);
}

TEST(JudgeTest, TheSameExecutionOnTwoServersIsFoundWhateverTheTypeOfItsId) {
  Judgement judgement;
  judgement.read("a", kBoot + success(20, "p1", 7));
  judgement.read("b", kBoot + success(10, "p2", "7"));
  const std::vector<Twice> twice = judgement.executed_twice();
  ASSERT_THAT(twice, SizeIs(1));
  EXPECT_EQ(twice[0].kind, "execution_id");
  EXPECT_EQ(twice[0].id, "7");
  EXPECT_EQ(twice[0].runs.at(0).ledger, "b");  // the earlier one
  EXPECT_THAT(judgement.to_text(), HasSubstr("execution_id 7"));
}

TEST(JudgeTest, TheSamePromptIdTwiceInOneLedgerIsFound) {
  Judgement judgement;
  judgement.read("a", kBoot + success(10, "p1", nullptr) + success(20, "p1", nullptr));
  const std::vector<Twice> twice = judgement.executed_twice();
  ASSERT_THAT(twice, SizeIs(1));
  EXPECT_EQ(twice[0].kind, "prompt_id");
  EXPECT_THAT(twice[0].runs, SizeIs(2));
}

TEST(JudgeTest, AcceptedTwiceAndStartedOnceIsNotExecutedTwice) {
  Judgement judgement;
  judgement.read("a", kBoot + line(5, "accepted", "p1", 1) + fault("forget") + success(60, "p1", 1));
  EXPECT_TRUE(judgement.executed_twice().empty());
  ASSERT_THAT(judgement.accepted_never_started(), SizeIs(1));
  EXPECT_EQ(judgement.accepted_never_started()[0].why, "fault forget");
}

TEST(JudgeTest, ARunWithoutEndHasTheReasonThatTheLedgerKnows) {
  const std::string begun = kBoot + line(10, "accepted", "p1", 1) + line(11, "started", "p1", 1);
  const auto why = [&](const std::string& rest) {
    Judgement judgement;
    judgement.read("a", begun + rest);
    EXPECT_THAT(judgement.never_finished(), SizeIs(1));
    return judgement.never_finished().at(0).why;
  };
  EXPECT_EQ(why(""), "");
  EXPECT_EQ(why(kBoot), "the server was started again");
  EXPECT_EQ(why(fault("die") + kBoot), "fault die");
  EXPECT_EQ(why(fault("forget")), "fault forget");
  EXPECT_EQ(why(fault("worker_death")), "fault worker_death");
  EXPECT_EQ(why(fault("drop")), "");
}

TEST(JudgeTest, InterruptedByWhomDeletedByWhomRefusedWhy) {
  Judgement judgement;
  judgement.read(
      "a", kBoot + line(10, "accepted", "p1", 1) + line(10, "accepted", "p2", 2) + line(11, "started", "p1", 1) +
               line(12, "interrupted", "p1", 1,
                    {{"node_id", "3"}, {"by", "POST /interrupt"}, {"targeted", false}, {"user_agent", "curl/7"}}) +
               line(13, "ended", "p1", 1, {{"status", "interrupted"}}) +
               line(14, "deleted", "p2", 2, {{"by", "queue delete"}}) +
               line(15, "refused", "p3", 3, {{"status", 503}, {"reason", "fault"}}));
  ASSERT_THAT(judgement.interrupted(), SizeIs(1));
  EXPECT_EQ(judgement.interrupted()[0].interrupted.at("by"), "POST /interrupt");
  EXPECT_THAT(judgement.to_text(), HasSubstr("by POST /interrupt (not targeted) from curl/7"));
  EXPECT_EQ(judgement.to_json().at("deleted").at(0).at("why"), "queue delete");
  EXPECT_TRUE(judgement.accepted_never_started().empty());
  EXPECT_EQ(judgement.refused().at("fault"), 1u);
}

TEST(JudgeTest, WhatIsNoLedgerIsNamed) {
  Judgement judgement;
  EXPECT_THROW(judgement.read(std::filesystem::path("/nonexistent/ledger.jsonl")), UnreadableLedger);
  for (const char* text : {"nonsense\n", "{\"event\": \"boot\"}\n", "[]\n", "{\"t_us\": 1, \"event\""}) {
    try {
      judgement.read("a", kBoot + text);
      ADD_FAILURE() << text;
    } catch (const UnreadableLedger& error) {
      EXPECT_THAT(error.what(), HasSubstr("a:2"));
    }
  }
}

}  // namespace
}  // namespace comfysim
