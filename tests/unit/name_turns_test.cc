// NameTurns: of many who wait for the turn each gets it alone and in its order, and whoever stops waiting, at whatever
// moment, takes nothing from those behind it.
#include "services/bridge/name_turns.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <numeric>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "libs/common/base/group.h"
#include "libs/common/base/status_macros.h"
#include "tests/unit/base_process.h"

namespace renderyard::bridge {
namespace {

using ::testing::ElementsAre;

constexpr absl::Duration kLasts = absl::Seconds(1);
// In each the world runs what is ready in another order.
constexpr std::uint64_t kSeeds = 30;

// Prompts of one instance, by the order in which they are made. Each waits, holds the turn while it lasts, and ends.
class Stage {
 public:
  explicit Stage(std::uint64_t seed)
      : process(seed), turns(process.process().make<NameTurns>(process.strand(), process.clock())) {}

  struct Prompt {
    absl::Duration lasts = kLasts;
    absl::Time patience = absl::InfiniteFuture();
    std::string writer = "SaveAnywhere";
    bool needed = true;
    std::unique_ptr<base::Group> group;
    std::optional<absl::Time> taken_at;
    std::optional<absl::Time> ended_at;
    std::optional<absl::Status> ended;
  };

  // It waits from its first step on, which comes with the next settle() or later.
  std::size_t start(absl::Time patience = absl::InfiniteFuture(), absl::Duration lasts = kLasts) {
    auto prompt = std::make_unique<Prompt>();
    prompt->lasts = lasts;
    prompt->patience = patience;
    prompt->group = std::make_unique<base::Group>(process.strand());
    prompts.push_back(std::move(prompt));
    const std::size_t n = prompts.size() - 1;
    prompts[n]->group->spawn_isolated(live(*this, n));
    return n;
  }
  // Starts as many, one after the other, so that the order in which they came is that of their numbers.
  void start_in_line(int count) {
    for (int i = 0; i < count; ++i) {
      start();
      process.settle();
    }
  }
  void withdraw(std::size_t n) { prompts[n]->group->cancel(); }

  // Until nothing happens any more. Whenever nothing is ready to run, somebody must hold the turn or nobody want it.
  void run_out() {
    while (process.world().step()) {
      if (process.world().next_at() > process.world().now()) ASSERT_TRUE(holding + outside > 0 || waiting == 0);
    }
    ASSERT_EQ(waiting, 0);
    ASSERT_EQ(holding, 0);
    for (std::size_t n = 0; n < prompts.size(); ++n) EXPECT_TRUE(prompts[n]->ended) << n << " hangs";
  }
  bool withdrawn_without(std::size_t n) const {
    return prompts[n]->ended && absl::IsCancelled(*prompts[n]->ended) && !prompts[n]->taken_at;
  }
  bool late_without(std::size_t n) const {
    return prompts[n]->ended && absl::IsDeadlineExceeded(*prompts[n]->ended) && !prompts[n]->taken_at;
  }

  base::OneProcess process;
  NameTurns& turns;
  std::vector<std::unique_ptr<Prompt>> prompts;
  std::vector<std::size_t> came;  // to the line
  std::vector<std::size_t> took;  // the turn
  int waiting = 0;
  int holding = 0;
  int outside = 0;  // turns that the test holds

 private:
  static base::Task<absl::Status> live(Stage& stage, std::size_t n) {
    const absl::Status status = co_await take_and_hold(stage, n);
    stage.prompts[n]->ended = status;
    stage.prompts[n]->ended_at = stage.process.world().now();
    co_return status;
  }
  static base::Task<absl::Status> take_and_hold(Stage& stage, std::size_t n) {
    Prompt& prompt = *stage.prompts[n];
    stage.came.push_back(n);
    ++stage.waiting;
    domain::NodeClasses classes = {prompt.writer};
    const absl::StatusOr<bool> waited = co_await stage.turns.wait(std::move(classes), prompt.patience);
    --stage.waiting;
    if (!waited.ok()) co_return waited.status();
    prompt.needed = *waited;
    if (!prompt.needed) co_return absl::OkStatus();
    const NameTurns::Turn turn(stage.turns);
    stage.took.push_back(n);
    prompt.taken_at = stage.process.world().now();
    EXPECT_EQ(++stage.holding, 1) << n << " is not alone";
    const absl::Status lasted = co_await stage.process.clock().sleep_for(prompt.lasts);
    --stage.holding;
    co_return lasted;
  }
};

// A turn of the test's own.
class Held {
 public:
  explicit Held(Stage& stage) : stage_(stage), turn_(std::make_unique<NameTurns::Turn>(stage.turns)) {
    ++stage_.outside;
  }
  void release() {
    --stage_.outside;
    turn_.reset();
  }

 private:
  Stage& stage_;
  std::unique_ptr<NameTurns::Turn> turn_;
};

base::Task<absl::Status> had(NameTurns& turns, absl::Time deadline) {
  domain::NodeClasses classes = {"SaveAnywhere"};
  ASSIGN_OR_CO_RETURN(const bool ours, co_await turns.wait(std::move(classes), deadline));
  co_return ours ? absl::OkStatus() : absl::InternalError("not needed");
}

// In one step of the process, so that nobody runs in between.
base::Task<absl::Status> release_then_withdraw(Stage& stage, Held& held, std::vector<std::size_t> withdrawn) {
  held.release();
  for (const std::size_t n : withdrawn) stage.withdraw(n);
  co_return absl::OkStatus();
}

base::Task<absl::Status> withdraw_then_release(Stage& stage, Held& held, std::vector<std::size_t> withdrawn) {
  for (const std::size_t n : withdrawn) stage.withdraw(n);
  held.release();
  co_return absl::OkStatus();
}

class NameTurnsTest : public ::testing::TestWithParam<std::uint64_t> {
 protected:
  Stage stage_{GetParam()};
};

INSTANTIATE_TEST_SUITE_P(Seeds, NameTurnsTest, ::testing::Range<std::uint64_t>(1, kSeeds + 1));

TEST_P(NameTurnsTest, ManyGetItOneByOneInTheOrderInWhichTheyCame) {
  constexpr int kMany = 50;
  stage_.start_in_line(kMany);
  EXPECT_EQ(stage_.waiting, kMany - 1);
  EXPECT_FALSE(stage_.turns.free());
  stage_.run_out();
  std::vector<std::size_t> all(kMany);
  std::iota(all.begin(), all.end(), std::size_t{0});
  EXPECT_EQ(stage_.took, all);
  for (const auto& prompt : stage_.prompts) EXPECT_EQ(prompt->ended, absl::OkStatus());
  EXPECT_EQ(stage_.process.elapsed(), kMany * kLasts) << "no moment is lost between two";
  EXPECT_TRUE(stage_.turns.free());
}

TEST_P(NameTurnsTest, WhoIsWithdrawnWhileAnotherHasItIsPassedOver) {
  stage_.start_in_line(8);
  for (const std::size_t n : {1, 2, 4, 7}) stage_.withdraw(n);
  stage_.process.settle();
  for (const std::size_t n : {1, 2, 4, 7}) EXPECT_TRUE(stage_.withdrawn_without(n)) << n << " waits on";
  stage_.run_out();
  EXPECT_THAT(stage_.took, ElementsAre(0, 3, 5, 6));
  EXPECT_EQ(stage_.process.elapsed(), 4 * kLasts);
  EXPECT_TRUE(stage_.turns.free());
}

// The first in line was woken for the turn, and is withdrawn before it can take it.
TEST_P(NameTurnsTest, WhoIsWithdrawnWithTheTurnInReachHandsItOn) {
  Held held(stage_);
  stage_.start_in_line(6);
  std::optional<absl::Status> done;
  stage_.process.start(release_then_withdraw(stage_, held, {0, 1, 3}), &done);
  stage_.run_out();
  ASSERT_EQ(done, absl::OkStatus());
  for (const std::size_t n : {0, 1, 3}) EXPECT_TRUE(stage_.withdrawn_without(n)) << n;
  EXPECT_THAT(stage_.took, ElementsAre(2, 4, 5));
  EXPECT_EQ(stage_.process.elapsed(), 3 * kLasts);
}

// It stands in line still when those behind it are woken.
TEST_P(NameTurnsTest, WhoIsWithdrawnRightBeforeTheTurnIsFreeKeepsItFromNobody) {
  Held held(stage_);
  stage_.start_in_line(6);
  std::optional<absl::Status> done;
  stage_.process.start(withdraw_then_release(stage_, held, {0, 1, 3}), &done);
  stage_.run_out();
  ASSERT_EQ(done, absl::OkStatus());
  for (const std::size_t n : {0, 1, 3}) EXPECT_TRUE(stage_.withdrawn_without(n)) << n;
  EXPECT_THAT(stage_.took, ElementsAre(2, 4, 5));
  EXPECT_EQ(stage_.process.elapsed(), 3 * kLasts);
}

TEST_P(NameTurnsTest, WhoHasItAndIsWithdrawnLeavesItAtOnce) {
  stage_.start_in_line(3);
  stage_.process.world().run_to(stage_.process.in(kLasts / 2));
  stage_.withdraw(0);
  stage_.run_out();
  EXPECT_TRUE(absl::IsCancelled(*stage_.prompts[0]->ended));
  EXPECT_THAT(stage_.took, ElementsAre(0, 1, 2));
  EXPECT_EQ(stage_.process.elapsed(), kLasts / 2 + 2 * kLasts);
}

TEST_P(NameTurnsTest, WhosePatienceEndsGoesWithoutAndTheOthersGetIt) {
  const absl::Time patience = stage_.process.in(kLasts / 2);
  stage_.start_in_line(1);
  stage_.start(patience);
  stage_.process.settle();
  stage_.start_in_line(2);
  stage_.start(patience);
  stage_.run_out();
  for (const std::size_t n : {1, 4}) {
    EXPECT_TRUE(stage_.late_without(n)) << n;
    EXPECT_EQ(stage_.prompts[n]->ended_at, patience);
  }
  EXPECT_THAT(stage_.took, ElementsAre(0, 2, 3));
  EXPECT_EQ(stage_.process.elapsed(), 3 * kLasts);
}

// Its time is over, and before it runs and leaves the line the turn becomes free.
TEST_P(NameTurnsTest, WhosePatienceEndsAsTheTurnBecomesFreeKeepsItFromNobody) {
  Held held(stage_);
  const absl::Time patience = stage_.process.in(kLasts);
  stage_.start(patience);
  stage_.process.settle();
  stage_.start_in_line(3);
  ASSERT_TRUE(stage_.process.world().run_until([&] { return stage_.process.world().now() == patience; }, patience));
  ASSERT_FALSE(stage_.prompts[0]->ended) << "it has run already";
  held.release();
  stage_.run_out();
  EXPECT_TRUE(stage_.late_without(0));
  EXPECT_THAT(stage_.took, ElementsAre(1, 2, 3));
  EXPECT_EQ(stage_.process.elapsed(), kLasts + 3 * kLasts);
}

TEST_P(NameTurnsTest, ANewcomerComesAfterThoseWhoWait) {
  Held held(stage_);
  stage_.start_in_line(3);
  held.release();
  EXPECT_FALSE(stage_.turns.free()) << "those who wait have not run yet";
  stage_.start();
  stage_.run_out();
  EXPECT_THAT(stage_.took, ElementsAre(0, 1, 2, 3));
}

// What is at the server already holds it without having waited.
TEST_P(NameTurnsTest, ItIsFreeWhenTheLastOfItsHoldersIsGone) {
  Held first(stage_);
  Held second(stage_);
  stage_.start_in_line(2);
  first.release();
  stage_.process.settle();
  EXPECT_TRUE(stage_.took.empty());
  Held third(stage_);
  second.release();
  stage_.process.settle();
  EXPECT_TRUE(stage_.took.empty());
  third.release();
  stage_.process.settle();
  EXPECT_THAT(stage_.took, ElementsAre(0));
  stage_.run_out();
  EXPECT_THAT(stage_.took, ElementsAre(0, 1));
}

// Adopted between the end of one turn and the step of who was woken for the next.
TEST_P(NameTurnsTest, WhoWasWokenForATurnThatIsTakenAgainWaitsOn) {
  Held held(stage_);
  stage_.start_in_line(2);
  held.release();
  Held adopted(stage_);
  stage_.process.settle();
  EXPECT_TRUE(stage_.took.empty());
  adopted.release();
  stage_.run_out();
  EXPECT_THAT(stage_.took, ElementsAre(0, 1));
}

TEST_P(NameTurnsTest, AFreeTurnIsHadWithoutPatience) {
  EXPECT_EQ(stage_.process.run(had(stage_.turns, absl::InfinitePast())), absl::OkStatus());
  Held held(stage_);
  EXPECT_TRUE(absl::IsDeadlineExceeded(stage_.process.run(had(stage_.turns, stage_.process.in(absl::ZeroDuration())))));
  held.release();
  EXPECT_TRUE(stage_.turns.free());
}

// It came when nothing was known of the server's nodes.
TEST_P(NameTurnsTest, WhoDoesNotNeedItAnyMorePassesThoseWhoDo) {
  Held held(stage_);
  stage_.start_in_line(3);
  const std::size_t harmless = stage_.start();
  stage_.prompts[harmless]->writer = "KSampler";
  stage_.start_in_line(1);
  stage_.turns.know(domain::NonOutputClasses({"KSampler"}));
  stage_.process.settle();
  EXPECT_TRUE(stage_.prompts[harmless]->ended);
  EXPECT_FALSE(stage_.prompts[harmless]->needed);
  EXPECT_TRUE(stage_.took.empty());
  held.release();
  stage_.run_out();
  EXPECT_THAT(stage_.took, ElementsAre(0, 1, 2, 4));
}

// It stands first in line as it learns that, and the turn is free by then.
TEST_P(NameTurnsTest, WhoDoesNotNeedItAnyMoreKeepsItFromNobody) {
  Held held(stage_);
  const std::size_t harmless = stage_.start();
  stage_.prompts[harmless]->writer = "KSampler";
  stage_.process.settle();
  stage_.start_in_line(2);
  held.release();
  stage_.turns.know(domain::NonOutputClasses({"KSampler"}));
  stage_.run_out();
  EXPECT_FALSE(stage_.prompts[harmless]->needed);
  EXPECT_THAT(stage_.took, ElementsAre(1, 2));
  EXPECT_EQ(stage_.process.elapsed(), 2 * kLasts);
}

// Everything at once: prompts that come, are withdrawn and lose patience when they like.
TEST_P(NameTurnsTest, WhateverHappensEachEndsAndTheTurnIsNeverIdleWhileItIsWanted) {
  constexpr int kMany = 80;
  const auto random = stage_.process.world().fork("prompts");
  testing::sim::World& world = stage_.process.world();
  std::vector<bool> withdrawn(kMany, false);
  // Moments in whole seconds, so that many fall together.
  const auto moment = [&](std::uint64_t below) { return absl::Seconds(static_cast<int>(random->below(below))); };
  for (int i = 0; i < kMany; ++i) {
    const absl::Duration comes = moment(30);
    const absl::Duration stays = random->chance(0.4) ? moment(20) : absl::InfiniteDuration();
    const absl::Duration patience = random->chance(0.4) ? moment(20) : absl::InfiniteDuration();
    const absl::Duration lasts = moment(3);
    world.after(comes, [this, &world, &withdrawn, stays, patience, lasts] {
      const std::size_t n = stage_.start(world.now() + patience, lasts);
      if (stays == absl::InfiniteDuration()) return;
      world.after(stays, [this, &withdrawn, n] {
        withdrawn[n] = !stage_.prompts[n]->ended;
        stage_.withdraw(n);
      });
    });
  }
  stage_.run_out();
  ASSERT_EQ(stage_.prompts.size(), static_cast<std::size_t>(kMany));
  std::vector<std::size_t> expected;
  int unlucky = 0;
  for (const std::size_t n : stage_.came) {
    const Stage::Prompt& prompt = *stage_.prompts[n];
    ASSERT_TRUE(prompt.ended) << n;
    if (prompt.taken_at) {
      expected.push_back(n);
      EXPECT_LE(*prompt.taken_at, prompt.patience) << n;
    } else {
      ++unlucky;
      const bool late = stage_.late_without(n) && prompt.ended_at == prompt.patience;
      EXPECT_TRUE(late || (withdrawn[n] && stage_.withdrawn_without(n))) << n << " ended by " << *prompt.ended;
    }
  }
  EXPECT_EQ(stage_.took, expected) << "somebody was passed";
  EXPECT_GT(unlucky, 5);
  EXPECT_GT(expected.size(), 20u);
  EXPECT_TRUE(stage_.turns.free());
}

TEST(NameTurnsClasses, OfWhichNothingIsKnownMaySaveFiles) {
  base::OneProcess process(1);
  NameTurns turns(process.strand(), process.clock());
  EXPECT_TRUE(turns.needed_for({"KSampler"}));
  EXPECT_FALSE(turns.needed_for({}));
  EXPECT_FALSE(turns.needed_for({"PreviewImage"})) << "ComfyUI's own";
  turns.know(domain::NonOutputClasses({"KSampler", "VAEDecode"}));
  EXPECT_FALSE(turns.needed_for({"KSampler", "PreviewImage", "VAEDecode"}));
  EXPECT_TRUE(turns.needed_for({"KSampler", "SaveAnywhere"}));
  turns.know(domain::NonOutputClasses({"VAEDecode"}));
  EXPECT_TRUE(turns.needed_for({"KSampler"})) << "the server says it no more";
}

TEST(NameTurnsClasses, WhatWasSeenCountsMoreThanWhatIsSaid) {
  base::OneProcess process(1);
  NameTurns turns(process.strand(), process.clock());
  turns.know(domain::NonOutputClasses({"KSampler", "VAEDecode"}));
  turns.saw_writer("VAEDecode");
  turns.saw_writer("PreviewImage");
  EXPECT_TRUE(turns.needed_for({"KSampler", "VAEDecode"}));
  EXPECT_TRUE(turns.needed_for({"PreviewImage"}));
  EXPECT_FALSE(turns.needed_for({"KSampler"}));
}

}  // namespace
}  // namespace renderyard::bridge
