// POSTs that break on the release that chooses prompt ids itself: their ends are those of the newest release, though
// only the queue and the history can tell there what became of them, and nothing is sent or run twice.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <ostream>
#include <string>
#include <vector>

#include "libs/common/domain/comfy_message.h"
#include "tests/integration/bridge/bridge_lab.h"
#include "tests/integration/bridge/graphs.h"

namespace renderyard::testing {
namespace {

using ports::ExecutionState;

struct PostCase {
  std::string name;
  std::string fault;
  ExecutionState end = ExecutionState::kCompleted;
  std::string proof = {};  // of the submission, where the fault decides it

  friend std::ostream& operator<<(std::ostream& os, const PostCase& c) { return os << c.name; }
};

// As in faults_test.cc.
void hurry(bridge::Config& config) {
  config.post_deadline = absl::Seconds(3);
  config.request_deadline = absl::Seconds(2);
  config.status_after_post = absl::Seconds(1);
  config.unclear_look_every = absl::Seconds(1);
  config.refusal_hold = absl::Seconds(1);
  config.unclear_limit = absl::Seconds(16);
}

std::vector<PostCase> cases() {
  constexpr auto kRefused = ExecutionState::kNotAccepted;
  return {
      {"refuse", R"("fault":"refuse","count":1)", kRefused, "absent_strong"},
      {"refuse_hang_up", R"("fault":"refuse","status":0,"count":1)", kRefused, "absent_strong"},
      {"refuse_404", R"("fault":"refuse","status":404,"count":1)", kRefused, "answered_404"},
      {"silent_before_queue", R"("fault":"silent","at":"post_before_queue","count":1)", kRefused, "absent_strong"},
      {"silent_after_queue", R"("fault":"silent","at":"post_after_queue","count":1)"},
      {"error_after_queue", R"("fault":"error","at":"post_after_queue","status":502,"count":1)"},
      {"read_late", R"("fault":"read_late","delay_ms":2000,"count":1)"},
      {"answer_late", R"("fault":"answer_late","path":"/prompt","delay_ms":1500,"count":1)"},
  };
}

class OldestPostsTest : public ::testing::TestWithParam<PostCase> {
 protected:
  [[nodiscard]] bool until_final(ports::ExecutionId execution) {
    return lab_.until([&] { return domain::is_final(lab_.row(execution).state); }, absl::Seconds(40));
  }
  std::string why(ports::ExecutionId execution) const {
    const auto& row = lab_.row(execution);
    return std::string(domain::to_string(row.state)) + ", " + row.outcome_proof.value_or("no proof") + ", " +
           (row.error ? row.error->code + ": " + row.error->message : "no error");
  }

  BridgeLab lab_{{"--generation", "2024-06-30"}, BridgeLab::Way{.settings = hurry}};
};

INSTANTIATE_TEST_SUITE_P(Kinds, OldestPostsTest, ::testing::ValuesIn(cases()),
                         [](const auto& param) { return param.param.name; });

TEST_P(OldestPostsTest, EndAsOnTheNewestAndNothingHappensTwice) {
  const PostCase& c = GetParam();
  ASSERT_TRUE(lab_.until_connected());
  const auto before = lab_.order(simple_graph(1));  // a prompt that the history shows to be the server's life
  ASSERT_TRUE(until_final(before));
  lab_.fault("{" + c.fault + "}");
  const auto execution = lab_.order(slow_graph(1.0, 1));
  ASSERT_TRUE(until_final(execution)) << why(execution);
  const ports::ExecutionRow& row = lab_.row(execution);
  EXPECT_EQ(row.state, c.end) << why(execution);
  if (!c.proof.empty()) EXPECT_EQ(row.outcome_proof, c.proof);
  const bool completed = c.end == ExecutionState::kCompleted;
  const int starts = completed ? 1 : 0;
  EXPECT_EQ(lab_.ledger("started", execution), starts);
  EXPECT_EQ(lab_.ledger("post"), 2);
  EXPECT_EQ(lab_.outputs(execution).size(), completed ? 1u : 0u);
  if (completed) {
    ASSERT_TRUE(row.comfyui_prompt_id);
    EXPECT_NE(*row.comfyui_prompt_id, row.client_prompt_id) << "the server chose it";
  }

  lab_.fault(R"({"fault":"clear"})");
  ASSERT_TRUE(lab_.until_connected());
  const auto queue = domain::parse_queue(lab_.http("/queue"));
  ASSERT_TRUE(queue.ok());
  EXPECT_EQ(queue->running.size() + queue->pending.size(), 0u);
  const auto next = lab_.order(simple_graph(2));
  ASSERT_TRUE(until_final(next)) << why(next);
  EXPECT_EQ(lab_.row(next).state, ExecutionState::kCompleted) << why(next);
  EXPECT_EQ(lab_.ledger("started", execution), starts) << "it ran again later";
  EXPECT_EQ(lab_.row(execution).state, c.end) << "a final state never changes";
}

}  // namespace
}  // namespace renderyard::testing
