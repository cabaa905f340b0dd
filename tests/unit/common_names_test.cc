#include "libs/common/domain/common_names.h"

#include <gtest/gtest.h>

#include <string>

namespace renderyard::domain {
namespace {

std::string graph_ending_in(const std::string& last) {
  return R"({"1":{"class_type":"CheckpointLoaderSimple","inputs":{"ckpt_name":"m.safetensors"}},)"
         R"("2":{"class_type":"KSampler","inputs":{"model": [ "1" , 0 ],"seed":7}},"3":)" +
         last + "}";
}

bool may(const std::string& last, bool unique_prefix = true, const NodeClasses& writers = {}) {
  return may_use_common_names(graph_ending_in(last), unique_prefix, writers);
}

TEST(CommonNames, APrefixThatIsPutIntoTheExecutionsFolderIsItsOwn) {
  const std::string save = R"({"class_type":"SaveImage","inputs":{"images":["2",0],"filename_prefix":"pic"}})";
  EXPECT_FALSE(may(save));
  EXPECT_TRUE(may(save, false));
  EXPECT_FALSE(may(save, true, {"SaveImage"})) << "another workflow had it from a node";
}

TEST(CommonNames, APrefixThatANodeGivesCannotBePutAnywhere) {
  EXPECT_TRUE(may(R"({"class_type":"SaveImage","inputs":{"images":["2",0],"filename_prefix":["1",0]}})"));
  EXPECT_TRUE(may(R"({"class_type":"SaveImage","inputs":{"filename_prefix":"pic","filename_prefix":["1",0]}})"))
      << "ComfyUI takes the last of two";
}

TEST(CommonNames, ANodeThatEndsTheGraphMayWriteWhatItLikes) {
  EXPECT_TRUE(may(R"({"class_type":"SaveVideoAs","inputs":{"images":["2",0],"path":"out.mp4"}})"));
  EXPECT_TRUE(may(R"({"class_type":"SaveVideoAs","inputs":{}})"));
}

TEST(CommonNames, WhatComfyUIOnlyShowsIsNoFileOfThatName) {
  for (const char* shown : {"PreviewImage", "PreviewAudio", "PreviewAny", "MaskPreview", "SaveImageWebsocket"}) {
    EXPECT_FALSE(may(R"({"class_type":")" + std::string(shown) + R"(","inputs":{"images":["2",0]}})")) << shown;
    EXPECT_FALSE(may(R"({"class_type":")" + std::string(shown) + R"(","inputs":{"images":["2",0]}})", false)) << shown;
  }
}

TEST(CommonNames, AWriterInTheMiddleIsKnownOnceItWasSeen) {
  const std::string last = R"({"class_type":"PreviewImage","inputs":{"images":["2",0]}})";
  EXPECT_FALSE(may(last));
  EXPECT_TRUE(may(last, true, {"KSampler"}));
}

TEST(CommonNames, ALinkToANodeWithAnOddNameIsALink) {
  const std::string odd = R"({"a\"b":{"class_type":"Sampler","inputs":{}},)"
                          R"("c":{"class_type":"PreviewImage","inputs":{"images":["a\"b",0]}}})";
  EXPECT_FALSE(may_use_common_names(odd, true, {}));
}

TEST(CommonNames, ATextIsNoLink) {
  EXPECT_TRUE(may_use_common_names(R"({"1":{"class_type":"A","inputs":{}},)"
                                   R"("2":{"class_type":"PreviewAny","inputs":{"text":"1","list":[1,"1"],"none":[]}}})",
                                   true, {}));
}

}  // namespace
}  // namespace renderyard::domain
