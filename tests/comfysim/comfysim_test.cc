// comfysim speaks as the recorded 0.33.0 does.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/comfysim/digest.h"
#include "tests/comfysim/image.h"
#include "tests/comfysim/test_fixture.h"

namespace comfysim::testing {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;

std::string error_type(const Reply& reply) {
  return python_str(reply.json().at("error").at("type"));
}

// {node id}.errors[0].type
std::string node_error(const Reply& reply, const char* node) {
  return python_str(reply.json().at("node_errors").at(node).at("errors").at(0).at("type"));
}

TEST_F(ComfysimTest, MessagesOfASuccessComeInTheRecordedOrder) {
  WebSocketClient socket(port(), kSocket);
  const auto greeting = socket.next();
  ASSERT_TRUE(greeting);
  EXPECT_EQ(greeting->bytes,
            R"({"type": "status", "data": {"status": {"exec_info": {"queue_remaining": 0}}, "sid": "client-1"}})");
  const Reply reply = submit(simple_workflow(2218731), 1);
  EXPECT_EQ(reply.body, R"({"prompt_id": ")" + id_of(1) + R"(", "number": 0, "node_errors": {}})");
  const std::vector<Event> events = socket.until_done();
  // 0.33.0, recording simple-success.
  EXPECT_THAT(types_of(events),
              ElementsAre("status", "status", "execution_start", "execution_cached", "progress_state", "executing",
                          "progress_state", "progress_state", "executing", "progress_state", "progress_state",
                          "executing", "executed", "progress_state", "execution_success", "status", "executing"));
  EXPECT_EQ(events[4].bytes,
            R"({"type": "progress_state", "data": {"prompt_id": ")" + id_of(1) +
                R"(", "nodes": {"1": {"value": 0.0, "max": 1.0, "state": "running", "node_id": "1", )" +
                R"("prompt_id": ")" + id_of(1) +
                R"(", "display_node_id": "1", "parent_node_id": null, "real_node_id": "1"}}}})");
  const json::object entry = history(1);
  EXPECT_EQ(entry.at("status").at("status_str"), "success");
  EXPECT_EQ(dump_json(entry.at("outputs")),
            R"({"3": {"images": [{"filename": "simple_00001_.png", "subfolder": "rec", "type": "output"}]}})");
}

TEST_F(ComfysimTest, ARerunIsCachedAndShowsTheOldFiles) {
  submit(simple_workflow(5), 1);
  wait_ledger([](const json::object& line) { return line.at("event") == "ended"; });
  WebSocketClient socket(port(), kSocket);
  socket.next();
  submit(simple_workflow(5), 2);
  const std::vector<Event> events = socket.until_done();
  EXPECT_THAT(types_of(events), ElementsAre("status", "status", "execution_start", "execution_cached", "executed",
                                            "progress_state", "execution_success", "status", "executing"));
  EXPECT_EQ(dump_json(events[3].data.at("nodes")), R"(["1", "2", "3"])");
  EXPECT_EQ(events[4].data.at("output").at("images").at(0).at("filename"), "simple_00001_.png");
}

TEST_F(ComfysimTest, PreviewsAreOfType4OnlyAfterTheFeatureFlag) {
  const auto run = [&](bool flag, int n) {
    WebSocketClient socket(port(), kSocket);
    if (flag) socket.send(R"({"type": "feature_flags", "data": {"supports_preview_metadata": true}})");
    if (flag) socket.until([](const Event& event) { return event.type == "feature_flags"; });
    submit(slow_workflow(0.01, 2, "JPEG", n), n);
    std::vector<std::string> out;
    for (const Event& event : socket.until_done()) {
      if (event.kind == Event::Kind::kBinary) out.push_back(std::to_string(event.bytes[3]));
      if (event.type == "progress") out.push_back("progress");
    }
    return out;
  };
  EXPECT_THAT(run(false, 1), ElementsAre("progress", "1", "progress", "1"));
  EXPECT_THAT(run(true, 2), ElementsAre("4", "progress", "4", "progress"));
}

TEST_F(ComfysimTest, RefusalsHaveTheRecordedTypes) {
  const auto edited = [](const char* node, const char* input, const json::value& value) {
    json::value workflow = simple_workflow(1);
    workflow.at(node).at("inputs").as_object()[input] = value;
    return workflow;
  };
  EXPECT_EQ(error_type(submit({{"1", {{"class_type", "NoSuchNode"}, {"inputs", json::object()}}}}, 1)),
            "missing_node_type");
  EXPECT_EQ(error_type(submit(json::object(), 1)), "prompt_no_outputs");
  EXPECT_EQ(error_type(post(port(), "/prompt", json::object())), "no_prompt");
  EXPECT_EQ(error_type(submit(simple_workflow(1), 1, {{"prompt_id", "5B0E3C8A-6C0E-4B6E-9A8E-3E8F3B1B2C3D"}})),
            "invalid_prompt_id");
  EXPECT_EQ(node_error(submit(edited("1", "width", 0), 1), "1"), "value_smaller_than_min");
  EXPECT_EQ(node_error(submit(edited("1", "width", 10'000'000), 1), "1"), "value_bigger_than_max");
  EXPECT_EQ(node_error(submit(edited("1", "width", "wide"), 1), "1"), "invalid_input_type");
  EXPECT_EQ(node_error(submit(edited("3", "images", {"1", 0, 0}), 1), "3"), "bad_linked_input");
  EXPECT_EQ(node_error(submit(edited("3", "images", {"99", 0}), 1), "3"), "exception_during_validation");
  EXPECT_EQ(node_error(submit(edited("2", "image", {"2", 0}), 1), "2"), "dependency_cycle");
  json::value missing = simple_workflow(1);
  missing.at("1").at("inputs").as_object().erase("color");
  const Reply reply = submit(missing, 1);
  EXPECT_EQ(reply.status, 400u);
  EXPECT_EQ(error_type(reply), "prompt_outputs_failed_validation");
  EXPECT_EQ(node_error(reply, "1"), "required_input_missing");
  json::value picture = text_to_image(1, "x");
  picture.at("4").at("inputs").as_object()["ckpt_name"] = "gone.safetensors";
  EXPECT_EQ(node_error(submit(picture, 1), "4"), "value_not_in_list");
  picture = text_to_image(1, "x");
  picture.at("9").at("inputs").as_object()["images"] = {"3", 0};
  EXPECT_EQ(node_error(submit(picture, 1), "9"), "return_type_mismatch");
}

TEST_F(ComfysimTest, OneGoodOutputIsEnough) {
  json::value workflow = simple_workflow(1);
  workflow.as_object()["4"] = {{"class_type", "SaveImage"}, {"inputs", {{"images", {"1", 0}}}}};
  const Reply reply = submit(workflow, 1);
  EXPECT_EQ(reply.status, 200u);
  EXPECT_EQ(node_error(reply, "4"), "required_input_missing");
}

TEST_F(ComfysimTest, MalformedRequestsAre500) {
  for (const char* body : {"{\"prompt\": ", "", "{\"prompt\": null}", "{\"prompt\": {\"nodes\": [], \"version\": 0.4}}",
                           "{\"prompt\": {}, \"number\": \"abc\"}"}) {
    const Reply reply = request(port(), "POST", "/prompt", body);
    EXPECT_EQ(reply.status, 500u) << body;
    EXPECT_EQ(reply.headers.at("content-type"), "text/plain; charset=utf-8");
  }
  EXPECT_EQ(request(port(), "POST", "/queue", "").status, 500u);
  EXPECT_EQ(get(port(), "/history?max_items=x").status, 500u);
}

TEST_F(ComfysimTest, TooLargeBodiesAre413) {
  options_.max_upload_mb = 1;
  start();
  const Reply reply = request(port(), "POST", "/prompt", std::string(2'000'000, ' '));
  EXPECT_EQ(reply.status, 413u);
  EXPECT_EQ(reply.body, "Maximum request body size 1048576 exceeded, actual body size 2000000");
}

TEST_F(ComfysimTest, TheEndOfTheOlderSocketDeafensTheNewer) {
  WebSocketClient older(port(), kSocket);
  older.next();
  WebSocketClient newer(port(), kSocket);
  newer.next();
  submit(simple_workflow(1), 1);
  EXPECT_THAT(types_of(newer.until_done()), Contains("execution_success"));
  older.close();
  // There is no sign of when the server has seen that. A third client tells when a prompt is over; a pong then comes
  // after all that the newer one was sent of it. Deaf is who got nothing but the pong.
  WebSocketClient witness(port(), "/ws?clientId=witness");
  const auto idle = [](const Event& event) {
    return event.type == "status" && event.data.at("status").at("exec_info").at("queue_remaining") == 0;
  };
  witness.until(idle);
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  std::vector<Event> heard;
  for (int n = 2; heard.size() != 1; ++n) {
    ASSERT_LT(std::chrono::steady_clock::now(), deadline);
    submit(simple_workflow(n), n);
    witness.until(idle);
    newer.ping();
    heard = newer.until([](const Event& event) { return event.kind == Event::Kind::kPong; });
    ASSERT_FALSE(heard.empty());
  }
  EXPECT_EQ(heard.front().kind, Event::Kind::kPong);
}

TEST_F(ComfysimTest, CancelIsAtomicAndSaysWhatItDid) {
  WebSocketClient socket(port(), kSocket);
  submit(slow_workflow(60, 1000, "none", 1), 1);
  submit(simple_workflow(1), 2);
  socket.until([](const Event& event) { return event.type == "progress"; });
  const auto cancelled = [&](const Reply& reply) { return reply.json().at("cancelled").as_bool(); };
  EXPECT_TRUE(cancelled(post(port(), "/api/jobs/" + id_of(2) + "/cancel", nullptr)));
  EXPECT_FALSE(cancelled(post(port(), "/api/jobs/" + id_of(2) + "/cancel", nullptr)));
  EXPECT_TRUE(cancelled(post(port(), "/api/jobs/cancel", {{"job_ids", {id_of(7), id_of(1)}}})));
  EXPECT_THAT(types_of(socket.until_done()), Contains("execution_interrupted"));
  EXPECT_EQ(get(port(), "/api/jobs/" + id_of(1)).json().at("status"), "cancelled");
  EXPECT_EQ(get(port(), "/api/jobs/" + id_of(2)).status, 404u);
  EXPECT_FALSE(cancelled(post(port(), "/api/jobs/" + id_of(1) + "/cancel", nullptr)));
  EXPECT_EQ(post(port(), "/api/jobs/cancel", {{"job_ids", {"bad"}}}).status, 400u);
  EXPECT_EQ(get(port(), "/jobs").status, 404u);
}

TEST_F(ComfysimTest, ATargetedInterruptHitsOnlyItsPrompt) {
  WebSocketClient socket(port(), kSocket);
  submit(slow_workflow(60, 1000, "none", 1), 1);
  socket.until([](const Event& event) { return event.type == "progress"; });
  post(port(), "/interrupt", {{"prompt_id", id_of(9)}});
  socket.until([](const Event& event) { return event.type == "progress"; });
  EXPECT_EQ(get(port(), "/queue").json().at("queue_running").as_array().size(), 1u);
  post(port(), "/interrupt", {{"prompt_id", id_of(1)}});
  socket.until_done();
  EXPECT_EQ(history(1).at("status").at("status_str"), "error");
}

TEST_F(ComfysimTest, ANodeThatFailsEndsThePrompt) {
  WebSocketClient socket(port(), kSocket);
  socket.next();
  json::value workflow = simple_workflow(1);
  workflow.as_object()["2"] = {{"class_type", "BridgeFail"}, {"inputs", {{"image", {"1", 0}}, {"message", "boom é"}}}};
  submit(workflow, 1);
  const std::vector<Event> events = socket.until_done();
  const Event& error = events.at(events.size() - 3);
  ASSERT_EQ(error.type, "execution_error");
  EXPECT_EQ(error.data.at("exception_message"), "boom é\n");
  EXPECT_EQ(error.data.at("node_type"), "BridgeFail");
  EXPECT_EQ(get(port(), "/api/jobs/" + id_of(1)).json().at("status"), "failed");
}

TEST_F(ComfysimTest, TheLedgerKnowsTheBytesOfEveryFile) {
  WebSocketClient socket(port(), kSocket);
  submit(text_to_image(1, "a lake"), 1, {{"extra_data", {{"renderyard", {{"execution_id", 42}}}, {"other", "kept"}}}});
  socket.until_done();
  const json::object file = wait_ledger([](const json::object& line) { return line.at("event") == "file"; });
  const Reply view = get(port(), "/view?filename=t2i_00001_.png&type=output");
  EXPECT_EQ(file.at("sha256"), json::string(sha256_hex(view.body)));
  EXPECT_EQ(file.at("size"), view.body.size());
  EXPECT_EQ(file.at("execution_id"), 42);
  EXPECT_EQ(file.at("prompt_id"), json::string(id_of(1)));
  EXPECT_EQ(view.headers.at("content-length"), std::to_string(view.body.size()));
  EXPECT_TRUE(view.headers.contains("etag"));
  EXPECT_TRUE(view.headers.contains("last-modified"));
  const json::object entry = history(1);
  EXPECT_EQ(entry.at("prompt").at(3).at("other"), "kept");
  std::vector<std::string> events;
  for (const json::object& line : ledger()) events.push_back(python_str(line.at("event")));
  EXPECT_THAT(events, ElementsAre("boot", "post", "accepted", "started", "node", "node", "node", "node", "node", "node",
                                  "node", "file", "ended"));
}

TEST_F(ComfysimTest, SeedAndPromptMakeThePicture) {
  WebSocketClient socket(port(), kSocket);
  const auto picture_of = [&](std::uint64_t seed, const std::string& text, int n) {
    submit(text_to_image(seed, text), n);
    socket.until_done();
    EXPECT_EQ(history(n).at("prompt").at(2).at("3").at("inputs").at("seed").to_number<std::uint64_t>(), seed);
    const Reply reply = get(port(), "/view?filename=t2i_0000" + std::to_string(n) + "_.png");
    const std::optional<Picture> picture = decode_image(reply.body);
    EXPECT_TRUE(picture);
    return picture ? picture->rgb : std::vector<std::uint8_t>();
  };
  const auto first = picture_of(18446744073709551615ULL, "a lake", 1);
  EXPECT_NE(first, picture_of(18446744073709551614ULL, "a lake", 2));
  EXPECT_NE(first, picture_of(18446744073709551615ULL, "a desert", 3));
  EXPECT_EQ(first, picture_of(18446744073709551615ULL, "a lake", 4));
}

TEST_F(ComfysimTest, ViewRefusesAsRecorded) {
  EXPECT_EQ(get(port(), "/view?filename=nope.png").status, 404u);
  EXPECT_EQ(get(port(), "/view").status, 404u);
  EXPECT_EQ(get(port(), "/view?filename=x.png&type=bogus").status, 400u);
  EXPECT_EQ(get(port(), "/view?filename=../x.png").status, 400u);
  EXPECT_EQ(get(port(), "/view?filename=x.png&subfolder=../../..").status, 403u);
}

TEST_F(ComfysimTest, UploadsAreRenamedAndCanBeLoaded) {
  const auto upload = [&](const std::string& content, const std::string& fields) {
    const std::string body = fields + "--b\r\nContent-Disposition: form-data; name=\"image\"; filename=\"in.png\"\r\n" +
                             "Content-Type: image/png\r\n\r\n" + content + "\r\n--b--\r\n";
    const Headers headers = {{"Content-Type", "multipart/form-data; boundary=b"}};
    return request(port(), "POST", "/upload/image", body, headers).json();
  };
  const std::string first = encode_png(Picture(4, 4));
  const std::string second = encode_png(Picture(5, 5));
  EXPECT_EQ(upload(first, "").at("name"), "in.png");
  EXPECT_EQ(upload(first, "").at("name"), "in.png");
  EXPECT_EQ(upload(second, "").at("name"), "in (1).png");
  const std::string overwrite = "--b\r\nContent-Disposition: form-data; name=\"overwrite\"\r\n\r\ntrue\r\n";
  EXPECT_EQ(upload(second, overwrite).at("name"), "in.png");
  WebSocketClient socket(port(), kSocket);
  submit({{"1", {{"class_type", "LoadImage"}, {"inputs", {{"image", "in.png"}}}}},
          {"2", {{"class_type", "SaveImage"}, {"inputs", {{"images", {"1", 0}}, {"filename_prefix", "copy"}}}}}},
         1);
  socket.until_done();
  const std::optional<Picture> copy = decode_image(get(port(), "/view?filename=copy_00001_.png").body);
  ASSERT_TRUE(copy);
  EXPECT_EQ(copy->width, 5);
}

TEST_F(ComfysimTest, NumberAndFrontDecideTheOrder) {
  WebSocketClient socket(port(), kSocket);
  submit(slow_workflow(60, 1000, "none", 1), 1);
  socket.until([](const Event& event) { return event.type == "progress"; });
  submit(simple_workflow(2), 2);
  EXPECT_EQ(submit(simple_workflow(3), 3, {{"front", true}}).json().at("number"), -2);
  EXPECT_EQ(dump_json(submit(simple_workflow(4), 4, {{"number", -1'000'000}}).json().at("number")), "-1000000.0");
  post(port(), "/interrupt", json::object());
  for (int i = 0; i < 4; ++i) socket.until_done();
  std::vector<std::string> order;
  const json::value all = get(port(), "/history").json();
  for (const auto& [id, entry] : all.as_object()) order.emplace_back(id);
  EXPECT_THAT(order, ElementsAre(id_of(1), id_of(4), id_of(3), id_of(2)));
}

TEST_F(ComfysimTest, APromptWithoutClientTellsAllOnlyItsProgress) {
  WebSocketClient socket(port(), "/ws?clientId=somebody");
  socket.next();
  post(port(), "/prompt", {{"prompt", simple_workflow(1)}});
  const std::vector<Event> events = socket.until([](const Event& event) {
    return event.type == "status" && event.data.at("status").at("exec_info").at("queue_remaining") == 0;
  });
  EXPECT_THAT(types_of(events), ElementsAre("status", "status", "progress_state", "progress_state", "progress_state",
                                            "progress_state", "progress_state", "progress_state", "status"));
}

TEST_F(ComfysimTest, ANewSocketIsToldTheRunningNode) {
  WebSocketClient first(port(), kSocket);
  submit(slow_workflow(60, 1000, "none", 1), 1);
  first.until([](const Event& event) { return event.type == "progress"; });
  WebSocketClient second(port(), kSocket);
  second.next();
  const auto told = second.next();
  ASSERT_TRUE(told);
  EXPECT_EQ(told->bytes, R"({"type": "executing", "data": {"node": "2"}})");
}

TEST(PythonJson, TakesAndWritesBareNumbersThatJsonDoesNotHave) {
  const std::optional<json::value> value = parse_json(R"({"a": [NaN, Infinity, -Infinity], "b": "NaN \" -Infinity"})");
  ASSERT_TRUE(value.has_value());
  EXPECT_EQ(dump_json(*value), R"({"a": [NaN, Infinity, -Infinity], "b": "NaN \" -Infinity"})");
  EXPECT_FALSE(parse_json("[Nan]").has_value());
  EXPECT_FALSE(parse_json("[NaN").has_value());
}

TEST_F(ComfysimTest, ABodyThatIsNoGzipIsRefusedAndAGoodOneIsRead) {
  const Reply bad = request(port(), "POST", "/prompt", "no gzip", {{"Content-Encoding", "gzip"}});
  EXPECT_EQ(bad.status, 400U);
  EXPECT_EQ(get(port(), "/prompt").status, 200U);
}

TEST_F(ComfysimTest, OldReleasesHaveNoNodesThatTheirExecutorCannotRun) {
  options_.generation = &generation_2024_06_30();
  start();
  for (const char* name : {"BridgeExpand", "BridgeBlock", "BridgeAsync"}) {
    EXPECT_EQ(get(port(), std::string("/object_info/") + name).body, "{}") << name;
  }
  EXPECT_NE(get(port(), "/object_info/BridgeSlow").body, "{}");
}

TEST_F(ComfysimTest, ANameWithANulIsNoName) {
  const std::string form =
      std::string("--b\r\nContent-Disposition: form-data; name=\"image\"; filename=\"a.png\0\"\r\n\r\nPNG", 75) +
      "\r\n--b--\r\n";
  const Headers headers = {{"Content-Type", "multipart/form-data; boundary=b"}};
  EXPECT_EQ(request(port(), "POST", "/upload/image", form, headers).status, 500u);
  EXPECT_TRUE(std::filesystem::is_empty(folder_.path() / "input"));
  submit(simple_workflow(1), 1);
  wait_ledger([](const json::object& line) { return line.at("event") == "ended"; });
  EXPECT_EQ(get(port(), "/view?subfolder=rec&filename=simple_00001_.png%00").status, 404u);
}

}  // namespace
}  // namespace comfysim::testing
