// Every kind of fault that comfysim knows, met by a job on its way: its end is the one that the fault allows, and names
// it; nothing is sent or run twice; and afterwards the instance does the next job as if nothing had been.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <ostream>
#include <stdexcept>
#include <string>
#include <vector>

#include "libs/common/domain/comfy_message.h"
#include "tests/integration/bridge/bridge_lab.h"
#include "tests/integration/bridge/graphs.h"

namespace renderyard::testing {
namespace {

using ports::ExecutionState;

struct FaultCase {
  std::string name;
  std::string fault;  // the fields of the request beside {}
  // When it is asked for: before the job is ordered, or once the server runs it.
  enum class When { kBefore, kRunning } when = When::kBefore;
  ExecutionState end = ExecutionState::kCompleted;
  std::string code = {};   // of the error
  std::string proof = {};  // of the submission, where the fault decides it
  // What is done to the server afterwards, for it to go on at all.
  enum class Then { kNothing, kRestart, kForget } then = Then::kNothing;
  // Of the prompt, by the ledger; absent: the fault may be faster than the server's worker or slower.
  std::optional<int> starts = 1;

  friend std::ostream& operator<<(std::ostream& os, const FaultCase& c) { return os << c.name; }
};

using When = FaultCase::When;
using Then = FaultCase::Then;

// A second for what takes a minute in service, so that what is never answered is given up in time.
void hurry(bridge::Config& config) {
  config.post_deadline = absl::Seconds(3);
  config.request_deadline = absl::Seconds(2);
  config.ping_every = absl::Seconds(1);
  config.ping_deadline = absl::Seconds(1);
  config.close_deadline = absl::Seconds(1);
  config.status_after_post = absl::Seconds(1);
  config.unclear_look_every = absl::Seconds(1);
  config.refusal_hold = absl::Seconds(1);
  config.truncated_patience = absl::Seconds(2);
  config.unclear_limit = absl::Seconds(16);  // strong evidence of absence takes ten
}

FaultCase ends(FaultCase c, ExecutionState end, std::string code) {
  c.end = end;
  c.code = std::move(code);
  return c;
}

FaultCase never_accepted(FaultCase c, std::string proof) {
  c.end = ExecutionState::kNotAccepted;
  c.proof = std::move(proof);
  c.starts = 0;
  return c;
}

FaultCase unclear(FaultCase c, std::optional<int> starts) {
  c = ends(std::move(c), ExecutionState::kLost, "submission_unclear");
  c.proof = "unclear";
  c.then = Then::kRestart;
  c.starts = starts;
  return c;
}

FaultCase lost(FaultCase c, Then then = Then::kNothing) {
  c = ends(std::move(c), ExecutionState::kLost, "execution_lost");
  c.then = then;
  return c;
}

std::vector<FaultCase> cases() {
  return {
      never_accepted({"refuse", R"("fault":"refuse","count":1)"}, "absent_strong"),
      never_accepted({"refuse_hang_up", R"("fault":"refuse","status":0,"count":1)"}, "absent_strong"),
      never_accepted({"refuse_404", R"("fault":"refuse","status":404,"count":1)"}, "answered_404"),
      {"read_late", R"("fault":"read_late","delay_ms":2000,"count":1)"},
      // Read after the POST was given up, within the ten seconds that absence takes to be strong.
      {"read_later_than_the_post", R"("fault":"read_late","delay_ms":8000,"count":1)"},
      never_accepted({"silent_before_queue", R"("fault":"silent","at":"post_before_queue","count":1)"},
                     "absent_strong"),
      {"silent_after_queue", R"("fault":"silent","at":"post_after_queue","count":1)"},
      {"silent_history", R"("fault":"silent","at":"answer","path":"/history","count":1)"},
      {"silent_download", R"("fault":"silent","at":"answer","path":"/view","count":1)"},
      {"error_after_queue", R"("fault":"error","at":"post_after_queue","status":502,"count":1)"},
      {"error_history", R"("fault":"error","at":"answer","path":"/history","count":2)"},
      {"error_download", R"("fault":"error","at":"answer","path":"/view","count":2)"},
      {"answer_late_post", R"("fault":"answer_late","path":"/prompt","delay_ms":1500,"count":1)"},
      {"answer_late_download", R"("fault":"answer_late","path":"/view","delay_ms":1500,"count":1)"},
      {"slow_download", R"("fault":"slow_download","bytes_per_s":200)"},
      {"truncate_once", R"("fault":"truncate","count":1)"},
      ends({"truncate_always", R"("fault":"truncate","bytes":20)"}, ExecutionState::kFailed, "output_missing"),
      {"drop_now", R"("fault":"drop")", When::kRunning},
      {"drop_mid_run", R"("fault":"drop","at":"mid_run","count":1)"},
      {"deaf_now", R"("fault":"deaf")", When::kRunning},
      {"deaf_after_queue", R"("fault":"deaf","at":"post_after_queue","count":1)"},
      {"deaf_mid_run", R"("fault":"deaf","at":"mid_run","count":1)"},
      {"half_open_now", R"("fault":"half_open","for_ms":4000)", When::kRunning},
      {"half_open_after_queue", R"("fault":"half_open","at":"post_after_queue","count":1)"},
      {"half_open_mid_run", R"("fault":"half_open","at":"mid_run","count":1)"},
      {"closed_while_running", R"("fault":"closed","for_ms":1500)", When::kRunning},
      never_accepted({"closed_at_the_post", R"("fault":"closed","for_ms":1500)"}, "connect_failed"),
      lost({"forget_now", R"("fault":"forget")", When::kRunning}),
      lost({"forget_mid_run", R"("fault":"forget","at":"mid_run","count":1)"}),
      [] {
        FaultCase c = lost({"forget_after_queue", R"("fault":"forget","at":"post_after_queue","count":1)"});
        c.starts.reset();
        return c;
      }(),
      {"clear_history_before", R"("fault":"clear_history")"},
      {"clear_history_at_the_end", R"("fault":"clear_history","at":"end","count":1)"},
      {"history_late", R"("fault":"history_late","delay_ms":1500,"count":1)"},
      {"history_empty", R"("fault":"history_empty","count":2)"},
      lost({"die_now", R"("fault":"die")", When::kRunning}, Then::kRestart),
      lost({"die_mid_run", R"("fault":"die","at":"mid_run","count":1)"}, Then::kRestart),
      unclear({"die_before_queue", R"("fault":"die","at":"post_before_queue","count":1)"}, 0),
      unclear({"die_after_queue", R"("fault":"die","at":"post_after_queue","count":1)"}, std::nullopt),
      lost({"worker_death", R"("fault":"worker_death","at":"mid_run","count":1)"}, Then::kForget),
      // At once, and before the prompt's last message: the file's name is ours alone, and its time lies within the
      // slack that clocks of files need. Nobody can tell it from what the prompt wrote.
      {"overwrite", R"("fault":"overwrite","count":1)"},
      ends({"disk_full", R"("fault":"disk_full","count":1)"}, ExecutionState::kFailed, "instance_fault"),
  };
}

class FaultTest : public ::testing::TestWithParam<FaultCase> {
 protected:
  std::string why(ports::ExecutionId execution) const {
    const auto& row = lab_.row(execution);
    return std::string(domain::to_string(row.state)) + ", " + row.outcome_proof.value_or("no proof") + ", " +
           (row.error ? row.error->code + ": " + row.error->message : "no error");
  }
  bool until_final(ports::ExecutionId execution) {
    return lab_.until([&] { return domain::is_final(lab_.row(execution).state); }, absl::Seconds(40));
  }
  // Its door may be closed still.
  bool until_it_answers() {
    return lab_.until([&] {
      try {
        return !lab_.http("/_sim/ledger").empty();
      } catch (const std::runtime_error&) {
        return false;
      }
    });
  }
  bool struck(ports::ExecutionId execution) {
    return lab_.until([&] { return lab_.ledger("fault", execution) > 0; });
  }

  BridgeLab lab_{{}, BridgeLab::Way{.settings = hurry}};
};

INSTANTIATE_TEST_SUITE_P(Kinds, FaultTest, ::testing::ValuesIn(cases()),
                         [](const auto& param) { return param.param.name; });

TEST_P(FaultTest, TheJobsEndNamesTheFaultAndNothingHappensTwice) {
  const FaultCase& c = GetParam();
  ASSERT_TRUE(lab_.until_connected());
  const std::string request = "{" + c.fault + "}";
  if (c.when == When::kBefore) lab_.fault(request);
  const auto execution = lab_.order(slow_graph(1.0, 1));
  if (c.when == When::kRunning) {
    ASSERT_TRUE(lab_.until_state(execution, ExecutionState::kRunning)) << why(execution);
    // The process may be gone before it answers.
    try {
      lab_.fault(request);
    } catch (const std::runtime_error&) {
      ASSERT_EQ(c.then, Then::kRestart);
    }
  }
  if (c.then == Then::kRestart) {
    ASSERT_TRUE(lab_.until([&] { return lab_.sim().gone(); }));
    lab_.sim().start_again({});
  }
  if (c.then == Then::kForget) {
    ASSERT_TRUE(struck(execution));
    lab_.fault(R"({"fault":"forget"})");
  }
  ASSERT_TRUE(until_final(execution)) << why(execution);
  const ports::ExecutionRow& row = lab_.row(execution);
  EXPECT_EQ(row.state, c.end) << why(execution);
  EXPECT_EQ(row.error ? row.error->code : "", c.code) << why(execution);
  if (!c.proof.empty()) EXPECT_EQ(row.outcome_proof, c.proof);
  ASSERT_TRUE(until_it_answers());
  const int starts = lab_.ledger("started", execution);
  EXPECT_LE(starts, 1);
  if (c.starts) EXPECT_EQ(starts, *c.starts);
  if (c.end == ExecutionState::kCompleted) {
    ASSERT_EQ(lab_.outputs(execution).size(), 1u);
    EXPECT_TRUE(lab_.content(lab_.outputs(execution)[0]).starts_with("\x89PNG"));
    EXPECT_EQ(row.progress_percent, 100);
  } else {
    EXPECT_TRUE(lab_.outputs(execution).empty());
  }

  // Nothing is left over: no slot, no prompt, no sulking connection.
  lab_.fault(R"({"fault":"clear"})");
  ASSERT_TRUE(lab_.until([&] {
    const auto status = lab_.instance().status;
    return status == ports::InstanceStatus::kConnected || status == ports::InstanceStatus::kPolling;
  }));
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
