// The ComfyUI adapters against comfysim as a process of its own: the whole way of a prompt, cancel, and faults.
#include <absl/functional/function_ref.h>

#include <string>
#include <variant>
#include <vector>

#include "libs/common/domain/comfy_json.h"
#include "libs/common/domain/output_files.h"
#include "libs/common/domain/progress.h"
#include "libs/common/domain/workflow.h"
#include "tests/integration/comfy/comfy_fixture.h"
#include "tests/integration/comfy/sim_process.h"
#include "tests/support/byte_sinks.h"

namespace renderyard {
namespace {

using namespace domain;

constexpr char kImage[] = R"({
  "1": {"class_type": "EmptyImage", "inputs": {"width": 64, "height": 64, "batch_size": 1, "color": 1234567}},
  "2": {"class_type": "ImageInvert", "inputs": {"image": ["1", 0]}},
  "3": {"class_type": "SaveImage", "inputs": {"images": ["2", 0], "filename_prefix": "pic"}}})";

// Runs for `seconds`, looking at interrupts in each of 100 steps.
std::string slow(double seconds) {
  return R"({"1": {"class_type": "EmptyImage", "inputs": {"width": 64, "height": 64, "batch_size": 1, "color": 7}},
  "2": {"class_type": "BridgeSlow", "inputs": {"image": ["1", 0], "seconds": )" +
         std::to_string(seconds) + R"(, "steps": 100, "preview": "JPEG", "salt": 1}},
  "3": {"class_type": "SaveImage", "inputs": {"images": ["2", 0], "filename_prefix": "slow"}}})";
}

std::string prompt_id(int n) {
  return "00000000-0000-4000-8000-00000000000" + std::to_string(n);
}

class ComfysimTest : public testing::ComfyFixture {
 protected:
  void SetUp() override {
    comfy_ = instance(sim_.url());
    http_ = std::make_unique<comfy::HttpClient>(comfy_io_, strand_, clock_, "");
    auto socket = await(comfy_->connect("me", in(20)));
    ASSERT_TRUE(socket.ok()) << socket.status();
    socket_ = *std::move(socket);
  }

  PostVerdict submit(std::string_view workflow, int n) {
    const auto body = prompt_body(workflow, "me", prompt_id(n), std::to_string(n), "1" + std::to_string(n), "", true);
    EXPECT_TRUE(body.ok()) << body.status();
    return classify_post(await(comfy_->post_prompt(*body, absl::InfiniteFuture(), in(20))));
  }

  // Messages until `last` accepts one, that one included.
  std::vector<ComfyMessage> until(absl::FunctionRef<bool(const ComfyMessage&)> last) {
    std::vector<ComfyMessage> out;
    for (;;) {
      auto message = await(socket_->next());
      EXPECT_TRUE(message.ok()) << message.status();
      if (!message.ok()) return out;
      out.push_back(**message);
      if (last(out.back())) return out;
    }
  }
  std::vector<ComfyMessage> until_end_of(int n) {
    return until([n](const ComfyMessage& message) {
      const auto* executing = std::get_if<Executing>(&message);
      return executing != nullptr && !executing->node && executing->prompt_id == prompt_id(n);
    });
  }
  std::vector<ComfyMessage> until_runs(int n) {
    return until([n](const ComfyMessage& message) {
      const auto* progress = std::get_if<NodeProgress>(&message);
      return progress != nullptr && progress->prompt_id == prompt_id(n);
    });
  }

  void fault(std::string json) {
    comfy::HttpRequest request{.url = sim_.url() + "/_sim/faults", .json = std::move(json)};
    const auto answer = await(http_->request(std::move(request), in(20)));
    ASSERT_TRUE(answer.ok()) << answer.status();
    ASSERT_EQ(answer->status, 200) << answer->body;
  }

  // How often the ledger has this event for prompt n; all posts when n is 0.
  int ledger(std::string_view event, int n) {
    comfy::HttpRequest request{.url = sim_.url() + "/_sim/ledger", .json = {}};
    const auto answer = await(http_->request(std::move(request), in(20)));
    EXPECT_TRUE(answer.ok()) << answer.status();
    int count = 0;
    std::string_view rest = answer->body;
    while (!rest.empty()) {
      const auto line = rest.substr(0, rest.find('\n'));
      rest.remove_prefix(std::min(rest.size(), line.size() + 1));
      const auto document = parse_comfy_json(line);
      if (!document.ok() || document->root()["event"].string_or("") != event) continue;
      if (n == 0 || document->root()["prompt_id"].string_or("") == prompt_id(n)) ++count;
    }
    return count;
  }

  HistoryEntry history(int n) {
    auto entry = await(comfy_->history(prompt_id(n), in(20)));
    EXPECT_TRUE(entry.ok() && entry->has_value()) << entry.status();
    return entry.ok() && entry->has_value() ? **entry : HistoryEntry();
  }

  testing::SimProcess sim_;
  std::unique_ptr<ports::ComfyInstance> comfy_;
  std::unique_ptr<comfy::HttpClient> http_;
  std::unique_ptr<ports::ComfySocket> socket_;
};

TEST_F(ComfysimTest, IsProbedAsTheNewestServer) {
  const auto abilities = await(comfy_->probe(in(20)));
  ASSERT_TRUE(abilities.ok()) << abilities.status();
  EXPECT_TRUE(abilities->own_prompt_ids && abilities->targeted_interrupt && abilities->atomic_cancel &&
              abilities->jobs_api);
  EXPECT_FALSE(abilities->version.empty());
}

TEST_F(ComfysimTest, APromptIsPostedFollowedAndFetched) {
  const auto verdict = submit(kImage, 1);
  ASSERT_EQ(verdict.kind, PostVerdict::Kind::kAccepted) << verdict.message;
  EXPECT_EQ(verdict.prompt_id, prompt_id(1));
  ProgressTracker tracker({"1", "2", "3"});
  int last = 0;
  for (const auto& message : until_end_of(1)) {
    if (prompt_id_of(message) == prompt_id(1)) tracker.apply(message);
    EXPECT_GE(tracker.percent(), last);
    last = tracker.percent();
  }
  EXPECT_EQ(last, 99);

  const HistoryEntry entry = history(1);
  EXPECT_EQ(entry.end, HistoryEnd::kSuccess);
  EXPECT_EQ(entry.execution_id, "1");
  ASSERT_EQ(entry.files.size(), 1u);
  EXPECT_EQ(entry.files[0].node_id, "3");
  EXPECT_EQ(entry.files[0].subfolder, "renderyard/1");
  const auto recent = await(comfy_->recent_history(10, in(20)));
  ASSERT_TRUE(recent.ok());
  ASSERT_EQ(recent->size(), 1u);
  EXPECT_EQ(recent->front().chosen_id, prompt_id(1));

  std::string file;
  const auto fetched = await(comfy_->fetch(entry.files[0], test::sink_into(file), {}, in(20)));
  ASSERT_TRUE(fetched.ok()) << fetched.status();
  EXPECT_EQ(fetched->content_type, "image/png");
  EXPECT_EQ(fetched->version.size_bytes, static_cast<std::int64_t>(file.size()));
  EXPECT_TRUE(file.starts_with("\x89PNG"));
  ASSERT_TRUE(fetched->version.etag && fetched->version.modified_at && entry.ended_at);
  EXPECT_FALSE(domain::written_after_end(fetched->version.modified_at, entry.ended_at));
  const auto version = await(comfy_->version(entry.files[0], in(20)));
  ASSERT_TRUE(version.ok()) << version.status();
  EXPECT_EQ(version->etag, fetched->version.etag);
  EXPECT_EQ(version->size_bytes, fetched->version.size_bytes);
  auto missing = entry.files[0];
  missing.filename = "none.png";
  EXPECT_TRUE(absl::IsNotFound(await(comfy_->fetch(missing, test::sink_into(file), {}, in(20))).status()));
  EXPECT_EQ(ledger("post", 0), 1);
}

TEST_F(ComfysimTest, RefusalsNameTheNode) {
  const auto verdict = submit(R"({"5": {"class_type": "NoSuchNode", "inputs": {}}})", 1);
  EXPECT_EQ(verdict.kind, PostVerdict::Kind::kRefused);
  ASSERT_EQ(verdict.faults.size(), 1u);
  EXPECT_EQ(verdict.faults[0].node_id, "5");
  EXPECT_EQ(verdict.faults[0].node_class, "NoSuchNode");
}

TEST_F(ComfysimTest, CancelStopsTheRunningAndTakesAwayTheWaiting) {
  const auto abilities = await(comfy_->probe(in(20)));
  ASSERT_TRUE(abilities.ok());
  auto without_jobs = *abilities;
  without_jobs.atomic_cancel = false;
  ASSERT_EQ(submit(slow(30), 1).kind, PostVerdict::Kind::kAccepted);
  until_runs(1);
  ASSERT_EQ(submit(slow(31), 2).kind, PostVerdict::Kind::kAccepted);
  ASSERT_EQ(submit(slow(32), 3).kind, PostVerdict::Kind::kAccepted);
  auto listing = await(comfy_->queue(in(20)));
  ASSERT_TRUE(listing.ok());
  EXPECT_TRUE(listing->is_running(prompt_id(1)));
  EXPECT_EQ(listing->running[0].chosen_id, prompt_id(1));
  EXPECT_EQ(listing->pending.size(), 2u);

  EXPECT_TRUE(await(comfy_->cancel(prompt_id(2), *abilities, in(20))).ok());
  EXPECT_TRUE(await(comfy_->cancel(prompt_id(3), without_jobs, in(20))).ok());
  listing = await(comfy_->queue(in(20)));
  ASSERT_TRUE(listing.ok());
  EXPECT_TRUE(listing->pending.empty());
  EXPECT_TRUE(listing->is_running(prompt_id(1)));

  EXPECT_TRUE(await(comfy_->cancel(prompt_id(1), *abilities, in(20))).ok());
  until_end_of(1);
  EXPECT_EQ(history(1).end, HistoryEnd::kInterrupted);
  EXPECT_EQ(await(comfy_->history(prompt_id(2), in(20))).value(), std::nullopt);

  // The older way, of the running one.
  ASSERT_EQ(submit(slow(33), 4).kind, PostVerdict::Kind::kAccepted);
  until_runs(4);
  EXPECT_TRUE(await(comfy_->cancel(prompt_id(4), without_jobs, in(20))).ok());
  until_end_of(4);
  EXPECT_EQ(history(4).end, HistoryEnd::kInterrupted);
}

TEST_F(ComfysimTest, PreviewsNameTheirPrompt) {
  ASSERT_EQ(submit(slow(0.3), 1).kind, PostVerdict::Kind::kAccepted);
  int previews = 0;
  for (const auto& message : until_end_of(1)) {
    const auto* picture = std::get_if<PreviewImage>(&message);
    if (picture == nullptr) continue;
    ++previews;
    EXPECT_EQ(picture->prompt_id, prompt_id(1));
    EXPECT_EQ(picture->node_id, "2");
  }
  EXPECT_GT(previews, 0);
}

TEST_F(ComfysimTest, ADeathBeforeTheAnswerIsUnclearAndPostedOnce) {
  fault(R"({"fault": "die", "at": "post_after_queue"})");
  EXPECT_EQ(submit(kImage, 1).kind, PostVerdict::Kind::kUnclear);
  absl::Status ended;
  while (ended.ok()) ended = await(socket_->next()).status();
  EXPECT_TRUE(absl::IsUnavailable(ended)) << ended;
  EXPECT_TRUE(absl::IsUnavailable(await(comfy_->queue(in(20))).status()));
}

TEST_F(ComfysimTest, ALateReaderIsUnclearUntilItHasRead) {
  fault(R"({"fault": "read_late", "delay_ms": 1500, "count": 1})");
  const auto body = prompt_body(kImage, "me", prompt_id(1), "1", "2", "", true);
  ASSERT_TRUE(body.ok());
  const auto verdict = classify_post(await(comfy_->post_prompt(*body, absl::InfiniteFuture(), in(0.3))));
  EXPECT_EQ(verdict.kind, PostVerdict::Kind::kUnclear);
  // The prompt comes all the same, which is why unclear is never sent again.
  until_end_of(1);
  EXPECT_EQ(history(1).end, HistoryEnd::kSuccess);
  EXPECT_EQ(ledger("post", 0), 1);
}

TEST_F(ComfysimTest, RefusedWithoutReadingIsPostedOnce) {
  fault(R"({"fault": "refuse", "status": 0, "count": 1})");
  EXPECT_NE(submit(kImage, 1).kind, PostVerdict::Kind::kAccepted);
  fault(R"({"fault": "refuse", "status": 503, "count": 1})");
  EXPECT_EQ(submit(kImage, 2).kind, PostVerdict::Kind::kUnclear);
  EXPECT_EQ(ledger("post", 0), 2);
  EXPECT_EQ(ledger("accepted", 0), 0);
}

TEST_F(ComfysimTest, ADroppedSocketEndsAndTheNextOneHears) {
  fault(R"({"fault": "drop", "at": "now"})");
  absl::Status ended;
  while (ended.ok()) ended = await(socket_->next()).status();
  EXPECT_TRUE(absl::IsUnavailable(ended)) << ended;
  EXPECT_TRUE(await(socket_->close(in(20))).ok());
  auto again = await(comfy_->connect("me", in(20)));
  ASSERT_TRUE(again.ok()) << again.status();
  socket_ = *std::move(again);
  ASSERT_EQ(submit(kImage, 1).kind, PostVerdict::Kind::kAccepted);
  EXPECT_GT(until_end_of(1).size(), 5u);
}

TEST_F(ComfysimTest, ReconnectingWithOneIdNeverMakesItDeaf) {
  for (int i = 1; i <= 5; ++i) {
    EXPECT_TRUE(await(socket_->close(in(20))).ok());
    auto again = await(comfy_->connect("me", in(20)));
    ASSERT_TRUE(again.ok()) << again.status();
    socket_ = *std::move(again);
    ASSERT_EQ(submit(kImage, i).kind, PostVerdict::Kind::kAccepted);
    EXPECT_GT(until_end_of(i).size(), 3u);
  }
}

}  // namespace
}  // namespace renderyard
