// Lines that break under a POST, and pages that proxies put in the place of its answer, on the release that chooses
// prompt ids itself and knows nothing of ours: it is sent once and runs once or never, and the job's end says what is
// known of it. What comfysim can do by itself is in oldest_posts_test.cc.
#include <absl/strings/match.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "tests/integration/bridge/bridge_lab.h"
#include "tests/integration/bridge/graphs.h"
#include "tests/integration/bridge/ledger_files.h"
#include "tests/integration/bridge/meddler.h"

namespace renderyard::testing {
namespace {

using Cut = Meddler::Cut;
using ports::ExecutionState;

void hurry(bridge::Config& config) {
  config.post_deadline = absl::Seconds(2);
  config.request_deadline = absl::Seconds(2);
  config.unclear_look_every = absl::Milliseconds(500);
  config.unclear_limit = absl::Seconds(16);  // strong evidence of absence takes ten
}

struct PostCase {
  std::string name;
  std::string fault = {};   // of comfysim, without {}
  Cut cut = Cut::kNowhere;  // of the line before it
  int status = 0;           // of a proxy's page in place of the server's answer; 0 = none
  std::string graph = slow_graph(3.0, 1);
  bool accepted = true;

  friend std::ostream& operator<<(std::ostream& os, const PostCase& c) { return os << c.name; }
};

class LonePostTest : public ::testing::Test {
 protected:
  LonePostTest() {
    BridgeLab::Way way;
    way.url = [&](const std::string& server) {
      front_ = std::make_unique<Meddler>(server);
      return front_->url();
    };
    way.settings = hurry;
    lab_ = std::make_unique<BridgeLab>(std::vector<std::string>{"--generation", "2024-06-30"}, std::move(way));
  }

  static bool is_post(const Meddler::Request& request) {
    return request.method == "POST" && request.target == "/prompt";
  }
  // The next POST fares as this case says.
  void meddle(const PostCase& c) {
    if (c.cut != Cut::kNowhere) {
      front_->answer_instead([cut = c.cut, met = false](const Meddler::Request& request) mutable {
        if (!is_post(request) || std::exchange(met, true)) return std::optional<Meddler::Answer>();
        Meddler::Answer answer;
        answer.cut = cut;
        return std::optional(answer);
      });
    }
    if (c.status == 0) return;
    front_->edit([status = c.status, met = false](const Meddler::Request& request, Meddler::Answer& answer) mutable {
      if (!is_post(request) || std::exchange(met, true)) return;
      answer.status = status;
      answer.body = "a proxy's page";
      answer.type = "text/html";
    });
  }
  // How often the bridge sent it.
  int posts_of(ports::ExecutionId execution) const {
    const std::string mark = R"("execution_id":")" + to_string(execution) + "\"";
    const auto seen = front_->seen();
    return static_cast<int>(std::count_if(seen.begin(), seen.end(), [&](const Meddler::Request& request) {
      return is_post(request) && absl::StrContains(request.body, mark);
    }));
  }
  [[nodiscard]] bool until_final(ports::ExecutionId execution) {
    return lab_->until([&] { return domain::is_final(lab_->row(execution).state); }, absl::Seconds(40));
  }
  std::string why(ports::ExecutionId execution) const {
    const auto& row = lab_->row(execution);
    return std::string(domain::to_string(row.state)) + ", " + row.outcome_proof.value_or("no proof") + ", " +
           (row.error ? row.error->code + ": " + row.error->message : "no error");
  }
  void expect_its_own_picture(ports::ExecutionId execution) {
    ASSERT_EQ(lab_->row(execution).state, ExecutionState::kCompleted) << why(execution);
    ASSERT_EQ(lab_->outputs(execution).size(), 1u);
    const auto files = ledger_files(*lab_, execution);
    ASSERT_EQ(files.size(), 1u);
    EXPECT_EQ(lab_->outputs(execution)[0].sha256, files[0].sha256);
  }

  std::unique_ptr<Meddler> front_;
  std::unique_ptr<BridgeLab> lab_;
};

class BrokenPostTest : public LonePostTest, public ::testing::WithParamInterface<PostCase> {};

INSTANTIATE_TEST_SUITE_P(
    Kinds, BrokenPostTest,
    ::testing::Values(PostCase{.name = "answer_lost_of_a_short_prompt",
                               .fault = R"("fault":"silent","at":"post_after_queue","count":1)",
                               .graph = simple_graph(4)},
                      PostCase{.name = "answer_later_than_the_deadline",
                               .fault = R"("fault":"answer_late","path":"/prompt","delay_ms":3000,"count":1)"},
                      PostCase{.name = "read_later_than_the_deadline",
                               .fault = R"("fault":"read_late","delay_ms":4000,"count":1)",
                               .graph = simple_graph(5)},
                      PostCase{.name = "cut_before_the_answer", .cut = Cut::kBeforeAnswer},
                      PostCase{.name = "page_200", .status = 200},
                      PostCase{.name = "page_429", .status = 429, .graph = simple_graph(7)},
                      PostCase{.name = "page_500", .status = 500},
                      PostCase{.name = "page_504_of_a_short_prompt", .status = 504, .graph = simple_graph(6)},
                      PostCase{.name = "cut_before_the_server", .cut = Cut::kBeforeServer, .accepted = false},
                      PostCase{.name = "cut_half_way_to_the_server", .cut = Cut::kHalfWay, .accepted = false}),
    [](const auto& param) { return param.param.name; });

TEST_P(BrokenPostTest, IsSentOnceAndRunsOnceOrNever) {
  const PostCase& c = GetParam();
  ASSERT_TRUE(lab_->until_connected());
  const auto witness = lab_->order(simple_graph(1));
  ASSERT_TRUE(until_final(witness));
  meddle(c);
  if (!c.fault.empty()) lab_->fault("{" + c.fault + "}");
  const auto execution = lab_->order(c.graph);
  ASSERT_TRUE(until_final(execution)) << why(execution);
  const ExecutionState end = c.accepted ? ExecutionState::kCompleted : ExecutionState::kNotAccepted;
  EXPECT_EQ(lab_->row(execution).state, end) << why(execution);
  EXPECT_EQ(lab_->row(execution).outcome_proof, c.accepted ? "found_by_look" : "absent_strong");
  if (c.accepted) {
    expect_its_own_picture(execution);
  } else {
    EXPECT_TRUE(lab_->outputs(execution).empty());
  }

  ASSERT_TRUE(lab_->until_connected());
  const auto next = lab_->order(simple_graph(9));
  ASSERT_TRUE(until_final(next)) << why(next);
  expect_its_own_picture(next);
  EXPECT_EQ(posts_of(execution), 1) << "it was sent again";
  EXPECT_EQ(lab_->ledger("accepted", execution), c.accepted ? 1 : 0);
  EXPECT_EQ(lab_->ledger("started", execution), c.accepted ? 1 : 0);
  EXPECT_EQ(lab_->ledger("accepted"), c.accepted ? 3 : 2) << "something was sent that nobody ordered";
  EXPECT_EQ(lab_->row(execution).state, end) << "a final state never changes";
}

// Of two whose answers are lost nobody could tell which prompt is whose.
TEST_F(LonePostTest, TheSecondWaitsUntilItIsKnownWhatBecameOfTheFirst) {
  ports::InstanceChange change;
  change.slots = 2;
  lab_->change(change);
  ASSERT_TRUE(lab_->until_connected());
  lab_->fault(R"({"fault":"silent","at":"post_after_queue","count":1})");
  const auto first = lab_->order(slow_graph(3.0, 1));
  ASSERT_TRUE(lab_->until([&] { return lab_->ledger("accepted", first) == 1; }));
  const auto second = lab_->order(slow_graph(0.3, 2));
  ASSERT_TRUE(lab_->until([&] { return lab_->row(first).state != ExecutionState::kSubmitting; }));
  EXPECT_EQ(lab_->row(first).outcome_proof, "found_by_look");
  EXPECT_EQ(lab_->ledger("accepted", second), 0) << "it did not wait";
  ASSERT_TRUE(until_final(first));
  ASSERT_TRUE(until_final(second));
  for (const auto execution : {first, second}) {
    expect_its_own_picture(execution);
    EXPECT_EQ(posts_of(execution), 1);
    EXPECT_EQ(lab_->ledger("started", execution), 1);
  }
}

// The server of now has forgotten everything: what it had accepted nobody knows, and it is not sent again.
TEST_F(LonePostTest, AServerThatDiedAfterItHadAcceptedLeavesItUnclear) {
  ASSERT_TRUE(lab_->until_connected());
  const auto witness = lab_->order(simple_graph(1));
  ASSERT_TRUE(until_final(witness));
  lab_->fault(R"({"fault":"die","at":"post_after_queue","count":1})");
  const auto execution = lab_->order(slow_graph(3.0, 1));
  ASSERT_TRUE(lab_->until([&] { return lab_->sim().gone(); }));
  lab_->sim().start_again({"--generation", "2024-06-30"});
  ASSERT_TRUE(until_final(execution)) << why(execution);
  EXPECT_EQ(lab_->row(execution).state, ExecutionState::kLost) << why(execution);
  ASSERT_TRUE(lab_->row(execution).error);
  EXPECT_EQ(lab_->row(execution).error->code, "submission_unclear");
  ASSERT_TRUE(lab_->until_connected());
  const auto next = lab_->order(simple_graph(9));
  ASSERT_TRUE(until_final(next));
  expect_its_own_picture(next);
  EXPECT_EQ(posts_of(execution), 1);
  EXPECT_EQ(lab_->ledger("accepted", execution), 1);
}

}  // namespace
}  // namespace renderyard::testing
