// Random: the same numbers everywhere, and UUIDs in the one form the database and the routes accept.
#include <gtest/gtest.h>

#include <regex>
#include <set>
#include <string>

#include "libs/common/base/random.h"

namespace renderyard::base {
namespace {

TEST(SplitMixTest, GivesTheNumbersOfTheReference) {
  // Vigna's splitmix64.c with x = 1234567.
  SplitMix random(1234567);
  EXPECT_EQ(random.next(), 6457827717110365317ULL);
  EXPECT_EQ(random.next(), 3203168211198807973ULL);
  EXPECT_EQ(random.next(), 9817491932198370423ULL);
  EXPECT_EQ(random.next(), 4593380528125082431ULL);
}

TEST(RandomTest, BelowStaysBelowAndReachesAll) {
  SplitMix random(3);
  std::set<std::uint64_t> seen;
  for (int i = 0; i < 1000; ++i) seen.insert(random.below(7));
  EXPECT_EQ(seen.size(), 7u);
  EXPECT_EQ(*seen.rbegin(), 6u);
  EXPECT_EQ(random.below(1), 0u);
}

TEST(RandomTest, JitterIsFull) {
  SplitMix random(5);
  absl::Duration smallest = absl::InfiniteDuration();
  absl::Duration largest = absl::ZeroDuration();
  for (int i = 0; i < 1000; ++i) {
    const absl::Duration d = random.jitter(absl::Seconds(8));
    smallest = std::min(smallest, d);
    largest = std::max(largest, d);
  }
  EXPECT_GE(smallest, absl::ZeroDuration());
  EXPECT_LT(smallest, absl::Milliseconds(100));
  EXPECT_GT(largest, absl::Milliseconds(7900));
  EXPECT_LT(largest, absl::Seconds(8));
}

TEST(RandomTest, UuidsAreCanonicalVersion4) {
  SplitMix random(9);
  const std::regex form("[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}");
  std::set<std::string> seen;
  for (int i = 0; i < 1000; ++i) {
    const std::string uuid = random.uuid4();
    EXPECT_TRUE(std::regex_match(uuid, form)) << uuid;
    seen.insert(uuid);
  }
  EXPECT_EQ(seen.size(), 1000u);
}

}  // namespace
}  // namespace renderyard::base
