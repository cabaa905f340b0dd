// Odd input that the recordings do not hold, and the meaning of single fields.
#include "libs/common/domain/comfy_message.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace renderyard::domain {
namespace {

using std::string_literals::operator""s;

template <class T>
T read_as(std::string_view text) {
  const auto message = parse_text_frame(text);
  EXPECT_TRUE(message.ok()) << message.status();
  if (!message.ok() || !std::holds_alternative<T>(*message)) {
    ADD_FAILURE() << "another message than expected: " << text;
    return T();
  }
  return std::get<T>(*message);
}

TEST(ComfyTextFrame, RefusesWhatHasNoType) {
  for (const std::string text :
       {"", "{}", "[]", "1", "null", R"({"type": 5, "data": {}})", R"({"data": {}})", "{\"type\": \"st"}) {
    EXPECT_FALSE(parse_text_frame(text).ok()) << text;
  }
}

TEST(ComfyTextFrame, UnknownTypesAndDataThatIsNoObjectSurvive) {
  EXPECT_EQ(read_as<UnknownMessage>(R"({"type": "crystools.monitor", "data": [1]})").type, "crystools.monitor");
  EXPECT_EQ(read_as<UnknownMessage>(R"({"type": "status"})").type, "status");
  EXPECT_EQ(read_as<UnknownMessage>(R"({"type": "executing", "data": null})").type, "executing");
}

TEST(ComfyTextFrame, FieldsOfOtherTypesDoNotHurt) {
  EXPECT_EQ(read_as<ComfyStatus>(R"({"type":"status","data":{"status":{"exec_info":{"queue_remaining":2.0}}}})")
                .queue_remaining,
            2);
  EXPECT_EQ(read_as<ComfyStatus>(R"({"type":"status","data":{"status":[]}})").queue_remaining, std::nullopt);
  EXPECT_EQ(read_as<ComfyStatus>(R"({"type":"status","data":{"status":{"exec_info":{"queue_remaining":1e300}}}})")
                .queue_remaining,
            1000000000);
  EXPECT_EQ(read_as<Executing>(R"({"type":"executing","data":{"node":5}})").node, "5");
  const auto error = read_as<ExecutionError>(
      R"({"type":"execution_error","data":{"prompt_id":"p","node_id":"3","exception_message":"\n oops \n","current_inputs":[]}})");
  EXPECT_EQ(error.message, "oops");
  EXPECT_TRUE(error.ends_prompt);
  EXPECT_EQ(read_as<NodeProgress>(R"({"type":"progress","data":{"value":NaN,"max":"x","node":null}})").value, 0);
}

TEST(ComfyTextFrame, ExecutingWithoutNodeIsTheEnd) {
  const auto end = read_as<Executing>(R"({"type":"executing","data":{"node":null,"prompt_id":"p"}})");
  EXPECT_EQ(end.node, std::nullopt);
  EXPECT_EQ(end.prompt_id, "p");
  const auto old = read_as<Executing>(R"({"type":"executing","data":{"node":"7","prompt_id":"p"}})");
  EXPECT_EQ(old.display_node, "7");
  const auto expanded =
      read_as<Executing>(R"({"type":"executing","data":{"node":"5.0.0.1","display_node":"5","prompt_id":"p"}})");
  EXPECT_EQ(expanded.node, "5.0.0.1");
  EXPECT_EQ(expanded.display_node, "5");
}

TEST(ComfyTextFrame, ABlockedBranchIsNotTheEnd) {
  EXPECT_FALSE(read_as<ExecutionError>(R"({"type":"execution_error","data":{"exception_type":"ExecutionBlocked"}})")
                   .ends_prompt);
}

TEST(ComfyTextFrame, EveryDictWithAFilenameIsAFile) {
  const auto executed = read_as<Executed>(R"({"type":"executed","data":{"node":"9","prompt_id":"p","output":{
      "images":[{"filename":"a.png","subfolder":"s","type":"temp"}, "text", 5, null, [{"filename":"no"}], {"filename":""}],
      "animated":[true], "text":["a"], "gifs":[{"filename":"b.webm"}], "one":{"filename":"no list"}, "n": NaN}}})");
  ASSERT_EQ(executed.files.size(), 2u);
  EXPECT_EQ(executed.files[0].kind, "images");
  EXPECT_EQ(executed.files[0].subfolder, "s");
  EXPECT_EQ(executed.files[0].type, "temp");
  EXPECT_EQ(executed.files[1].kind, "gifs");
  EXPECT_EQ(executed.files[1].filename, "b.webm");
  EXPECT_EQ(executed.files[1].type, "output");
  EXPECT_EQ(executed.files[1].node_id, "9");
  EXPECT_NE(executed.output_json.find("\"n\":null"), std::string::npos);
  EXPECT_EQ(read_as<Executed>(R"({"type":"executed","data":{"node":"9","output":null}})").output_json, "null");
}

TEST(ComfyBinaryFrame, TruncatedFramesAreErrors) {
  const std::string frames[] = {
      ""s,
      "\0\0\0"s,
      "\0\0\0\1"s,
      "\0\0\0\1\0\0"s,
      "\0\0\0\3\0\0\0\5abc"s,
      "\0\0\0\3\xFF\xFF\xFF\xFF"s,
      "\0\0\0\4\0\0\0\2{"s,
      "\0\0\0\4\0\0\0\1x"s,
  };
  for (const auto& frame : frames) EXPECT_FALSE(parse_binary_frame(frame).ok()) << ::testing::PrintToString(frame);
}

TEST(ComfyBinaryFrame, UnknownTypesSurvive) {
  const auto message = parse_binary_frame("\0\0\1\0zzz"s);
  ASSERT_TRUE(message.ok());
  EXPECT_EQ(std::get<UnknownMessage>(*message).type, "binary:256");
}

TEST(ComfyBinaryFrame, TextIsCleanedForStores) {
  const auto message = parse_binary_frame(
      "\0\0\0\3\0\0\0\1"
      "5a\0b"s);
  ASSERT_TRUE(message.ok());
  EXPECT_EQ(std::get<TextFrame>(*message).node_id, "5");
  EXPECT_EQ(std::get<TextFrame>(*message).text,
            "a\xEF\xBF\xBD"
            "b");
  const auto latin1 = parse_binary_frame(
      "\0\0\0\3\0\0\0\1"
      "5\xE4"s);
  ASSERT_TRUE(latin1.ok());
  EXPECT_EQ(std::get<TextFrame>(*latin1).text, "\xEF\xBF\xBD");
}

TEST(ComfyHistory, CompletedDecides) {
  const auto end_of = [](std::string status) {
    const auto entry = parse_history(
        R"({"p":{"prompt":[1,"p",{},{"renderyard":{"execution_id":"12","job_id":"3"}},[]],"outputs":{},"status":)" +
            status + "}}",
        "p");
    EXPECT_TRUE(entry.ok()) << entry.status();
    EXPECT_EQ((*entry)->execution_id, "12");
    return (*entry)->end;
  };
  EXPECT_EQ(end_of(R"({"status_str":"success","completed":true,"messages":[]})"), HistoryEnd::kSuccess);
  EXPECT_EQ(end_of(R"({"status_str":"error","completed":false,"messages":[["execution_error",{"node_id":"1"}]]})"),
            HistoryEnd::kError);
  EXPECT_EQ(
      end_of(R"({"status_str":"error","completed":false,"messages":[["execution_interrupted",{"node_id":"1"}]]})"),
      HistoryEnd::kInterrupted);
  EXPECT_EQ(end_of("null"), HistoryEnd::kError);
  EXPECT_EQ(end_of(R"({"completed":true,"messages":[["execution_error",{"exception_type":"ExecutionBlocked"}]]})"),
            HistoryEnd::kSuccess);
}

TEST(ComfyHistory, UnknownAndMalformed) {
  EXPECT_FALSE(parse_history("{}", "p")->has_value());
  EXPECT_FALSE(parse_history("<html>", "p").ok());
  EXPECT_FALSE(parse_history("[]", "p").ok());
  EXPECT_FALSE(parse_history(R"({"p": 5})", "p").ok());
  EXPECT_FALSE(parse_history_listing("[]").ok());
}

TEST(ComfyQueue, AListingThatCannotBeReadIsNoListing) {
  EXPECT_TRUE(parse_queue(R"({"queue_running":[],"queue_pending":[]})").ok());
  for (const std::string text :
       {"{}", "[]", "<html>", R"({"queue_running":[]})", R"({"queue_running":[],"queue_pending":{}})",
        R"({"queue_running":[[1]],"queue_pending":[]})"}) {
    EXPECT_FALSE(parse_queue(text).ok()) << text;
  }
}

TEST(ComfyQueue, PendingIsInTheOrderOfRunning) {
  const auto listing = parse_queue(R"({"queue_running":[[0,"r",{},{"renderyard":{"prompt_id":"ours"}},[]]],
      "queue_pending":[[3.5,"c",{},{},[]],[-1000000,"a",{},{},[]],[3,"b2",{},{},[]],[3,"b1",{},{},[]]]})");
  ASSERT_TRUE(listing.ok());
  std::string order;
  for (const auto& item : listing->pending) order += item.prompt_id + " ";
  EXPECT_EQ(order, "a b1 b2 c ");
  EXPECT_EQ(listing->find("r")->chosen_id, "ours");
  EXPECT_EQ(listing->find("a")->chosen_id, "");
  EXPECT_TRUE(listing->is_running("r"));
  EXPECT_FALSE(listing->is_running("a"));
  EXPECT_EQ(listing->find("x"), nullptr);
}

}  // namespace
}  // namespace renderyard::domain
