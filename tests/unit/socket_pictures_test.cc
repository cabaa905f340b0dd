// Are all pictures of a SaveImageWebsocket node known? Over gaps, other nodes' previews, and servers that say less.
#include "libs/common/domain/socket_pictures.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace renderyard::domain {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr char kId[] = "p";

Executing executing(std::optional<std::string> node) {
  Executing message;
  message.prompt_id = kId;
  message.node = std::move(node);
  return message;
}

ProgressState state(const std::string& node, bool finished) {
  ProgressState message;
  message.prompt_id = kId;
  message.nodes.emplace_back();
  message.nodes[0].id = node;
  message.nodes[0].finished = finished;
  return message;
}

PreviewImage picture(const std::string& node, std::string data, std::string content_type = "image/png") {
  return {kId, node, std::move(content_type), std::move(data)};
}

struct Said {
  ComfyMessage message;
  std::uint64_t stream = 1;
};

SocketPictures heard(const std::vector<Said>& messages) {
  SocketPictures pictures({"9"});
  for (const Said& said : messages) pictures.apply(said.message, said.stream);
  return pictures;
}

std::vector<std::string> taken(SocketPictures pictures) {
  std::vector<std::string> out;
  for (; pictures.waiting(); pictures.pop()) out.push_back(pictures.front().png);
  return out;
}

TEST(SocketPicturesTest, EveryPictureOfTheNodeInOrderAndNoneOfOthers) {
  const SocketPictures pictures = heard({{ExecutionStart{kId}},
                                         {executing("2")},
                                         {picture("2", "preview of a sampler")},
                                         {executing("9")},
                                         {picture("9", "one")},
                                         {picture("9", "small", "image/jpeg")},
                                         {picture("2", "late preview")},
                                         {picture("9", "two")},
                                         {executing(std::nullopt)}});
  EXPECT_EQ(pictures.incomplete(), std::nullopt);
  EXPECT_THAT(taken(pictures), ElementsAre("one", "two"));
}

TEST(SocketPicturesTest, AGapWhileTheNodeRanLeavesThemIncomplete) {
  const SocketPictures pictures = heard({{ExecutionStart{kId}, 1},
                                         {executing("9"), 1},
                                         {picture("9", "one"), 1},
                                         {picture("9", "three"), 2},
                                         {executing(std::nullopt), 2}});
  EXPECT_EQ(pictures.incomplete(), "9");
  EXPECT_THAT(taken(pictures), ElementsAre("one")) << "what comes after a gap belongs to nothing";
}

TEST(SocketPicturesTest, GapsBeforeAndAfterTheNodeCostNothing) {
  const std::vector<Said> without_state = {{ExecutionStart{kId}, 1},   {executing("9"), 2},
                                           {picture("9", "one"), 2},   {executing("10"), 2},
                                           {ExecutionSuccess{kId}, 3}, {executing(std::nullopt), 3}};
  EXPECT_EQ(heard(without_state).incomplete(), std::nullopt);
  const std::vector<Said> with_state = {{ExecutionStart{kId}, 1},  {state("9", false), 2}, {executing("9"), 2},
                                        {picture("9", "one"), 2},  {state("9", true), 2},  {executing("10"), 2},
                                        {ExecutionSuccess{kId}, 3}};
  EXPECT_EQ(heard(with_state).incomplete(), std::nullopt);
  EXPECT_THAT(taken(heard(with_state)), ElementsAre("one"));
}

// Nodes may run beside each other where the server says when each of them has finished.
TEST(SocketPicturesTest, AnotherNodesStartIsNoEndWhereTheServerSaysWhenNodesFinish) {
  std::vector<Said> messages = {{ExecutionStart{kId}, 1},
                                {state("9", false), 1},
                                {executing("9"), 1},
                                {executing("10"), 1},
                                {picture("9", "one"), 1}};
  EXPECT_THAT(taken(heard(messages)), ElementsAre("one"));
  messages.push_back({ExecutionSuccess{kId}, 2});
  EXPECT_EQ(heard(messages).incomplete(), "9");
}

TEST(SocketPicturesTest, ANodeThatDidNotRunIsToldFromOneThatWasMissed) {
  EXPECT_EQ(heard({{ExecutionStart{kId}, 1}, {executing("2"), 1}, {ExecutionSuccess{kId}, 1}}).incomplete(),
            std::nullopt);
  EXPECT_EQ(heard({{ExecutionStart{kId}, 1}, {executing("2"), 1}, {ExecutionSuccess{kId}, 2}}).incomplete(), "9");
  EXPECT_EQ(heard({}).incomplete(), "9");
  // Its pictures went to an earlier prompt's listener.
  EXPECT_EQ(
      heard({{ExecutionStart{kId}, 1}, {ExecutionCached{kId, {"9"}}, 1}, {executing(std::nullopt), 1}}).incomplete(),
      "9");
}

TEST(SocketPicturesTest, APromptWithoutSuchNodesHasNone) {
  SocketPictures none;
  none.apply(executing("9"), 1);
  none.apply(picture("9", "one"), 1);
  EXPECT_FALSE(none.waiting());
  EXPECT_EQ(none.incomplete(), std::nullopt);
}

TEST(SocketPicturesTest, WhatWaitsIsBounded) {
  const std::string large(SocketPictures::kMostWaiting / 2, 'x');
  SocketPictures pictures({"9"});
  pictures.apply(ExecutionStart{kId}, 1);
  pictures.apply(executing("9"), 1);
  for (int i = 0; i < 3; ++i) pictures.apply(picture("9", large), 1);
  pictures.apply(executing(std::nullopt), 1);
  EXPECT_EQ(pictures.incomplete(), "9");
  int waiting = 0;
  for (; pictures.waiting(); pictures.pop()) ++waiting;
  EXPECT_EQ(waiting, 2);
}

TEST(SocketPicturesTest, KeptPicturesStandInTheOutputsAndTakeThePlaceOfTheServersWords) {
  const std::set<std::string> nodes = {"9"};
  const std::string hash(64, 'a');
  const std::string outputs = with_pictures(
      R"({"3":{"images":[{"filename":"a.png"}]},"9":{"images":[{"filename":"b","sha256":"somebody's"}]}})", nodes,
      {{"9", "one.png", hash, 12}, {"9", "two.png", hash, 13}});
  EXPECT_EQ(outputs.find("somebody's"), std::string::npos);
  EXPECT_NE(outputs.find(R"("3":{"images")"), std::string::npos);
  const auto kept = pictures_in(outputs, nodes);
  ASSERT_EQ(kept.size(), 2u);
  EXPECT_EQ(kept[0].filename, "one.png");
  EXPECT_EQ(kept[1].node_id, "9");
  EXPECT_EQ(kept[1].sha256, hash);
  EXPECT_EQ(kept[1].size_bytes, 13);
  EXPECT_THAT(pictures_in(outputs, {}), IsEmpty()) << "other nodes' hashes open nothing";
  EXPECT_EQ(with_pictures("no json", nodes, {}), "{}");
}

}  // namespace
}  // namespace renderyard::domain
