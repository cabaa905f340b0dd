#include "libs/common/domain/capabilities.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <string>

#include "tests/unit/recordings.h"

namespace renderyard::domain {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr char kStats[] = R"({"system":{"comfyui_version":"0.33.0"},
  "devices":[{"name":"cuda:0 GPU","type":"cuda","vram_total":25757220864,"vram_free":NaN}]})";

TEST(Capabilities, ClassesAndTheListsOfLoadersAreRead) {
  const auto read = parse_description(R"({
    "Save": {"input": {"required": {"images": ["IMAGE"]}}},
    "Sampler": {"input": {"required": {"name": [["euler", "heun"]]}}},
    "Loader": {"input": {"required": {"ckpt": [["b.safetensors", "a.ckpt"], {"tooltip": "x"}]},
                         "optional": {"again": ["COMBO", {"options": ["a.ckpt", "b.safetensors"]}]}}},
    "Lora": {"input": {"required": {"lora": [[]]}}},
    "Upload": {"input": {"required": {"file": [["x.pt"], {"image_upload": true}]}}}})",
                                      kStats);
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_THAT(read->capabilities.node_classes, ElementsAre("Loader", "Lora", "Sampler", "Save", "Upload"));
  ASSERT_EQ(read->capabilities.model_inputs.size(), 3u);
  EXPECT_EQ(read->capabilities.model_inputs.at("Loader.ckpt"), read->capabilities.model_inputs.at("Loader.again"))
      << "one list";
  EXPECT_THAT(read->capabilities.model_lists.at(read->capabilities.model_inputs.at("Loader.ckpt")),
              ElementsAre("a.ckpt", "b.safetensors"));
  EXPECT_THAT(read->capabilities.model_lists.at(read->capabilities.model_inputs.at("Lora.lora")), IsEmpty());
  EXPECT_TRUE(read->capabilities.complete);
  EXPECT_EQ(read->capabilities.comfyui_version, "0.33.0");
  EXPECT_THAT(read->capabilities.devices, ElementsAre(ComfyDevice{"cuda:0 GPU", "cuda", 25757220864}));
  EXPECT_EQ(models_json(read->capabilities),
            R"({"inputs":{"Loader.again":0,"Loader.ckpt":0,"Lora.lora":1},"lists":[["a.ckpt","b.safetensors"],[]]})");
  EXPECT_EQ(devices_json(read->capabilities), R"([{"name":"cuda:0 GPU","type":"cuda","vram_total":25757220864}])");
}

TEST(Capabilities, TheDigestIsOfWhatIsThereAndNotOfItsOrder) {
  const auto one = parse_description(
      R"({"A":{"input":{"required":{"m":[["x.pt","y.pt"]]}}},"B":{"input":{"required":{"m":[["z.pt"]]}}}})", kStats);
  const auto two = parse_description(
      R"({"B":{"input":{"required":{"m":[["z.pt"]]}}},"A":{"input":{"required":{"m":[["y.pt","x.pt"]]}}}})", kStats);
  const auto other = parse_description(
      R"({"A":{"input":{"required":{"m":[["x.pt"]]}}},"B":{"input":{"required":{"m":[["z.pt"]]}}}})", kStats);
  ASSERT_TRUE(one.ok() && two.ok() && other.ok());
  EXPECT_EQ(one->capabilities, two->capabilities);
  EXPECT_EQ(digest_of(one->capabilities), digest_of(two->capabilities));
  EXPECT_NE(digest_of(one->capabilities), digest_of(other->capabilities));
  EXPECT_EQ(digest_of(one->capabilities).size(), 64u);
}

TEST(Capabilities, WhatIsOverABoundIsLeftOutAndSaid) {
  CapabilityBounds bounds;
  bounds.node_classes = 2;
  const std::string nodes = R"({"A":{"input":{"required":{"m":[["x.pt","y.pt"]],"n":[["z.pt"]]}}},"B":{},"C":{}})";
  auto read = parse_description(nodes, kStats, bounds);
  ASSERT_TRUE(read.ok());
  EXPECT_THAT(read->capabilities.node_classes, ElementsAre("A", "B"));
  EXPECT_FALSE(read->capabilities.complete);
  bounds = {};
  bounds.models = 2;
  read = parse_description(nodes, kStats, bounds);
  EXPECT_EQ(read->capabilities.model_inputs.size(), 1u) << "a list is there as a whole or not at all";
  EXPECT_TRUE(read->capabilities.model_inputs.contains("A.m"));
  EXPECT_FALSE(read->capabilities.complete);
  bounds = {};
  bounds.name_bytes = 3;
  read = parse_description(nodes, kStats, bounds);
  EXPECT_THAT(read->capabilities.model_inputs, IsEmpty());
  EXPECT_FALSE(read->capabilities.complete);
  bounds.name_bytes = 4;
  EXPECT_TRUE(parse_description(nodes, kStats, bounds)->capabilities.complete);
}

TEST(Capabilities, OfClassesThatAreNotOutputNodesThatIsKnown) {
  CapabilityBounds bounds;
  bounds.node_classes = 5;
  const auto read = parse_description(
      R"({"Sampler":{"output_node":false},"Save":{"output_node":true},"Silent":{},"Odd":{"output_node":0},"Null":null,)"
      R"("OverTheBound":{"output_node":false}})",
      kStats, bounds);
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_TRUE(read->non_output.contains("Sampler"));
  for (const char* other : {"Save", "Silent", "Odd", "Null", "OverTheBound", "NotThere", ""}) {
    EXPECT_FALSE(read->non_output.contains(other)) << other;
  }
  EXPECT_EQ(read->non_output.size(), 1u);
}

TEST(Capabilities, WhatIsNotComfyUisIsAnError) {
  for (const char* nodes : {"", "{}", "[]", "<html>", "null", R"("x")"}) {
    EXPECT_TRUE(absl::IsInvalidArgument(parse_description(nodes, kStats).status())) << nodes;
  }
  EXPECT_TRUE(absl::IsInvalidArgument(parse_description(R"({"A":{}})", "{}").status()));
  // Odd shapes within are no model lists, and no error.
  const auto odd = parse_description(
      R"({"A":null,"B":{"input":7},"C":{"input":{"required":{"x":[],"y":null,"z":[[1,{"a":2},null]]}}}})", kStats);
  ASSERT_TRUE(odd.ok()) << odd.status();
  EXPECT_EQ(odd->capabilities.node_classes.size(), 3u);
  EXPECT_THAT(odd->capabilities.model_inputs, IsEmpty());
}

// The recorder cut the full listings; each class by itself is whole.
TEST(Capabilities, EveryRecordedReleaseIsRead) {
  const std::set<std::string> output_nodes = {"BridgeText", "PreviewImage", "SaveImage"};
  std::set<std::string> seen;
  for (const auto& recording : testing::recordings()) {
    std::string stats;
    for (const auto& other : testing::recordings()) {
      if (other.version != recording.version) continue;
      for (const auto& event : other.events) {
        if (event.exchange && event.exchange->path == "/system_stats" && event.exchange->status == 200) {
          stats = event.exchange->body;
        }
      }
    }
    for (const auto& event : recording.events) {
      if (!event.exchange || !event.exchange->path.starts_with("/object_info/") || event.exchange->status != 200)
        continue;
      const std::string name = event.exchange->path.substr(13);
      const auto read = parse_description(event.exchange->body, stats);
      if (event.exchange->body == "{}") {
        EXPECT_TRUE(absl::IsInvalidArgument(read.status()));
        continue;
      }
      ASSERT_TRUE(read.ok()) << recording.name << " " << name << ": " << read.status();
      EXPECT_THAT(read->capabilities.node_classes, ElementsAre(name));
      EXPECT_THAT(read->capabilities.model_inputs, IsEmpty()) << name;
      EXPECT_FALSE(read->capabilities.devices.empty());
      EXPECT_EQ(read->non_output.contains(name), !output_nodes.contains(name)) << name;
      EXPECT_EQ(read->capabilities.comfyui_version.empty(), recording.version == "2024-06-30");
      seen.insert(recording.version + " " + name);
    }
  }
  EXPECT_THAT(seen, Contains("2024-06-30 KSampler"));
  EXPECT_THAT(seen, Contains("0.33.0 LoadImage"));
}

}  // namespace
}  // namespace renderyard::domain
