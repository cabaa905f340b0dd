// Every recorded WebSocket stream over a real socket, through the bridge's own way of messages: handshake, reader,
// inbox, router, executions. What comes out of it is held against the raw frames and against what the same server's
// history said of the same prompts.
#include <absl/strings/str_replace.h>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "libs/common/base/journal.h"
#include "libs/common/base/json.h"
#include "services/bridge/router.h"
#include "tests/integration/comfy/comfy_fixture.h"
#include "tests/integration/comfy/raw_server.h"
#include "tests/unit/recordings.h"

namespace renderyard {
namespace {

namespace json = boost::json;
using testing::RawConnection;
using testing::RawServer;
using testing::RecordedFrame;
using testing::Recording;

constexpr int kText = 1;
constexpr int kBinary = 2;
constexpr int kClose = 8;
constexpr char kStatus[] = R"({"type":"status","data":{"status":{"exec_info":{"queue_remaining":0}},"sid":"x"}})";
// Of a custom node, of a server to come, and no message at all.
constexpr char kUnknownText[] = R"({"type":"some_node.custom","data":[1,{"a":null}]})";
constexpr std::string_view kUnknownBinary("\0\0\0\x63 anything", 13);
constexpr char kBroken[] = R"({"type":"executing","data":)";

// What a prompt's frames say, read without any code of the bridge.
struct Told {
  std::optional<domain::HistoryEnd> end;
  bool over = false;
  bool started = false;
  std::set<std::string> finished;  // nodes with an `executed`
};

class Silent final : public base::Journal {
 public:
  void record(base::Severity, std::string_view, std::initializer_list<base::Field>) override {}
};

json::value parsed(const std::string& text) {
  boost::system::error_code error;
  // U+0000 is what no column takes; the bridge's reader replaces it.
  json::value value = json::parse(absl::StrReplaceAll(text, {{"\\u0000", "\\ufffd"}}), error);
  return error ? json::value() : value;  // bare NaN: not looked into here
}

std::string field(const json::object& object, std::string_view key) {
  const auto* value = object.if_contains({key.data(), key.size()});
  return value != nullptr && value->is_string() ? std::string(value->get_string()) : std::string();
}

void tell(Told& told, const std::string& type, const json::object& data) {
  using domain::HistoryEnd;
  if (type == "execution_start") told.started = true;
  if (type == "execution_success") told.end = HistoryEnd::kSuccess;
  if (type == "execution_interrupted") told.end = HistoryEnd::kInterrupted;
  if (type == "execution_error" && field(data, "exception_type").find("ExecutionBlocked") == std::string::npos) {
    told.end = HistoryEnd::kError;
  }
  const auto* output = data.if_contains("output");
  if (type == "executed" && output != nullptr && !output->is_null()) told.finished.insert(field(data, "node"));
  const auto* node = data.if_contains("node");
  if (type == "executing" && node != nullptr && node->is_null()) {
    told.over = true;
    if (!told.end && told.started) told.end = HistoryEnd::kSuccess;  // mid 2024
  }
}

class RecordedStreamsTest : public testing::ComfyFixture, public ::testing::WithParamInterface<const char*> {
 protected:
  struct Heard {
    std::map<std::string, std::shared_ptr<bridge::Execution>> executions;
    std::map<std::string, std::vector<int>> percents;
    int messages = 0;
    int unknown = 0;
    int pictures = 0;
  };

  // The prompts that the recorder sent and the server took.
  void add_prompts(const Recording& recording, bridge::Router& router, Heard& heard) {
    for (const auto& event : recording.events) {
      if (!event.exchange || event.exchange->status != 200 || !event.exchange->path.ends_with("/prompt")) continue;
      const json::value answer = parsed(event.exchange->body);
      const auto* prompt = event.exchange->request_body.if_contains("prompt");
      if (!answer.is_object() || prompt == nullptr) continue;
      const std::string id = field(answer.get_object(), "prompt_id");
      if (id.empty() || heard.executions.contains(id)) continue;
      ports::ExecutionRow row;
      row.id = ports::ExecutionId{static_cast<std::int64_t>(heard.executions.size()) + 1};
      row.state = domain::ExecutionState::kQueued;
      row.comfyui_prompt_id = id;
      auto execution = std::make_shared<bridge::Execution>(std::move(row), strand_, clock_);
      if (auto info = domain::inspect_workflow(json::serialize(*prompt)); info.ok()) execution->load(*std::move(info));
      router.add(id, execution);
      heard.executions.emplace(id, std::move(execution));
    }
  }

  static RawServer::Script playing(std::vector<RecordedFrame> frames) {
    return [frames = std::move(frames)](RawConnection& connection) {
      connection.accept_websocket();
      connection.read_frame(kText);  // our feature flags
      connection.send_frame(kText, kStatus);
      for (const auto& frame : frames) connection.send_frame(frame.binary ? kBinary : kText, frame.bytes);
      connection.send_frame(kText, kUnknownText);
      connection.send_frame(kBinary, kUnknownBinary);
      connection.send_frame(kText, kBroken);
      connection.send_frame(kClose, std::string("\x03\xE8", 2));
      connection.read_frame(kClose);  // and it is the server that ends TCP
    };
  }

  static base::Task<absl::Status> listen(ports::ComfySocket& socket, bridge::Router& router, Heard& heard) {
    const std::uint64_t stream = router.new_stream();
    for (;;) {
      auto message = co_await socket.next();
      if (!message.ok() || !message->has_value()) {
        router.end_stream(stream);
        co_return absl::OkStatus();
      }
      ++heard.messages;
      heard.unknown += std::holds_alternative<domain::UnknownMessage>(**message) ? 1 : 0;
      heard.pictures += std::holds_alternative<domain::PreviewImage>(**message) ? 1 : 0;
      router.route(**std::move(message), stream);
      for (const auto& [id, execution] : heard.executions) {
        heard.percents[id].push_back(execution->progress.percent());
      }
    }
  }

  Heard play(const Recording& recording, const std::vector<RecordedFrame>& frames) {
    Heard heard;
    bridge::Observer observer;
    Silent journal;
    bridge::Router router(observer, journal, [] {});
    add_prompts(recording, router, heard);
    RawServer server(playing(frames));
    auto comfy = instance(server.url());
    const std::uint64_t unreadable = clients().counters().unreadable;
    auto socket = await(comfy->connect("ry-1-1", in(20)));
    EXPECT_TRUE(socket.ok()) << socket.status();
    if (!socket.ok()) return heard;
    EXPECT_TRUE(await(listen(**socket, router, heard)).ok());
    EXPECT_EQ(clients().counters().unreadable - unreadable, 1u);
    EXPECT_TRUE(await((*socket)->close(in(20))).ok());
    return heard;
  }

  // What the server's history said of a prompt's outputs in the same recording.
  static std::optional<json::value> outputs_in_history(const Recording& recording, const std::string& id) {
    std::optional<json::value> found;
    for (const auto& event : recording.events) {
      if (!event.exchange || event.exchange->status != 200 || !event.exchange->path.ends_with("/history/" + id))
        continue;
      const json::value body = parsed(event.exchange->body);
      if (!body.is_object() || !body.get_object().contains(id)) continue;
      const auto* entry = body.get_object().at(id).if_object();
      const auto* outputs = entry == nullptr ? nullptr : entry->if_contains("outputs");
      if (outputs != nullptr) found = *outputs;
    }
    return found;
  }
};

INSTANTIATE_TEST_SUITE_P(Releases, RecordedStreamsTest, ::testing::Values("2024-06-30", "0.3.64", "0.33.0"),
                         [](const auto& param) {
                           std::string name = param.param;
                           for (char& c : name) c = c == '.' || c == '-' ? '_' : c;
                           return name;
                         });

TEST_P(RecordedStreamsTest, EndOutputsProgressAndPicturesAreAsTheServerSaid) {
  int streams = 0, ends = 0, whole_outputs = 0, pictures = 0, moved = 0;
  for (const Recording& recording : testing::recordings()) {
    if (recording.version != GetParam()) continue;
    std::map<std::string, std::vector<RecordedFrame>> connections;
    for (const auto& event : recording.events) {
      if (event.frame) connections[event.frame->conn].push_back(*event.frame);
    }
    for (const auto& [name, frames] : connections) {
      SCOPED_TRACE(recording.name + ", socket " + name);
      ++streams;
      const Heard heard = play(recording, frames);
      EXPECT_EQ(heard.messages, static_cast<int>(frames.size()) + 3) << "with our status and the two unknown ones";

      std::map<std::string, Told> told;
      int unknown = 2, pictures_sent = 0;
      for (const RecordedFrame& frame : frames) {
        if (frame.binary) {
          ASSERT_GE(frame.bytes.size(), 4u);
          pictures_sent += frame.bytes[3] == 1 || frame.bytes[3] == 4 ? 1 : 0;
          continue;
        }
        const json::value message = parsed(frame.bytes);
        if (!message.is_object()) continue;
        const std::string type = field(message.get_object(), "type");
        unknown += type == "logs" ? 1 : 0;
        const auto* any = message.get_object().if_contains("data");
        const auto* data = any == nullptr ? nullptr : any->if_object();
        if (data != nullptr && data->contains("prompt_id")) tell(told[field(*data, "prompt_id")], type, *data);
      }
      EXPECT_EQ(heard.unknown, unknown);
      EXPECT_EQ(heard.pictures, pictures_sent);
      pictures += heard.pictures;

      for (const auto& [id, execution] : heard.executions) {
        SCOPED_TRACE("prompt " + id);
        const domain::HeardPrompt& said = execution->heard();
        const auto it = told.find(id);
        ASSERT_EQ(said.anything(), it != told.end());
        if (it == told.end()) continue;
        EXPECT_EQ(said.end(), it->second.end);
        EXPECT_EQ(said.over(), it->second.over);
        EXPECT_EQ(said.error().has_value(), said.end() == domain::HistoryEnd::kError);
        ends += said.end() ? 1 : 0;
        const std::vector<int>& percents = heard.percents.at(id);
        EXPECT_TRUE(std::is_sorted(percents.begin(), percents.end()));
        EXPECT_LE(percents.back(), 99);
        moved += percents.back() > 0 ? 1 : 0;
        const json::value outputs = parsed(said.outputs_json());
        ASSERT_TRUE(outputs.is_object()) << said.outputs_json();
        for (const std::string& node : it->second.finished) EXPECT_TRUE(outputs.get_object().contains(node)) << node;
        // What was heard whole may stand for the history: then it must say the same.
        const auto kept = outputs_in_history(recording, id);
        if (!said.whole() || !kept) continue;
        EXPECT_EQ(outputs, *kept);
        ++whole_outputs;
      }
    }
  }
  EXPECT_GE(streams, 40);
  EXPECT_GE(ends, 50);
  EXPECT_GE(whole_outputs, 8);
  EXPECT_GE(moved, 50);
  EXPECT_GE(pictures, 5);
  std::printf("%s: %d streams, %d ends, %d outputs equal to the history's, %d pictures, %d prompts with progress\n",
              GetParam(), streams, ends, whole_outputs, pictures, moved);
}

}  // namespace
}  // namespace renderyard
