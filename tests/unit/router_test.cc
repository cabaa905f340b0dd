#include "services/bridge/router.h"

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tests/unit/base_process.h"

namespace renderyard::bridge {
namespace {

constexpr char kOurs[] = "8d1d0f4e-0c7a-4a54-9f2e-0a6d5c1b2e3f";
constexpr char kTheirs[] = "f3c3f6b8-3b0c-4f0e-8a52-0d7a3a4d6c11";

class Silent final : public base::Journal {
 public:
  void record(base::Severity, std::string_view, std::initializer_list<base::Field>) override {}
};

class RouterTest : public ::testing::Test {
 protected:
  RouterTest() : sender_(execution(kOurs)) {}

  std::shared_ptr<Execution> execution(const std::string& client_prompt_id) {
    ports::ExecutionRow row;
    row.client_prompt_id = client_prompt_id;
    row.state = domain::ExecutionState::kSubmitting;
    return std::make_shared<Execution>(std::move(row), process_.strand(), process_.clock());
  }

  base::OneProcess process_;
  Observer observer_;
  Silent journal_;
  int strays_ = 0;
  Router router_{observer_, journal_, [this] { ++strays_; }};
  std::shared_ptr<Execution> sender_;
};

TEST_F(RouterTest, WhatWasSaidBeforeTheAnswerToThePostIsGivenToItsExecution) {
  router_.post_begins(*sender_);
  router_.route(domain::ExecutionStart{kTheirs}, 1);
  router_.route(domain::ExecutionSuccess{kTheirs, std::nullopt}, 1);
  EXPECT_FALSE(sender_->heard().anything());
  router_.add(kTheirs, sender_);
  EXPECT_TRUE(sender_->heard().anything());
  EXPECT_FALSE(router_.heard_unknown());
  router_.post_ends(*sender_);
  EXPECT_EQ(strays_, 0);
}

TEST_F(RouterTest, AnUnknownStartWakesTheSenderOfAnOpenPostAndIsRememberedUntilItEnds) {
  std::optional<absl::Status> woken;
  router_.post_begins(*sender_);
  process_.start(sender_->changed().wait_until(process_.in(absl::Seconds(1))), &woken);
  process_.settle();
  router_.route(domain::ExecutionStart{kTheirs}, 1);
  process_.settle();
  ASSERT_TRUE(woken.has_value());
  EXPECT_TRUE(woken->ok()) << "woken, and not by the deadline";
  // However much is said after it.
  domain::NodeProgress progress;
  progress.prompt_id = kTheirs;
  for (int i = 0; i < 5000; ++i) router_.route(progress, 1);
  EXPECT_TRUE(router_.heard_unknown());
  router_.post_ends(*sender_);
  EXPECT_FALSE(router_.heard_unknown());
}

TEST_F(RouterTest, WordsOfAPromptThatHasEndedAreNoStart) {
  router_.post_begins(*sender_);
  domain::Executing over;
  over.prompt_id = kTheirs;
  router_.route(over, 1);
  EXPECT_FALSE(router_.heard_unknown());
}

TEST_F(RouterTest, AStartThatNobodyClaimsIsAStrayOnceEveryPostIsClear) {
  const std::shared_ptr<Execution> other = execution("0b0e7a52-96c5-4c55-8d0f-6a3a2f1f2f10");
  router_.post_begins(*sender_);
  router_.post_begins(*other);
  router_.route(domain::ExecutionStart{kTheirs}, 1);
  router_.post_ends(*sender_);
  EXPECT_EQ(strays_, 0);
  EXPECT_TRUE(router_.heard_unknown());
  router_.post_ends(*other);
  EXPECT_EQ(strays_, 1);
  router_.route(domain::ExecutionStart{kTheirs}, 1);
  EXPECT_EQ(strays_, 2) << "nothing is kept while no POST is open";
}

}  // namespace
}  // namespace renderyard::bridge
