#include "libs/common/adapters/redis/redis_cache.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "libs/common/adapters/redis/cached_value.h"
#include "libs/common/base/status_macros.h"
#include "tests/integration/redis_server.h"
#include "tests/support/real_loop.h"

namespace renderyard::redis {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

ports::CachedProgress sample(const std::string& prompt, int percent) {
  ports::CachedProgress progress;
  progress.prompt_id = prompt;
  progress.job_type = "image_generation";
  progress.user_id = {7};
  progress.status = "running";
  progress.progress = percent;
  progress.started_at = "2026-01-02T03:04:05.678Z";
  progress.client_id = "ry-3-9";
  progress.execution_id = {11};
  progress.owner_epoch = {9};
  progress.cluster_epoch = "e";
  return progress;
}

class RedisCacheTest : public ::testing::Test {
 protected:
  RedisProgressCache::Config config(const test::RedisServer& server) {
    RedisProgressCache::Config result;
    result.url = *parse_redis_url(server.url());
    result.command_timeout = absl::Milliseconds(300);
    result.first_backoff = absl::Milliseconds(20);
    result.max_backoff = absl::Milliseconds(100);
    return result;
  }

  void make(RedisProgressCache::Config settings) {
    cache_ = std::make_unique<RedisProgressCache>(
        RedisProgressCache::Deps{loop_.strand(), loop_.clock(), random_, loop_.journal()}, std::move(settings),
        RedisObserver{.on_state = [this](bool connected) { on_state(connected); },
                      .on_dropped = [this] { ++dropped_; }});
  }

  void on_state(bool connected) {
    states_.push_back(connected);
    changed_.notify();
  }

  // Runs `body` beside the cache's run().
  absl::Status with_cache(base::Task<absl::Status> body) { return loop_.run(both(std::move(body))); }
  base::Task<absl::Status> both(base::Task<absl::Status> body) {
    base::Group group(loop_.strand());
    group.spawn(cache_->run());
    const absl::Status status = co_await std::move(body);
    cache_->stop();
    CO_RETURN_IF_ERROR(co_await group.join());
    co_return status;
  }

  base::Task<absl::Status> until(bool connected) {
    while (cache_->connected() != connected) {
      CO_RETURN_IF_ERROR(co_await changed_.wait_until(absl::InfiniteFuture()));
    }
    co_return absl::OkStatus();
  }

  // Commands are answered in order, so after this everything saved before is in Redis.
  base::Task<absl::Status> settle() {
    const auto ignored = co_await cache_->load("nobody");
    co_return ignored.status();
  }

  test::RealLoop loop_;
  base::SplitMix random_{1};
  base::Event changed_{loop_.strand(), loop_.clock()};
  std::unique_ptr<RedisProgressCache> cache_;
  std::vector<bool> states_;
  int dropped_ = 0;

  base::Task<absl::Status> round_trip() {
    CO_RETURN_IF_ERROR(co_await until(true));
    auto progress = sample("p1", 40);
    progress.character_id = "hero";
    cache_->save(progress);
    CO_RETURN_IF_ERROR(co_await settle());
    ASSIGN_OR_CO_RETURN(const auto loaded, co_await cache_->load("p1"));
    if (!loaded) co_return absl::NotFoundError("p1");
    EXPECT_EQ(loaded->progress, 40);
    EXPECT_EQ(loaded->character_id, "hero");
    EXPECT_EQ(loaded->execution_id.value, 11);
    EXPECT_EQ(loaded->owner_epoch.value, 9);
    EXPECT_EQ(loaded->cluster_epoch, "e");
    ASSIGN_OR_CO_RETURN(const auto missing, co_await cache_->load("p2"));
    EXPECT_FALSE(missing);
    co_return absl::OkStatus();
  }

  base::Task<absl::Status> save_and_settle(std::string prompt) {
    CO_RETURN_IF_ERROR(co_await until(true));
    cache_->save(sample(prompt, 1));
    co_return co_await settle();
  }

  base::Task<absl::Status> erase_and_settle(std::string prompt) {
    CO_RETURN_IF_ERROR(co_await until(true));
    cache_->erase(prompt);
    co_return co_await settle();
  }

  base::Task<absl::Status> expect_nothing(std::string prompt) {
    CO_RETURN_IF_ERROR(co_await until(true));
    ASSIGN_OR_CO_RETURN(const auto loaded, co_await cache_->load(prompt));
    EXPECT_FALSE(loaded) << prompt;
    co_return absl::OkStatus();
  }

  base::Task<absl::Status> killed_and_back(test::RedisServer* server) {
    CO_RETURN_IF_ERROR(co_await until(true));
    server->kill_hard();
    CO_RETURN_IF_ERROR(co_await until(false));
    const auto refused = co_await cache_->load("p1");
    EXPECT_TRUE(absl::IsUnavailable(refused.status()));
    for (int percent = 1; percent <= 50; ++percent) cache_->save(sample("p1", percent));
    cache_->save(sample("p2", 5));
    cache_->erase("p2");
    server->start();
    CO_RETURN_IF_ERROR(co_await until(true));
    ASSIGN_OR_CO_RETURN(const auto loaded, co_await cache_->load("p1"));
    if (!loaded) co_return absl::NotFoundError("p1");
    EXPECT_EQ(loaded->progress, 50);
    ASSIGN_OR_CO_RETURN(const auto erased, co_await cache_->load("p2"));
    EXPECT_FALSE(erased);
    co_return absl::OkStatus();
  }

  base::Task<absl::Status> frozen(test::RedisServer* server) {
    CO_RETURN_IF_ERROR(co_await until(true));
    server->freeze();
    const absl::Time begun = loop_.clock().now();
    const auto answer = co_await cache_->load("p1");
    EXPECT_TRUE(absl::IsUnavailable(answer.status())) << answer.status();
    EXPECT_LT(loop_.clock().now() - begun, absl::Seconds(5));
    CO_RETURN_IF_ERROR(co_await until(false));
    server->thaw();
    co_return co_await until(true);
  }

  base::Task<absl::Status> flood() {
    CO_RETURN_IF_ERROR(co_await until(false));
    for (int i = 0; i < 100; ++i) cache_->save(sample("p" + std::to_string(i), 1));
    co_return absl::OkStatus();
  }

  base::Task<absl::Status> wait_for_first_state() {
    while (states_.empty()) CO_RETURN_IF_ERROR(co_await changed_.wait_until(absl::InfiniteFuture()));
    co_return absl::OkStatus();
  }
};

TEST_F(RedisCacheTest, SavedValuesAreLoaded) {
  const test::RedisServer server;
  make(config(server));
  EXPECT_EQ(with_cache(round_trip()), absl::OkStatus());
  EXPECT_THAT(loop_.journal().names(), ElementsAre("redis_connected"));
}

TEST_F(RedisCacheTest, KeyFieldsAndTimeToLiveAreThoseOfTheRequirement) {
  const test::RedisServer server;
  make(config(server));
  ASSERT_EQ(with_cache(save_and_settle("p1")), absl::OkStatus());
  const std::string value = server.command("GET comfyui:job:p1");
  for (const char* member :
       {R"("promptId":"p1")", R"("type":"image_generation")", R"("userId":7)", R"("status":"running")",
        R"("progress":1)", R"("startedAt":"2026-01-02T03:04:05.678Z")", R"("clientId":"ry-3-9")"}) {
    EXPECT_THAT(value, HasSubstr(member));
  }
  EXPECT_THAT(value, ::testing::Not(HasSubstr("characterId")));
  server.command("EXPIRE comfyui:job:p1 10");
  make(config(server));
  ASSERT_EQ(with_cache(save_and_settle("p1")), absl::OkStatus());
  const int ttl = std::stoi(server.command("TTL comfyui:job:p1").substr(1));
  EXPECT_GT(ttl, 7100);
  EXPECT_LE(ttl, 7200);
}

TEST_F(RedisCacheTest, ErasedValuesAreGone) {
  const test::RedisServer server;
  make(config(server));
  ASSERT_EQ(with_cache(save_and_settle("p1")), absl::OkStatus());
  make(config(server));
  ASSERT_EQ(with_cache(erase_and_settle("p1")), absl::OkStatus());
  EXPECT_THAT(server.command("EXISTS comfyui:job:p1"), HasSubstr(":0"));
}

TEST_F(RedisCacheTest, AServerThatDiesAndComesBackGetsTheLatestOfEach) {
  test::RedisServer server;
  make(config(server));
  EXPECT_EQ(with_cache(killed_and_back(&server)), absl::OkStatus());
  EXPECT_THAT(states_, ElementsAre(true, false, true));
  EXPECT_THAT(loop_.journal().names(), ElementsAre("redis_connected", "redis_away", "redis_connected"));
  EXPECT_EQ(dropped_, 0);
}

TEST_F(RedisCacheTest, AServerThatDoesNotAnswerIsAway) {
  test::RedisServer server;
  make(config(server));
  EXPECT_EQ(with_cache(frozen(&server)), absl::OkStatus());
  EXPECT_THAT(states_, ElementsAre(true, false, true));
}

TEST_F(RedisCacheTest, TheBacklogIsBoundedAndDropsTheOldest) {
  test::RedisServer server;
  auto settings = config(server);
  settings.max_backlog = 10;
  server.kill_hard();
  make(settings);
  ASSERT_EQ(with_cache(flood()), absl::OkStatus());
  EXPECT_EQ(dropped_, 90);
}

TEST_F(RedisCacheTest, PasswordIsSentAndAWrongOneIsAwayWithoutSayingIt) {
  const test::RedisServer server("open-sesame-123");
  make(config(server));
  EXPECT_EQ(with_cache(round_trip()), absl::OkStatus());
  auto settings = config(server);
  settings.url.password = "wrong-password-1";
  states_.clear();
  make(settings);
  EXPECT_EQ(with_cache(wait_for_first_state()), absl::OkStatus());
  EXPECT_THAT(states_, ElementsAre(false));
}

TEST_F(RedisCacheTest, ValuesOfOthersAreNoValues) {
  const test::RedisServer server;
  server.command("SET comfyui:job:p1 nonsense");
  server.command("SET comfyui:job:p2 {\"promptId\":\"other\",\"progress\":3}");
  server.command("SET comfyui:job:p3 {\"promptId\":\"p3\",\"progress\":101}");
  make(config(server));
  for (const char* prompt : {"p1", "p2", "p3"}) {
    EXPECT_EQ(with_cache(expect_nothing(prompt)), absl::OkStatus());
    make(config(server));
  }
}

TEST(RedisUrlTest, PartsAndErrors) {
  const auto url = parse_redis_url("redis://u:p%40ss@cache.local:7000/3");
  ASSERT_TRUE(url.ok());
  EXPECT_EQ(url->host, "cache.local");
  EXPECT_EQ(url->port, 7000);
  EXPECT_EQ(url->user, "u");
  EXPECT_EQ(url->password, "p@ss");
  EXPECT_EQ(url->database, 3);
  EXPECT_EQ(parse_redis_url("redis://[::1]")->host, "::1");
  for (const char* text : {"", "localhost", "rediss://h", "redis://", "redis://h:0", "redis://h:70000", "redis://h/16",
                           "redis://h/x", "redis://h/0?x=1", "http://h", "redis://:hunter2@h:x"}) {
    const auto wrong = parse_redis_url(text);
    EXPECT_FALSE(wrong.ok()) << text;
    EXPECT_THAT(std::string(wrong.status().message()), ::testing::Not(HasSubstr("hunter2")));
  }
}

}  // namespace
}  // namespace renderyard::redis
