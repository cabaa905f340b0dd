// The fake ComfyUI behaves as the recordings say, where a client that must not lose or double anything would notice.
#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "libs/common/base/status_macros.h"
#include "libs/common/testing/fake_comfy/fake_comfy.h"
#include "libs/common/testing/fake_comfy/handle.h"
#include "tests/support/byte_sinks.h"

namespace renderyard::testing {
namespace {

using base::Task;
using PostFault = FakeComfy::PostFault;
using What = ComfyLedgerEntry::What;

std::string body(const std::string& prompt_id, const std::string& client_id,
                 const std::string& class_type = "SaveImage") {
  return R"({"prompt":{"1":{"class_type":"KSampler","inputs":{"seed":77}},"2":{"class_type":")" + class_type +
         R"(","inputs":{"filename_prefix":"renderyard/5/x"}}},"client_id":")" + client_id + R"(","prompt_id":")" +
         prompt_id + R"(","extra_data":{"renderyard":{"execution_id":"5","job_id":"6","prompt_id":")" + prompt_id +
         R"("}}})";
}

class FakeComfyTest : public ::testing::Test {
 protected:
  // Runs a coroutine of the process to its end.
  template <class R>
  R await(Task<R> task) {
    std::optional<R> result;
    process_->spawn(keep(std::move(task), &result));
    world_.run_until([&] { return result.has_value(); }, world_.now() + absl::Minutes(10));
    EXPECT_TRUE(result.has_value());
    return *std::move(result);
  }
  absl::Time in(absl::Duration d) { return world_.now() + d; }
  void wait(absl::Duration d) { world_.run_to(world_.now() + d); }
  int count(What what) const {
    int n = 0;
    for (const auto& entry : server_.ledger()) n += entry.what == what ? 1 : 0;
    return n;
  }
  std::unique_ptr<ports::ComfySocket> connect(const std::string& client_id) {
    auto socket = await(handle().connect(client_id, in(absl::Seconds(5))));
    EXPECT_TRUE(socket.ok()) << socket.status();
    return *std::move(socket);
  }
  // Names of the messages but previews until the socket says nothing for a second.
  std::vector<std::string> listen(ports::ComfySocket& socket) {
    std::vector<std::string> names;
    process_->spawn(collect(&socket, &names));
    wait(absl::Seconds(30));
    return names;
  }
  FakeComfyInstance& handle() { return *handle_; }

  static Task<absl::Status> collect(ports::ComfySocket* socket, std::vector<std::string>* names) {
    for (;;) {
      auto message = co_await socket->next();
      if (!message.ok()) co_return message.status();
      if (std::holds_alternative<domain::PreviewImage>(**message)) continue;
      static constexpr const char* kNames[] = {
          "status",         "execution_start", "execution_cached",  "executing",       "progress",
          "progress_state", "executed",        "execution_success", "execution_error", "execution_interrupted"};
      std::string name = kNames[(*message)->index()];
      if (const auto* executing = std::get_if<domain::Executing>(&**message); executing && !executing->node)
        name += " null";
      if (names->empty() || names->back() != name) names->push_back(name);
    }
  }
  template <class R>
  static Task<absl::Status> keep(Task<R> task, std::optional<R>* result) {
    R value = co_await std::move(task);
    result->emplace(std::move(value));
    co_return absl::OkStatus();
  }

  sim::World world_{7};
  FakeComfy server_{world_, "comfy", {}};
  sim::Process* process_ = &world_.start("client");
  std::unique_ptr<FakeComfyInstance> handle_ = std::make_unique<FakeComfyInstance>(*process_, server_);
};

TEST_F(FakeComfyTest, MessagesComeInTheRecordedOrderAndTheFileIsThePicture) {
  auto socket = connect("me");
  EXPECT_EQ(await(handle().post_prompt(body("p1", "me"), absl::InfiniteFuture(), in(absl::Seconds(5)))).http_status,
            200);
  EXPECT_EQ(listen(*socket),
            (std::vector<std::string>{"status", "execution_start", "execution_cached", "progress_state", "executing",
                                      "progress_state", "executing", "progress_state", "executed", "progress_state",
                                      "execution_success", "status", "executing null"}));
  auto entry = await(handle().history("p1", in(absl::Seconds(5))));
  ASSERT_TRUE(entry.ok() && entry->has_value());
  ASSERT_EQ((*entry)->files.size(), 1u);
  EXPECT_EQ((*entry)->execution_id, "5");
  std::string content;
  auto fetched = await(handle().fetch((*entry)->files[0], test::sink_into(content), {}, in(absl::Seconds(5))));
  ASSERT_TRUE(fetched.ok()) << fetched.status();
  EXPECT_EQ(content, file_content(picture_of({"77"}), "2"));
  process_->world().kill(*process_);
}

TEST_F(FakeComfyTest, HistoryMayLagBehindSuccess) {
  server_.settings().history_lag = absl::Seconds(5);
  auto socket = connect("me");
  await(handle().post_prompt(body("p1", "me"), absl::InfiniteFuture(), in(absl::Seconds(5))));
  for (;;) {
    auto message = await(socket->next());
    ASSERT_TRUE(message.ok());
    if (std::holds_alternative<domain::ExecutionSuccess>(**message)) break;
  }
  EXPECT_FALSE(server_.history("p1").has_value());
  EXPECT_EQ(server_.queue().running.size(), 1u);
  wait(absl::Seconds(10));
  EXPECT_TRUE(server_.history("p1").has_value());
}

TEST_F(FakeComfyTest, TheEndOfAnOldSocketDeafensTheNewOne) {
  auto old_socket = connect("me");
  auto new_socket = connect("me");
  ASSERT_TRUE(await(old_socket->close(in(absl::Seconds(5)))).ok());
  wait(absl::Seconds(1));
  EXPECT_TRUE(await(new_socket->ping(in(absl::Seconds(5)))).ok()) << "open and alive, only deaf";
  await(handle().post_prompt(body("p1", "me"), absl::InfiniteFuture(), in(absl::Seconds(5))));
  EXPECT_EQ(listen(*new_socket), (std::vector<std::string>{"status"})) << "the greeting, and nothing ever after";
  EXPECT_EQ(count(What::kEnded), 1);
  process_->world().kill(*process_);
}

TEST_F(FakeComfyTest, ReadLateIsAcceptedAfterTheClientGaveUp) {
  server_.arm(PostFault::kReadLate);
  const domain::PostOutcome outcome =
      await(handle().post_prompt(body("p1", "me"), absl::InfiniteFuture(), in(absl::Seconds(30))));
  EXPECT_EQ(outcome.kind, domain::PostOutcome::Kind::kUnclear);
  wait(absl::Seconds(8));
  EXPECT_EQ(count(What::kAccepted), 1);
}

TEST_F(FakeComfyTest, APostOfADeadProcessIsStillProcessed) {
  process_->spawn([](FakeComfyInstance& handle, absl::Time deadline) -> Task<absl::Status> {
    std::string text = body("p1", "me");
    co_await handle.post_prompt(std::move(text), absl::InfiniteFuture(), deadline);
    co_return absl::OkStatus();
  }(handle(), in(absl::Seconds(5))));
  world_.run_until([&] { return process_->strand().waiting() > 0; }, in(absl::Seconds(1)));
  world_.kill(*process_);
  wait(absl::Seconds(1));
  EXPECT_EQ(count(What::kAccepted), 1);
}

TEST_F(FakeComfyTest, FaultsOfOnePostEach) {
  server_.arm(PostFault::kRefuseConnection);
  server_.arm(PostFault::kNotSent);
  server_.arm(PostFault::kBusy503);
  server_.arm(PostFault::kLoseAnswer);
  server_.arm(PostFault::kAnswer500Queued);
  std::vector<domain::PostVerdict::Kind> verdicts;
  for (int i = 0; i < 5; ++i) {
    verdicts.push_back(domain::classify_post(await(handle().post_prompt(body("p" + std::to_string(i), "me"),
                                                                        absl::InfiniteFuture(), in(absl::Seconds(5)))))
                           .kind);
  }
  using K = domain::PostVerdict::Kind;
  EXPECT_EQ(verdicts, (std::vector<K>{K::kNotAccepted, K::kNotAccepted, K::kUnclear, K::kUnclear, K::kUnclear}));
  EXPECT_EQ(count(What::kAccepted), 2);
}

TEST_F(FakeComfyTest, ValidationIsRefusedInComfysOwnForm) {
  const auto outcome =
      await(handle().post_prompt(body("p1", "me", "MissingNode"), absl::InfiniteFuture(), in(absl::Seconds(5))));
  EXPECT_EQ(outcome.http_status, 400);
  EXPECT_EQ(domain::classify_post(outcome).kind, domain::PostVerdict::Kind::kRefused);
  EXPECT_EQ(count(What::kAccepted), 0);
}

TEST_F(FakeComfyTest, DeathForgetsAllButFiles) {
  await(handle().post_prompt(body("p1", "me"), absl::InfiniteFuture(), in(absl::Seconds(5))));
  wait(absl::Seconds(20));
  await(handle().post_prompt(body("p2", "me"), absl::InfiniteFuture(), in(absl::Seconds(5))));
  auto socket = connect("me");
  server_.die();
  EXPECT_FALSE(await(handle().queue(in(absl::Seconds(5)))).ok());
  wait(absl::Seconds(1));
  for (;;) {
    auto message = await(socket->next());
    if (!message.ok()) break;
  }
  server_.restart();
  wait(absl::Seconds(20));
  EXPECT_EQ(count(What::kEnded), 1) << "p2 is gone";
  EXPECT_FALSE(server_.history("p1").has_value());
  EXPECT_TRUE(server_.queue().pending.empty());
  domain::OutputFile file;
  file.type = "output";
  file.subfolder = "renderyard/5";
  file.filename = "x_00001_.png";
  EXPECT_TRUE(server_.file(file).ok());
}

TEST_F(FakeComfyTest, AHangingNodeEndsWhenItIsInterruptedOrByItself) {
  auto socket = connect("me");
  await(handle().post_prompt(body("p1", "me", "HangingNode"), absl::InfiniteFuture(), in(absl::Seconds(5))));
  const std::vector<std::string> heard = listen(*socket);
  ASSERT_FALSE(heard.empty());
  EXPECT_EQ(heard.back(), "executing") << "and nothing since";
  EXPECT_FALSE(server_.idle());
  EXPECT_TRUE(server_.cancel("p1"));
  wait(absl::Seconds(1));
  ASSERT_TRUE(server_.history("p1"));
  EXPECT_EQ(server_.history("p1")->end, domain::HistoryEnd::kInterrupted);
  await(handle().post_prompt(body("p2", "me", "HangingNode"), absl::InfiniteFuture(), in(absl::Seconds(5))));
  wait(kHangs + absl::Seconds(5));
  ASSERT_TRUE(server_.history("p2"));
  EXPECT_EQ(server_.history("p2")->end, domain::HistoryEnd::kError);
}

TEST_F(FakeComfyTest, ADeafNodeDoesNotLookWhetherItIsInterrupted) {
  await(handle().post_prompt(body("p1", "me", "DeafNode"), absl::InfiniteFuture(), in(absl::Seconds(5))));
  wait(absl::Seconds(10));
  EXPECT_TRUE(server_.cancel("p1"));
  wait(kDeafFor - absl::Seconds(20));
  EXPECT_FALSE(server_.history("p1"));
  EXPECT_FALSE(server_.idle());
  wait(absl::Seconds(30));
  ASSERT_TRUE(server_.history("p1"));
  EXPECT_EQ(server_.history("p1")->end, domain::HistoryEnd::kInterrupted);
  EXPECT_TRUE(server_.idle());
}

TEST_F(FakeComfyTest, CancelIsAtomic) {
  await(handle().post_prompt(body("p1", "me"), absl::InfiniteFuture(), in(absl::Seconds(5))));
  await(handle().post_prompt(body("p2", "me"), absl::InfiniteFuture(), in(absl::Seconds(5))));
  EXPECT_TRUE(server_.cancel("p2"));
  EXPECT_TRUE(server_.cancel("p1"));
  EXPECT_FALSE(server_.cancel("p3"));
  wait(absl::Seconds(20));
  EXPECT_EQ(server_.history("p1")->end, domain::HistoryEnd::kInterrupted);
  EXPECT_FALSE(server_.history("p2").has_value());
  EXPECT_TRUE(server_.idle());
}

TEST_F(FakeComfyTest, PicturesNameTheirPromptOnlyOnNewerServers) {
  for (const bool newer : {true, false}) {
    server_.settings().own_prompt_ids = newer;
    const std::string client = newer ? "newer" : "older";  // one id again would deafen its second socket
    auto socket = connect(client);
    await(handle().post_prompt(body("p1", client, "SaveImageWebsocket"), absl::InfiniteFuture(), in(absl::Seconds(5))));
    int previews = 0;
    int outputs = 0;
    for (bool over = false; !over;) {
      auto message = await(socket->next());
      ASSERT_TRUE(message.ok());
      if (const auto* executing = std::get_if<domain::Executing>(&**message)) over = !executing->node;
      const auto* picture = std::get_if<domain::PreviewImage>(&**message);
      if (picture == nullptr) continue;
      const bool output = picture->data == file_content(picture_of({"77"}), "2");
      ++(output ? outputs : previews);
      EXPECT_EQ(picture->prompt_id, newer ? "p1" : "");
      EXPECT_EQ(picture->node_id, !newer ? "" : output ? "2" : "1");
    }
    EXPECT_EQ(outputs, FakeComfy::kSocketPictures);
    EXPECT_GT(previews, 0);
  }
  wait(absl::Seconds(1));
  EXPECT_EQ(server_.history("p1")->outputs_json, "{}");
}

TEST_F(FakeComfyTest, ServersThatIgnoreOurIdsMakeTheirOwn) {
  server_.settings().own_prompt_ids = false;
  const auto outcome = await(handle().post_prompt(body("p1", "me"), absl::InfiniteFuture(), in(absl::Seconds(5))));
  const auto verdict = domain::classify_post(outcome);
  EXPECT_EQ(verdict.kind, domain::PostVerdict::Kind::kAccepted);
  EXPECT_NE(verdict.prompt_id, "p1");
  wait(absl::Seconds(20));
  auto recent = await(handle().recent_history(8, in(absl::Seconds(5))));
  ASSERT_TRUE(recent.ok());
  ASSERT_EQ(recent->size(), 1u);
  EXPECT_EQ(recent->front().chosen_id, "p1");
  EXPECT_EQ(recent->front().prompt_id, verdict.prompt_id);
}

}  // namespace
}  // namespace renderyard::testing
