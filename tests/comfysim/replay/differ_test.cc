// The judge of the replay: what it must find, and what it must let pass.
#include "tests/comfysim/replay/differ.h"

#include <gtest/gtest.h>

namespace comfysim::replay {
namespace {

json::value parsed(std::string_view text) {
  return parse_json(text).value();
}

std::size_t differences(std::string_view recorded, std::string_view actual, bool trimmed = false) {
  Differ differ;
  differ.compare(parsed(recorded), parsed(actual), "", trimmed);
  return differ.found().size();
}

Frame text(std::string bytes) {
  return {Frame::Kind::kText, std::move(bytes)};
}

Frame status(int remaining) {
  return text(R"({"type": "status", "data": {"status": {"exec_info": {"queue_remaining": )" +
              std::to_string(remaining) + "}}}}");
}

Frame executing(const std::string& node) {
  return text(R"({"type": "executing", "data": {"node": ")" + node + R"(", "prompt_id": "p"}})");
}

Frame progress(int value, int max) {
  return text(R"({"type": "progress", "data": {"value": )" + std::to_string(value) + R"(, "max": )" +
              std::to_string(max) + R"(, "prompt_id": "p", "node": "2"}})");
}

std::size_t differences(const std::vector<Frame>& recorded, const std::vector<Frame>& actual, bool counted = true) {
  Differ differ;
  differ.compare(digest(recorded), digest(actual), "", counted);
  return differ.found().size();
}

constexpr const char* kOneId =
    R"({"id": "11111111-1111-4111-8111-111111111111", "again": "11111111-1111-4111-8111-111111111111"})";

TEST(ReplayDiffer, FindsWhatDiffers) {
  EXPECT_EQ(differences(R"({"a": 1})", R"({"a": 1})"), 0U);
  EXPECT_EQ(differences(R"({"a": 1})", R"({"a": 2})"), 1U);
  EXPECT_EQ(differences(R"({"a": 1})", R"({"a": 1.0})"), 1U);
  EXPECT_EQ(differences(R"({"a": null})", R"({})"), 1U);
  EXPECT_EQ(differences(R"({})", R"({"a": null})"), 1U);
  EXPECT_EQ(differences(R"([1, 2])", R"([2, 1])"), 2U);
  EXPECT_EQ(differences(R"([1, 2])", R"([1])"), 1U);
  EXPECT_EQ(differences(R"({"node_errors": {}})", R"({"node_errors": []})"), 1U);
  EXPECT_EQ(differences(R"("CheckpointLoader")", R"("CheckpointLoaders")"), 1U);
  EXPECT_EQ(differences(R"([NaN, Infinity])", R"([NaN, -Infinity])"), 1U);
  EXPECT_EQ(differences(R"([NaN, Infinity])", R"([NaN, Infinity])"), 0U);
}

TEST(ReplayDiffer, IdsTimesAndCountersMayDifferButOneToOne) {
  EXPECT_EQ(
      differences(kOneId,
                  R"({"id": "22222222-2222-4222-8222-222222222222", "again": "22222222-2222-4222-8222-222222222222"})"),
      0U);
  EXPECT_EQ(
      differences(kOneId,
                  R"({"id": "22222222-2222-4222-8222-222222222222", "again": "33333333-3333-4333-8333-333333333333"})"),
      1U);
  EXPECT_EQ(differences(R"(["a_00001_.png", "a_00002_.png"])", R"(["a_00007_.png", "a_00007_.png"])"), 1U);
  EXPECT_EQ(differences(R"("a_00001_.png")", R"("b_00001_.png")"), 1U);
  EXPECT_EQ(differences(R"({"timestamp": 1})", R"({"timestamp": 99})"), 0U);
  EXPECT_EQ(differences(R"({"timestamp": 1})", R"({"timestamp": "99"})"), 1U);
  EXPECT_EQ(differences(R"({"executed": ["1", "2"]})", R"({"executed": ["2", "1"]})"), 0U);
  EXPECT_EQ(differences(R"({"executed": ["1", "2"]})", R"({"executed": ["2", "3"]})"), 1U);
}

TEST(ReplayDiffer, AnIdThatARequestChoseIsNoOther) {
  Differ differ;
  differ.names().keep("11111111-1111-4111-8111-111111111111");
  differ.compare(
      parsed(kOneId),
      parsed(R"({"id": "22222222-2222-4222-8222-222222222222", "again": "22222222-2222-4222-8222-222222222222"})"), "");
  EXPECT_EQ(differ.found().size(), 2U);
}

TEST(ReplayDiffer, ShortenedBodiesMayGoOn) {
  EXPECT_EQ(
      differences(R"({"a": "...", "b": ["x", "... trimmed"]})", R"({"a": {"c": 1}, "b": ["x", "y"], "d": 1})", true),
      0U);
  EXPECT_EQ(differences(R"({"a": 1})", R"({"b": 1})", true), 1U);
}

TEST(ReplayDiffer, FramesOutOfOrderMissingOrTooMany) {
  const std::vector<Frame> recorded = {status(1), executing("1"), executing("2"), status(0)};
  EXPECT_EQ(differences(recorded, recorded), 0U);
  EXPECT_GT(differences(recorded, {status(1), executing("2"), executing("1"), status(0)}), 0U);
  EXPECT_GT(differences(recorded, {status(1), executing("1"), status(0)}), 0U);
  EXPECT_GT(differences(recorded, {status(1), executing("1"), executing("2"), executing("3"), status(0)}), 0U);
  EXPECT_GT(differences(recorded, {status(1), executing("1"), executing("2")}), 0U);
  EXPECT_GT(differences(recorded, {status(1), executing("1"), executing("2"), status(5)}), 0U);
  // Only the place of a status among the others is chance.
  EXPECT_EQ(differences(recorded, {status(1), executing("1"), status(0), executing("2")}), 0U);
}

TEST(ReplayDiffer, ReportsAreComparedAsFarAsTheyCanBe) {
  const std::vector<Frame> recorded = {executing("2"), progress(1, 3), progress(2, 3), progress(3, 3), executing("3")};
  EXPECT_EQ(differences(recorded, recorded), 0U);
  const std::vector<Frame> fewer = {executing("2"), progress(1, 3), progress(3, 3), executing("3")};
  EXPECT_GT(differences(recorded, fewer), 0U);
  EXPECT_EQ(differences(recorded, fewer, /*counted=*/false), 0U);
  EXPECT_GT(differences(recorded, {executing("2"), progress(1, 3), progress(2, 3), executing("3")}, false), 0U);
  EXPECT_GT(differences(recorded, {executing("2"), progress(1, 4), progress(3, 4), executing("3")}, false), 0U);
  EXPECT_GT(differences(recorded, {executing("2"), executing("3")}, false), 0U);
}

TEST(ReplayDiffer, AllowedDifferencesAreThoseThatBeginSo) {
  Differ differ;
  differ.allow("answer 1 ");
  differ.compare(parsed("1"), parsed("2"), "answer 1 to GET /");
  EXPECT_TRUE(differ.found().empty());
  differ.compare(parsed("1"), parsed("2"), "answer 10 to GET /");
  EXPECT_EQ(differ.found().size(), 1U);
}

}  // namespace
}  // namespace comfysim::replay
