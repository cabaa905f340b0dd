// Outputs of every kind, in every folder and under every name that ComfyUI allows: each is collected once, under its
// node, with the bytes the server wrote; also when the server answers a whole prompt from its cache.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <map>
#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include "tests/integration/bridge/bridge_lab.h"
#include "tests/integration/bridge/graphs.h"
#include "tests/integration/bridge/ledger_files.h"
#include "tests/integration/bridge/meddler.h"
#include "tests/integration/bridge/plain_http.h"

namespace renderyard::testing {
namespace {

namespace json = boost::json;
using ports::ExecutionState;
using ::testing::HasSubstr;

constexpr char kText[] = "line one – ünï 100%";

// Two pictures as files, as temporary files and as a film, a text, and a sound as a file and as a temporary one.
std::string rich_graph() {
  const std::string images = R"("images":["1",0])";
  return "{" + pictures(2, 5) + "," +
         node(3, "SaveImage", images + R"(,"filename_prefix":"ä ö ☃/nested deep/100% #1 & co+=?;'[2]")") + "," +
         node(4, "PreviewImage", images) + "," +
         node(5, "SaveAnimatedWEBP",
              images + R"(,"filename_prefix":"films/%width% wide","fps":6.0,"lossless":true,"quality":80,)"
                       R"("method":"fastest")") +
         "," + node(6, "BridgeText", R"("text":")" + std::string(kText) + R"(","seed":1)") + "," +
         node(7, "CheckpointLoaderSimple", R"("ckpt_name":"one.safetensors")") + "," +
         node(8, "EmptyLatentAudio", R"("seconds":1.0,"batch_size":1)") + "," +
         node(9, "VAEDecodeAudio", R"("samples":["8",0],"vae":["7",2])") + "," +
         node(10, "SaveAudio", R"("audio":["9",0],"filename_prefix":"sound/a b/tune")") + "," +
         node(11, "PreviewAudio", R"("audio":["9",0])") + "}";
}

json::object file(const char* name, const char* folder, const char* type) {
  return {{"filename", name}, {"subfolder", folder}, {"type", type}};
}

const std::map<std::string, std::pair<std::string, std::string>> kKindsAndTypes = {{"3", {"images", "image/png"}},
                                                                                   {"4", {"images", "image/png"}},
                                                                                   {"5", {"images", "image/webp"}},
                                                                                   {"10", {"audio", "audio/flac"}},
                                                                                   {"11", {"audio", "audio/flac"}}};

class OutputsTest : public ::testing::TestWithParam<const char*> {
 protected:
  OutputsTest() {
    BridgeLab::Way way;
    way.url = [&](const std::string& server) {
      front_ = std::make_unique<Meddler>(server);
      return front_->url();
    };
    lab_ = std::make_unique<BridgeLab>(
        std::vector<std::string>{"--generation", GetParam(), "--models", "checkpoints=one.safetensors"},
        std::move(way));
  }

  ports::ExecutionId done(const std::string& graph) {
    EXPECT_TRUE(lab_->until_connected());
    const auto execution = lab_->order(graph);
    EXPECT_TRUE(lab_->until_final(execution));
    const auto& error = lab_->row(execution).error;
    EXPECT_EQ(lab_->row(execution).state, ExecutionState::kCompleted) << (error ? error->message : "");
    return execution;
  }
  std::string result_of(ports::ExecutionId execution) {
    return lab_->database().execution(execution)->result_json.value_or("");
  }

  using Thing = std::tuple<std::string, std::string, std::int64_t, std::string>;  // node, name, size, SHA-256
  // What was collected for `execution` is what the server wrote for `writer`; and is stored as it says.
  void expect_what_was_written(ports::ExecutionId execution, ports::ExecutionId writer) {
    std::vector<Thing> written;
    for (const LedgerFile& file : ledger_files(*lab_, writer)) {
      written.emplace_back(file.node_id, file.filename, file.size_bytes, file.sha256);
    }
    std::vector<Thing> collected;
    int n = 0;
    for (const ports::OutputRow& output : lab_->outputs(execution)) {
      EXPECT_EQ(output.n, n++);
      EXPECT_EQ(output.job_id, lab_->row(execution).job_id);
      collected.emplace_back(output.node_id, output.filename, output.size_bytes, output.sha256);
      const std::string& content = lab_->content(output);
      EXPECT_EQ(static_cast<std::int64_t>(content.size()), output.size_bytes) << output.filename;
      EXPECT_EQ(sha256_hex(content), output.sha256) << output.filename;
    }
    EXPECT_FALSE(written.empty());
    EXPECT_THAT(collected, ::testing::UnorderedElementsAreArray(written));
  }
  void expect_kinds(ports::ExecutionId execution) {
    std::map<std::string, int> counts;
    for (const ports::OutputRow& output : lab_->outputs(execution)) {
      ASSERT_TRUE(kKindsAndTypes.contains(output.node_id)) << output.node_id;
      const auto& [kind, type] = kKindsAndTypes.at(output.node_id);
      EXPECT_EQ(output.kind, kind) << output.filename;
      EXPECT_EQ(output.content_type, type) << output.filename;
      ++counts[output.node_id];
    }
    EXPECT_EQ(counts, (std::map<std::string, int>{{"3", 2}, {"4", 2}, {"5", 1}, {"10", 1}, {"11", 1}}));
  }

  std::unique_ptr<Meddler> front_;
  std::unique_ptr<BridgeLab> lab_;
};

INSTANTIATE_TEST_SUITE_P(Releases, OutputsTest, ::testing::Values("2024-06-30", "0.3.64", "0.33.0"),
                         [](const auto& param) {
                           std::string name = param.param;
                           std::replace_if(
                               name.begin(), name.end(), [](char c) { return c == '.' || c == '-'; }, '_');
                           return name;
                         });

TEST_P(OutputsTest, OfEveryKindAreCollectedAsTheServerWroteThem) {
  const auto execution = done(rich_graph());
  expect_kinds(execution);
  expect_what_was_written(execution, execution);
  ASSERT_FALSE(lab_->outputs(execution).empty());
  EXPECT_THAT(lab_->outputs(execution)[0].filename, HasSubstr("100% #1 & co+=?;'[2]_00001_.png"));
  // Texts are no files: they stand in the result.
  EXPECT_THAT(result_of(execution), HasSubstr(kText));
  EXPECT_THAT(result_of(execution), HasSubstr(R"("outputs_from":"history")"));
}

TEST_P(OutputsTest, OfARunThatWasCachedAsAWholeAreTheFirstRuns) {
  ASSERT_TRUE(lab_->until_connected());
  ports::InstanceChange change;
  change.unique_prefix = false;  // else no two prompts are equal
  lab_->change(change);
  ASSERT_TRUE(lab_->until([&] { return lab_->count_in_journal("instance_changed") == 1; }));
  const auto first = done(rich_graph());
  expect_what_was_written(first, first);
  const auto second = done(rich_graph());
  EXPECT_EQ(lab_->ledger("node", second), 0) << "it was not cached";
  EXPECT_TRUE(ledger_files(*lab_, second).empty());
  expect_kinds(second);
  expect_what_was_written(second, first);
  EXPECT_THAT(result_of(second), HasSubstr(kText));
}

// What nodes of others call their outputs, and what else they put beside them.
TEST_P(OutputsTest, UnderKeysOfOtherNodesAreCollectedAndWhatIsNoFileIsNot) {
  front_->edit([](const Meddler::Request& request, Meddler::Answer& answer) {
    if (request.target.starts_with("/view") && request.target.find(".webp") != std::string::npos) {
      answer.type = "model/gltf-binary";
    }
    if (!request.target.starts_with("/history/")) return;
    json::value history = json::parse(answer.body);
    for (auto& [id, entry] : history.as_object()) {
      json::object& outputs = entry.as_object()["outputs"].as_object();
      json::object films;
      films["gifs"] = outputs["3"].as_object()["images"];
      for (json::value& film : films["gifs"].as_array()) {
        film.as_object()["format"] = "video/h264-mp4";
        film.as_object()["frame_rate"] = 8.5;
        film.as_object()["fullpath"] = "/home/comfy/output/x.mp4";
      }
      films["text"] = json::array{
          "said", 5, nullptr, json::object{{"filename", ""}}, json::object{{"name", "no file"}}, json::array{1, 2}};
      films["animated"] = json::array{true};
      outputs["3"] = std::move(films);
      json::object model;
      model["3d"] = outputs["5"].as_object()["images"];
      model["result"] = json::array{"3d/mesh.glb", json::object{{"position", json::array{1, 2, 3}}}};
      outputs["5"] = std::move(model);
      outputs["6"].as_object()["references"] = json::array{file("example.png", "", "input")};
      outputs["99.0.1"] = json::object{{"a_images", json::array()}, {"nothing", nullptr}, {"number", 7}};
    }
    answer.body = json::serialize(history);
  });
  const auto execution = done(rich_graph());
  expect_what_was_written(execution, execution);
  std::map<std::string, std::pair<std::string, std::string>> kinds;
  for (const ports::OutputRow& output : lab_->outputs(execution)) {
    kinds[output.node_id] = {output.kind, output.content_type};
  }
  auto expected = kKindsAndTypes;
  expected["3"].first = "gifs";
  expected["5"] = {"3d", "model/gltf-binary"};
  EXPECT_EQ(kinds, expected);
}

TEST_P(OutputsTest, ThatAServerNamesAndDoesNotGiveFailTheJobByName) {
  front_->edit([](const Meddler::Request& request, Meddler::Answer& answer) {
    if (!request.target.starts_with("/history/")) return;
    json::value history = json::parse(answer.body);
    for (auto& [id, entry] : history.as_object()) {
      json::object& outputs = entry.as_object()["outputs"].as_object();
      outputs["3"] = json::object{{"images", json::array{file("../../etc/passwd", "../..", "output")}}};
    }
    answer.body = json::serialize(history);
  });
  ASSERT_TRUE(lab_->until_connected());
  const auto execution = lab_->order(simple_graph(1));
  ASSERT_TRUE(lab_->until_final(execution));
  EXPECT_EQ(lab_->row(execution).state, ExecutionState::kFailed);
  ASSERT_TRUE(lab_->row(execution).error);
  EXPECT_EQ(lab_->row(execution).error->code, "output_missing");
  EXPECT_EQ(lab_->row(execution).error->node_id, "3");
  EXPECT_THAT(lab_->row(execution).error->message, HasSubstr("../../etc/passwd"));
  EXPECT_TRUE(lab_->outputs(execution).empty());
}

}  // namespace
}  // namespace renderyard::testing
