// Hints over LISTEN and NOTIFY: they arrive, they are coalesced, and a lost connection comes back with a wake-up.
#include "libs/common/adapters/postgres/hints.h"

#include <gtest/gtest.h>

#include <atomic>

#include "tests/integration/postgres/harness.h"

namespace renderyard::postgres {
namespace {

class HintsTest : public ::testing::Test {
 protected:
  void listen(Hints& hints, ports::Topic topic, std::atomic<int>& heard) {
    std::promise<void> set;
    boost::asio::post(client_.strand.executor(), [&] {
      hints.listen(topic, [&heard] { ++heard; });
      set.set_value();
    });
    set.get_future().wait();
  }

  SessionOptions options_ = fresh_database();
  Client client_{options_};
};

TEST_F(HintsTest, AHintReachesTheListenersOfItsTopicOnly) {
  Hints sender(options_, client_.strand);
  Hints receiver(options_, client_.strand);
  std::atomic<int> jobs = 0;
  std::atomic<int> events = 0;
  listen(receiver, ports::Topic::kJobs, jobs);
  listen(receiver, ports::Topic::kEvents, events);
  // A hint may be lost while the listener is not connected yet: that is what they are.
  ASSERT_TRUE(eventually([&] {
    sender.send(ports::Topic::kJobs);
    return jobs >= 3;
  }));
  EXPECT_LE(events, 1) << "once, when the listener connected";
}

TEST_F(HintsTest, ManySendsBecomeFewNotifications) {
  std::atomic<int> heard = 0;
  Hints hints(options_, client_.strand);
  listen(hints, ports::Topic::kJobs, heard);
  ASSERT_TRUE(eventually([&] {
    hints.send(ports::Topic::kJobs);
    return heard > 1;
  }));
  const int before = heard;
  for (int i = 0; i < 100000; ++i) hints.send(ports::Topic::kJobs);
  ASSERT_TRUE(eventually([&] { return heard > before; }));
  EXPECT_LT(heard - before, 1000);
}

TEST_F(HintsTest, AfterALostConnectionEveryCallbackRunsOnce) {
  std::atomic<int> heard = 0;
  Hints hints(options_, client_.strand);
  listen(hints, ports::Topic::kInstances, heard);
  const auto admin = must(open_session(options_));
  const auto listeners = [&admin] {
    return count(*admin,
                 "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE '%-listen'"
                 " AND query LIKE '%ry_assigned%'");
  };
  ASSERT_TRUE(eventually([&] { return listeners() == 1; }));
  ASSERT_TRUE(eventually([&] { return heard <= 1; }));
  const int before = heard;
  admin->run_text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE '%-listen'");
  EXPECT_TRUE(eventually([&] { return heard > before; }));
  hints.send(ports::Topic::kInstances);
  EXPECT_TRUE(eventually([&] {
    hints.send(ports::Topic::kInstances);
    return heard > before + 1;
  })) << "and it listens again";
}

}  // namespace
}  // namespace renderyard::postgres
