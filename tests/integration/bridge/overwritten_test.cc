// Files of one name, written by two prompts or by anybody: a job gets what its own prompt left there, or fails and says
// that it was overwritten; never another's bytes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "libs/common/domain/output_files.h"
#include "tests/integration/bridge/bridge_lab.h"
#include "tests/integration/bridge/graphs.h"
#include "tests/integration/bridge/ledger_files.h"
#include "tests/integration/bridge/meddler.h"
#include "tests/integration/bridge/plain_http.h"

namespace renderyard::testing {
namespace {

using ports::ExecutionState;

// Longer than the clocks of files and the whole seconds of their stamps allow to tell apart.
const absl::Duration kLongAfter = domain::kFileClockSlack + absl::Milliseconds(1500);

class OverwrittenTest : public ::testing::TestWithParam<const char*> {
 protected:
  explicit OverwrittenTest(bool straight = false) {
    BridgeLab::Way way;
    way.url = [&, straight](const std::string& server) {
      front_ = std::make_unique<Meddler>(server);
      return straight ? server : front_->url();
    };
    lab_ = std::make_unique<BridgeLab>(std::vector<std::string>{"--generation", GetParam()}, std::move(way));
  }

  bool tells_ends() const { return std::string_view(GetParam()) != "2024-06-30"; }
  void keep_names(int slots = 1) {
    ASSERT_TRUE(lab_->until_connected());
    ports::InstanceChange change;
    change.unique_prefix = false;
    change.slots = slots;
    lab_->change(change);
    ASSERT_TRUE(lab_->until([&] { return lab_->count_in_journal("instance_changed") == 1; }));
  }
  std::string error_of(ports::ExecutionId execution) const {
    const auto& error = lab_->row(execution).error;
    return error ? error->code : "";
  }
  [[nodiscard]] bool until_past(absl::Time time) {
    return lab_->until([&] { return absl::Now() > time; });
  }
  void expect_its_own_picture(ports::ExecutionId execution) {
    ASSERT_EQ(lab_->row(execution).state, ExecutionState::kCompleted) << error_of(execution);
    const auto files = ledger_files(*lab_, execution);
    const auto outputs = lab_->outputs(execution);
    ASSERT_EQ(files.size(), 1u);
    ASSERT_EQ(outputs.size(), 1u);
    EXPECT_EQ(outputs[0].sha256, files[0].sha256);
    EXPECT_EQ(outputs[0].size_bytes, files[0].size_bytes);
    EXPECT_EQ(sha256_hex(lab_->content(outputs[0])), files[0].sha256);
  }
  void expect_overwritten(ports::ExecutionId execution) {
    EXPECT_EQ(lab_->row(execution).state, ExecutionState::kFailed);
    EXPECT_EQ(error_of(execution), "output_overwritten");
    EXPECT_TRUE(lab_->outputs(execution).empty());
  }
  // The file that this execution's prompt wrote, with another's content in it.
  void overwrite(ports::ExecutionId execution, const std::string& bytes) {
    const auto files = ledger_files(*lab_, execution);
    ASSERT_EQ(files.size(), 1u);
    write_output(lab_->sim().url(), files[0].subfolder, files[0].filename, bytes);
  }

  std::unique_ptr<Meddler> front_;
  std::unique_ptr<BridgeLab> lab_;
};

INSTANTIATE_TEST_SUITE_P(Releases, OverwrittenTest, ::testing::Values("2024-06-30", "0.33.0"), [](const auto& param) {
  std::string name = param.param;
  std::replace_if(
      name.begin(), name.end(), [](char c) { return c == '.' || c == '-'; }, '_');
  return name;
});

TEST_P(OverwrittenTest, JobsOfOnePrefixGetEachItsOwnPicture) {
  for (const bool unique : {true, false}) {
    SCOPED_TRACE(unique);
    if (!unique) keep_names();
    ASSERT_TRUE(lab_->until_connected());
    std::vector<ports::ExecutionId> executions;
    for (int color = 1; color <= 3; ++color) {
      executions.push_back(lab_->order(simple_graph(color)));
      ASSERT_TRUE(lab_->until_final(executions.back()));
    }
    std::vector<std::string> contents;
    for (const auto execution : executions) {
      expect_its_own_picture(execution);
      contents.push_back(lab_->outputs(execution).at(0).sha256);
    }
    std::sort(contents.begin(), contents.end());
    EXPECT_EQ(std::unique(contents.begin(), contents.end()), contents.end()) << "the pictures do not differ";
  }
}

// The front hands on whole answers only: here the bridge is to get the first bytes of one.
class StraightOverwrittenTest : public OverwrittenTest {
 protected:
  StraightOverwrittenTest() : OverwrittenTest(true) {}
};

INSTANTIATE_TEST_SUITE_P(Releases, StraightOverwrittenTest, ::testing::Values("2024-06-30", "0.33.0"),
                         [](const auto& param) { return std::string(param.param) == "0.33.0" ? "Newest" : "Oldest"; });

TEST_P(StraightOverwrittenTest, AFileThatIsWrittenAgainWhileItIsCopiedFailsTheJob) {
  keep_names();
  lab_->fault(R"({"fault":"slow_download","bytes_per_s":60,"count":1})");
  const auto execution = lab_->order(simple_graph(1));
  ASSERT_TRUE(lab_->until([&] { return lab_->ledger("fault") == 1; })) << "nobody copies";
  overwrite(execution, "somebody else's bytes");
  ASSERT_TRUE(lab_->until_final(execution));
  expect_overwritten(execution);
  const auto next = lab_->order(simple_graph(2));
  ASSERT_TRUE(lab_->until_final(next));
  expect_its_own_picture(next);
}

// The first attempt broke off: what it was begun with is no more what there is.
TEST_P(StraightOverwrittenTest, AFileThatIsWrittenAgainBetweenTwoAttemptsFailsTheJob) {
  keep_names();
  lab_->fault(R"({"fault":"truncate","count":1})");
  const auto execution = lab_->order(simple_graph(1));
  ASSERT_TRUE(lab_->until([&] { return lab_->count_in_journal("collecting_waits") == 1; }));
  overwrite(execution, "somebody else's bytes");
  ASSERT_TRUE(lab_->until_final(execution));
  expect_overwritten(execution);
}

// In a folder of its own nobody writes over a file by mistake: what was asked for is what is looked at.
TEST_P(OverwrittenTest, AFileThatWasWrittenAgainLongAfterItsPromptsEndFailsTheJob) {
  ASSERT_TRUE(lab_->until_connected());
  const auto execution = lab_->order(slow_graph(0.5, 1));
  ASSERT_TRUE(lab_->until_state(execution, ExecutionState::kRunning));
  lab_->kill_bridge();
  ASSERT_TRUE(lab_->until([&] { return lab_->ledger("ended", execution) == 1; }));
  ASSERT_TRUE(until_past(absl::Now() + kLongAfter));
  overwrite(execution, "somebody else's bytes");
  lab_->start_bridge();
  ASSERT_TRUE(lab_->until_final(execution));
  if (tells_ends()) {
    expect_overwritten(execution);
  } else {
    // The oldest release tells no times: nobody can know.
    EXPECT_EQ(lab_->row(execution).state, ExecutionState::kCompleted);
  }
}

// A node that writes where it likes may write over the file of the last one: it waits until that is copied, whoever
// copies it. A prompt that cannot goes past it.
TEST_P(OverwrittenTest, APromptThatMayWriteOverAnothersFileIsSentWhenThatIsCopied) {
  ASSERT_TRUE(lab_->until_connected());
  ports::InstanceChange change;
  change.slots = 3;
  lab_->change(change);
  ASSERT_TRUE(lab_->until([&] { return lab_->count_in_journal("instance_changed") == 1; }));
  for (const bool restarted : {false, true}) {
    SCOPED_TRACE(restarted);
    front_->hold("/view");
    const int held = front_->held();
    const auto first = lab_->order(common_name_graph(1));
    ASSERT_TRUE(lab_->until([&] { return front_->held() == held + 1; }));
    const auto second = lab_->order(common_name_graph(2));
    if (restarted) {
      lab_->kill_bridge();
      lab_->start_bridge();
      ASSERT_TRUE(lab_->until([&] { return front_->held() == held + 2; })) << "the first is not copied again";
    }
    const int before = front_->held();
    const auto third = lab_->order(simple_graph(3));
    ASSERT_TRUE(lab_->until([&] { return front_->held() == before + 1; })) << "the third waits too";
    EXPECT_EQ(lab_->ledger("accepted", second), 0);
    EXPECT_EQ(lab_->row(second).state, ExecutionState::kAssigned);
    front_->release();
    for (const auto execution : {first, second, third}) {
      ASSERT_TRUE(lab_->until_final(execution));
      expect_its_own_picture(execution);
    }
    EXPECT_GE(lab_->row(second).submitted_at, lab_->row(first).completed_at);
  }
}

// So may one that stands in the middle of a graph, which the server says of its class: also the first that is ever
// seen.
TEST_P(OverwrittenTest, AWriterInTheMiddleOfAGraphIsSentWhenTheOneBeforeIsCopied) {
  if (std::string_view(GetParam()) == "2024-06-30") GTEST_SKIP() << "nothing can be taken from an output node there";
  ASSERT_TRUE(lab_->until_connected());
  ports::InstanceChange change;
  change.slots = 3;
  lab_->change(change);
  ASSERT_TRUE(lab_->until([&] { return lab_->count_in_journal("instance_changed") == 1; }));
  front_->hold("/view");
  const auto first = lab_->order(common_name_inside_graph(1));
  ASSERT_TRUE(lab_->until([&] { return front_->held() > 0; }));
  const auto second = lab_->order(common_name_inside_graph(2));
  const auto third = lab_->order(simple_graph(3));
  ASSERT_TRUE(lab_->until([&] { return lab_->ledger("accepted", third) == 1; })) << "the third waits too";
  EXPECT_EQ(lab_->ledger("accepted", second), 0);
  EXPECT_EQ(lab_->row(second).state, ExecutionState::kAssigned);
  front_->release();
  for (const auto execution : {first, second, third}) ASSERT_TRUE(lab_->until_final(execution));
  for (const auto execution : {first, second}) {
    ASSERT_EQ(lab_->row(execution).state, ExecutionState::kCompleted) << error_of(execution);
    const auto files = ledger_files(*lab_, execution);
    const auto saved = std::find_if(files.begin(), files.end(), [](const auto& file) { return file.type == "output"; });
    ASSERT_NE(saved, files.end());
    const auto outputs = lab_->outputs(execution);
    EXPECT_TRUE(std::any_of(outputs.begin(), outputs.end(),
                            [&](const auto& output) { return output.sha256 == saved->sha256; }));
  }
  EXPECT_GE(lab_->row(second).submitted_at, lab_->row(first).completed_at);
}

// Any node may write what it likes until the server has said which do; from then on nobody waits for no reason.
TEST_P(OverwrittenTest, UntilItIsKnownWhatItsNodesDoAServerHasOnePromptAtATime) {
  ASSERT_TRUE(lab_->until_connected());
  ports::InstanceChange change;
  change.slots = 3;
  lab_->change(change);
  ASSERT_TRUE(lab_->until([&] { return lab_->count_in_journal("instance_changed") == 1; }));
  lab_->kill_bridge();
  front_->hold("/object_info");
  lab_->start_bridge();
  ASSERT_TRUE(lab_->until([&] { return front_->held() == 1; }));
  const auto first = lab_->order(slow_graph(6, 1));
  ASSERT_TRUE(lab_->until_state(first, ExecutionState::kRunning));
  const auto second = lab_->order(simple_graph(2));
  ASSERT_TRUE(until_past(absl::Now() + absl::Seconds(1)));
  EXPECT_EQ(lab_->ledger("accepted", second), 0);
  front_->release();
  ASSERT_TRUE(lab_->until([&] { return lab_->ledger("accepted", second) == 1; }));
  EXPECT_EQ(lab_->ledger("ended", first), 0) << "it waited for its end";
  for (const auto execution : {first, second}) {
    ASSERT_TRUE(lab_->until_final(execution));
    expect_its_own_picture(execution);
  }
}

// However many wait: they are sent one after the other, as they came. Whose job is cancelled meanwhile is not sent, and
// keeps the turn from nobody.
TEST_P(OverwrittenTest, OfManyThatMayWriteOverEachOthersFilesEachIsSentInItsTurn) {
  ASSERT_TRUE(lab_->until_connected());
  ports::InstanceChange change;
  change.slots = 7;
  lab_->change(change);
  ASSERT_TRUE(lab_->until([&] { return lab_->count_in_journal("instance_changed") == 1; }));
  front_->hold("/view");
  std::vector<ports::ExecutionId> executions = {lab_->order(common_name_graph(1))};
  ASSERT_TRUE(lab_->until([&] { return front_->held() == 1; }));
  for (int color = 2; color <= 6; ++color) executions.push_back(lab_->order(common_name_graph(color)));
  // It needs no turn and came last: when it has been at the server, the others are in line.
  const auto passing = lab_->order(simple_graph(7));
  ASSERT_TRUE(lab_->until([&] { return front_->held() == 2; }));
  const std::vector<ports::ExecutionId> cancelled = {executions[1], executions[3]};
  for (const auto execution : cancelled) lab_->wish_cancel(execution);
  executions = {executions[0], executions[2], executions[4], executions[5]};
  front_->release();
  for (const auto execution : executions) {
    ASSERT_TRUE(lab_->until_final(execution));
    expect_its_own_picture(execution);
  }
  for (std::size_t n = 1; n < executions.size(); ++n) {
    EXPECT_GE(lab_->row(executions[n]).submitted_at, lab_->row(executions[n - 1]).completed_at) << n;
  }
  ASSERT_TRUE(lab_->until_final(passing));
  for (const auto execution : cancelled) {
    EXPECT_EQ(lab_->row(execution).state, ExecutionState::kAssigned) << "the dispatcher takes it back";
    EXPECT_EQ(lab_->ledger("accepted", execution), 0);
  }
}

// There is no next prompt before the file was copied, unless it lies where nobody else writes; with names that are
// common to all, however many slots there are.
TEST_P(OverwrittenTest, TheSlotOfAFileThatMayBeWrittenOverIsFreeOnlyWhenItWasCopied) {
  for (const bool unique : {true, false}) {
    SCOPED_TRACE(unique);
    if (!unique) keep_names(2);
    ASSERT_TRUE(lab_->until_connected());
    front_->hold("/view");
    const int held = front_->held();
    const auto execution = lab_->order(simple_graph(5));
    ASSERT_TRUE(lab_->until([&] { return front_->held() > held; }));
    // The row says so when copying takes long: by then it is shown, or it never will be.
    if (unique) {
      ASSERT_TRUE(lab_->until_state(execution, ExecutionState::kCollecting));
      EXPECT_EQ(lab_->free_slots(), 1u);
    } else {
      ASSERT_TRUE(lab_->until([&] { return lab_->row(execution).heard_end.has_value(); }));
      ASSERT_TRUE(until_past(absl::Now() + absl::Milliseconds(500)));
      EXPECT_NE(lab_->row(execution).state, ExecutionState::kCollecting);
      EXPECT_EQ(lab_->free_slots(), 0u);
    }
    front_->release();
    ASSERT_TRUE(lab_->until_final(execution));
    expect_its_own_picture(execution);
    EXPECT_EQ(lab_->free_slots(), 1u);
  }
}

}  // namespace
}  // namespace renderyard::testing
