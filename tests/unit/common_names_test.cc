#include "libs/common/domain/common_names.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "libs/common/domain/non_output_classes.h"

namespace renderyard::domain {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

NodeClasses classes(const std::string& node, bool unique_prefix = true) {
  return classes_of_common_names(R"({"1":{"class_type":"KSampler","inputs":{"seed":7}},"2":)" + node + "}",
                                 unique_prefix);
}

TEST(CommonNames, APrefixThatIsPutIntoTheExecutionsFolderIsItsOwn) {
  const std::string save = R"({"class_type":"SaveImage","inputs":{"images":["1",0],"filename_prefix":"pic"}})";
  EXPECT_THAT(classes(save), ElementsAre("KSampler"));
  EXPECT_THAT(classes(save, false), ElementsAre("KSampler", "SaveImage"));
}

TEST(CommonNames, APrefixThatANodeGivesCannotBePutAnywhere) {
  const auto expect_common = [](const std::string& inputs) {
    EXPECT_THAT(classes(R"({"inputs":)" + inputs + R"(,"class_type":"SaveImage"})"),
                ElementsAre("KSampler", "SaveImage"))
        << inputs;
  };
  expect_common(R"({"images":["1",0],"filename_prefix":["1",0]})");
  expect_common(R"({"filename_prefix":7})");
  expect_common(R"({"path":"out.mp4"})");
  expect_common("{}");
  expect_common(R"({"filename_prefix":"pic","filename_prefix":["1",0]})");  // ComfyUI takes the last of two
}

TEST(CommonNames, OneNodeOfAClassIsEnough) {
  EXPECT_THAT(classes(R"({"class_type":"SaveImage","inputs":{"filename_prefix":"a"}},)"
                      R"("3":{"class_type":"SaveImage","inputs":{"filename_prefix":["1",0]}})"),
              ElementsAre("KSampler", "SaveImage"));
}

TEST(CommonNames, WhatHasNoClassMayBeAny) {
  EXPECT_THAT(classes(R"({"inputs":{}})"), ElementsAre("", "KSampler"));
  EXPECT_THAT(classes_of_common_names("7", true), IsEmpty());
}

TEST(CommonNames, WhatComfyUIOnlyShowsIsNoFileOfThatName) {
  for (const char* shown : {"PreviewImage", "PreviewAudio", "PreviewAny", "MaskPreview", "SaveImageWebsocket"}) {
    EXPECT_TRUE(saves_nothing(shown)) << shown;
  }
  EXPECT_FALSE(saves_nothing("SaveImage"));
  EXPECT_FALSE(saves_nothing(""));
}

TEST(NonOutputClasses, KnowsThoseItWasGiven) {
  EXPECT_FALSE(NonOutputClasses().contains("KSampler"));
  const NonOutputClasses known({"VAEDecode", "KSampler", "KSamplerAdvanced"});
  for (const char* given : {"KSampler", "KSamplerAdvanced", "VAEDecode"}) EXPECT_TRUE(known.contains(given)) << given;
  for (const char* other : {"", "KSample", "ksampler", "SaveImage"}) EXPECT_FALSE(known.contains(other)) << other;
}

}  // namespace
}  // namespace renderyard::domain
