#include "libs/common/domain/placement.h"

#include <gtest/gtest.h>

namespace renderyard::domain {
namespace {

using base::InstanceId;
using base::JobId;

TEST(PlacementTest, JobsKeepTheirOrderAndFirstSlotsComeFirst) {
  const auto placed =
      place({JobId{9}, JobId{3}, JobId{7}}, {{InstanceId{1}, 1}, {InstanceId{2}, 0}, {InstanceId{1}, 0}});
  ASSERT_EQ(placed.size(), 3U);
  EXPECT_EQ(placed[0].job_id, JobId{9});
  EXPECT_EQ(placed[0].slot.instance_id, InstanceId{1});
  EXPECT_EQ(placed[0].slot.slot_no, 0);
  EXPECT_EQ(placed[1].job_id, JobId{3});
  EXPECT_EQ(placed[1].slot.instance_id, InstanceId{2});
  EXPECT_EQ(placed[2].slot.slot_no, 1);
}

TEST(PlacementTest, NeverMoreThanThereAreSlotsOrJobs) {
  EXPECT_EQ(place({JobId{1}, JobId{2}}, {{InstanceId{1}, 0}}).size(), 1U);
  EXPECT_EQ(place({JobId{1}}, {{InstanceId{1}, 0}, {InstanceId{2}, 0}}).size(), 1U);
  EXPECT_TRUE(place({}, {{InstanceId{1}, 0}}).empty());
  EXPECT_TRUE(place({JobId{1}}, {}).empty());
}

TEST(PlacementTest, TheReasonNamesWhatIsMissing) {
  EXPECT_EQ(waiting_reason(1, 1, 1), "");
  EXPECT_EQ(waiting_reason(0, 0, 0).substr(0, 11), "no_instance");
  EXPECT_EQ(waiting_reason(3, 0, 0).substr(0, 21), "no_instance_connected");
  EXPECT_EQ(waiting_reason(3, 2, 0).substr(0, 14), "all_slots_busy");
}

}  // namespace
}  // namespace renderyard::domain
