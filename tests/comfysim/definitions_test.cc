// The descriptions of nodes are those of the recorded servers, and every node that is described can run.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "tests/comfysim/models.h"
#include "tests/comfysim/node_defs.h"
#include "tests/comfysim/test_fixture.h"

namespace comfysim::testing {
namespace {

class DefinitionsTest : public ComfysimTest, public ::testing::WithParamInterface<const Generation*> {
 protected:
  // The recorded servers had no models.
  void SetUp() override {
    options_.generation = GetParam();
    for (const std::string& folder : Models(*GetParam(), {}).folders()) options_.models.push_back(folder + "=");
    start();
  }

  // The answers of the recording, by path.
  std::vector<std::pair<std::string, json::object>> recorded() {
    const char* root = std::getenv("RENDERYARD_TEST_SOURCE_DIR");
    const std::filesystem::path folder = std::filesystem::path(root == nullptr ? "." : root) / "tests/recordings";
    std::ifstream in(folder / GetParam()->name / "object-info.jsonl");
    std::vector<std::pair<std::string, json::object>> out;
    std::string path;
    for (std::string line; std::getline(in, line);) {
      const json::value value = parse_json(line).value();
      if (value.at("dir") == "http-req") path = python_str(value.at("path"));
      if (value.at("dir") == "http-resp") out.emplace_back(path, value.as_object());
    }
    return out;
  }
};

TEST_P(DefinitionsTest, DescribeTheRecordedClassesFieldByField) {
  int compared = 0;
  for (const auto& [path, answer] : recorded()) {
    const json::value* body = answer.if_contains("body");
    if (body == nullptr) continue;
    if (path == "/object_info/LoadImage") {
      const json::value& files = body->at("LoadImage").at("input").at("required").at("image").at(0);
      for (const json::value& name : files.as_array()) write_file(folder_.path() / "input" / python_str(name), "");
    }
    EXPECT_EQ(get(port(), path).body, dump_json(*body)) << path;
    ++compared;
  }
  EXPECT_EQ(compared, 9);
}

TEST_P(DefinitionsTest, TheFullListBeginsAsRecorded) {
  const std::string list = get(port(), "/object_info").body;
  for (const auto& [path, answer] : recorded()) {
    if (const json::value* text = answer.if_contains("body_text")) {
      const std::string start(text->as_string());
      // The recorder kept the first 4000 bytes.
      ASSERT_GE(start.size(), 3900U);
      EXPECT_EQ(list.substr(0, start.size()), start);
    }
  }
}

TEST_P(DefinitionsTest, SayWhatIsInTheModelFolders) {
  const auto choices = [&] {
    const json::value body = get(port(), "/object_info/LoraLoader").json();
    return dump_json(body.at("LoraLoader").at("input").at("required").at("lora_name").at(0));
  };
  EXPECT_EQ(choices(), "[]");
  options_.models = {"loras=b.safetensors,a.safetensors", "clip=te.safetensors"};
  start();
  EXPECT_EQ(choices(), R"(["a.safetensors", "b.safetensors"])");
  const Reply folder = get(port(), "/models/text_encoders");
  EXPECT_EQ(folder.status, GetParam()->models_route ? 200U : 404U);
  if (GetParam()->models_route) {
    EXPECT_EQ(folder.body, R"(["te.safetensors"])");
    EXPECT_EQ(get(port(), "/models").json().at(0), "checkpoints");
    EXPECT_EQ(get(port(), "/models/nowhere").status, 404U);
  }
}

TEST_P(DefinitionsTest, AModelThatIsNotThereIsRefused) {
  json::value graph = text_to_image(1, "x");
  const Reply reply = submit(graph, 1);
  EXPECT_EQ(reply.status, 400U);
  const json::value error = reply.json().at("node_errors").at("4").at("errors").at(0);
  EXPECT_EQ(error.at("type"), "value_not_in_list");
  EXPECT_EQ(error.at("details"), "ckpt_name: 'v1-5-pruned-emaonly.safetensors' not in []");
  options_.models = {"checkpoints=v1-5-pruned-emaonly.safetensors"};
  start();
  EXPECT_EQ(submit(graph, 1).status, 200U);
}

INSTANTIATE_TEST_SUITE_P(Generations, DefinitionsTest,
                         ::testing::Values(&generation_0_33_0(), &generation_0_3_64(), &generation_2024_06_30()),
                         [](const auto& info) {
                           std::string name(info.param->name);
                           for (char& c : name) {
                             if (c == '.' || c == '-') c = '_';
                           }
                           return name;
                         });

TEST(ModelsTest, TheListOfFoldersIsAsLongAsRecorded) {
  const auto length = [](const Generation& generation) {
    json::array out;
    for (const std::string& folder : Models(generation, {}).folders()) out.emplace_back(folder);
    return dump_json(out).size();
  };
  // Content-Length of GET /models in the recordings system-stats.
  EXPECT_EQ(length(generation_0_3_64()), 290U);
  EXPECT_EQ(length(generation_0_33_0()), 424U);
}

TEST(ModelsTest, AListOfAnotherFormIsRefused) {
  EXPECT_THROW(Models(generation_0_33_0(), {"loras"}), std::invalid_argument);
  EXPECT_THROW(Models(generation_0_33_0(), {"nowhere=a.safetensors"}), std::invalid_argument);
}

}  // namespace
}  // namespace comfysim::testing
