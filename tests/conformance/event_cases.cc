// Cases of EventLog: numbers that are neither gap-free nor commit-ordered, and the bound below which they are settled.
#include <gmock/gmock.h>

#include "tests/conformance/store_suite.h"

namespace renderyard::conformance {
namespace {

using ::testing::ElementsAre;

TEST_P(StoreSuite, NoEventHasBeenIssuedAtFirst) {
  EXPECT_EQ(must(event_log().last_issued_id()), 0);
  const ports::JobId id = submit();
  EXPECT_EQ(must(event_log().last_issued_id()), events_of(id).at(0).id);
}

TEST_P(StoreSuite, TransactionIdsRise) {
  const auto first = must(event_log().fresh_transaction_id());
  const auto second = must(event_log().fresh_transaction_id());
  EXPECT_GT(second, first);
  EXPECT_GE(must(event_log().oldest_running_transaction_id()), first) << "it was rolled back at once";
}

TEST_P(StoreSuite, AnOpenTransactionHoldsTheBound) {
  const ports::JobId before = submit();
  const std::function<void()> roll_back = world().open_writing_transaction();
  const ports::JobId after = submit();
  const std::int64_t issued = must(event_log().last_issued_id());
  EXPECT_EQ(issued, events_of(after).at(0).id);
  const std::uint64_t fresh = must(event_log().fresh_transaction_id());
  EXPECT_LT(must(event_log().oldest_running_transaction_id()), fresh) << "an id below the last one may still commit";
  roll_back();
  EXPECT_GE(must(event_log().oldest_running_transaction_id()), fresh) << "every id up to the last one has settled";
  // The number of the transaction that was rolled back is a hole.
  std::vector<ports::JobId> jobs_seen;
  for (const auto& event : must(event_log().read(0, issued, 100))) jobs_seen.push_back(event.job_id);
  EXPECT_THAT(jobs_seen, ElementsAre(before, after));
  EXPECT_EQ(issued, events_of(before).at(0).id + 2);
}

TEST_P(StoreSuite, TheLogIsReadInOrderBetweenBounds) {
  for (int i = 0; i < 4; ++i) submit();
  const std::int64_t issued = must(event_log().last_issued_id());
  const auto all = must(event_log().read(0, issued, 100));
  ASSERT_EQ(all.size(), 4u);
  for (std::size_t i = 1; i < all.size(); ++i) EXPECT_GT(all[i].id, all[i - 1].id);
  EXPECT_EQ(all[0].type, ports::event_type::kSubmitted);
  EXPECT_EQ(all[0].user_id, user());
  EXPECT_EQ(must(event_log().read(all[0].id, all[2].id, 100)).size(), 2u);
  EXPECT_EQ(must(event_log().read(0, issued, 3)).back().id, all[2].id);
  EXPECT_TRUE(must(event_log().read(issued, issued + 10, 100)).empty());
}

}  // namespace
}  // namespace renderyard::conformance
