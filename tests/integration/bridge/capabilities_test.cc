// What a server says it has is kept within bounds, and a listing that cannot be read keeps nobody from working. When it
// is read again is in refresh_test.cc.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tests/integration/bridge/bridge_lab.h"
#include "tests/integration/bridge/graphs.h"
#include "tests/integration/bridge/meddler.h"

namespace renderyard::testing {
namespace {

using ::testing::Contains;

class CapabilitiesTest : public ::testing::Test {
 protected:
  void start(Meddler::Edit edit = nullptr) {
    BridgeLab::Way way;
    way.url = [&](const std::string& server) {
      front_ = std::make_unique<Meddler>(server);
      front_->edit(std::move(edit));
      return front_->url();
    };
    way.settings = [](bridge::Config& config) { config.capabilities_gap = absl::Milliseconds(100); };
    lab_ = std::make_unique<BridgeLab>(std::vector<std::string>(), std::move(way));
  }
  // So often, in all.
  [[nodiscard]] bool until_read(int times) {
    return lab_->until([&] { return lab_->count_in_journal("capabilities_read") == times; });
  }
  const domain::Capabilities& has() const { return lab_->capabilities()->what; }
  void expect_that_it_works() {
    const auto execution = lab_->order(simple_graph(1));
    ASSERT_TRUE(lab_->until_final(execution));
    EXPECT_EQ(lab_->row(execution).state, ports::ExecutionState::kCompleted);
  }

  std::unique_ptr<Meddler> front_;
  std::unique_ptr<BridgeLab> lab_;
};

TEST_F(CapabilitiesTest, AnEndlessListIsCutAndSaidToBe) {
  start([](const Meddler::Request& request, Meddler::Answer& answer) {
    if (request.target != "/object_info") return;
    const std::size_t end = answer.body.find_last_of('}');
    answer.body.resize(end);
    const std::size_t wanted = domain::CapabilityBounds().node_classes + 5'000;
    for (std::size_t i = 0; i < wanted; ++i) answer.body += ",\"Zz" + std::to_string(i) + R"(":{"input":{}})";
    answer.body += '}';
  });
  ASSERT_TRUE(until_read(1));
  EXPECT_EQ(has().node_classes.size(), domain::CapabilityBounds().node_classes);
  EXPECT_FALSE(has().complete);
  EXPECT_THAT(has().node_classes, Contains("SaveImage"));
  expect_that_it_works();
}

TEST_F(CapabilitiesTest, AListingThatCannotBeReadLeavesWhatIsKnownAndDoesNotStopWork) {
  start();
  ASSERT_TRUE(until_read(1));
  const std::string digest = lab_->capabilities()->digest;
  for (const std::string& body : {std::string("<html>busy</html>"), std::string("{}"), std::string("[1]"),
                                  std::string(std::size_t{33} << 20, ' ')}) {
    SCOPED_TRACE(body.substr(0, 20));
    front_->edit([&body](const Meddler::Request& request, Meddler::Answer& answer) {
      if (request.target == "/object_info") answer.body = body;
    });
    const int unread = lab_->count_in_journal("capabilities_unread");
    lab_->fault(R"({"fault":"drop"})");
    ASSERT_TRUE(lab_->until([&] { return lab_->count_in_journal("capabilities_unread") > unread; }));
    EXPECT_EQ(lab_->capabilities()->digest, digest);
    ASSERT_TRUE(lab_->until_connected());
    expect_that_it_works();
    front_->edit(nullptr);
  }
}

}  // namespace
}  // namespace renderyard::testing
