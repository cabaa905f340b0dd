// What the bridge shows to a server to come in is told to nobody else, whatever the server answers: not in the journal,
// the metrics, a row, an answer of the API or an event; not when the server says it back either.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "tests/integration/bridge/bridge_lab.h"
#include "tests/integration/bridge/graphs.h"
#include "tests/integration/bridge/meddler.h"
#include "tests/integration/bridge/told.h"
#include "tests/integration/comfy/raw_server.h"

namespace renderyard::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

const char* const kSecrets[] = {"bearer-s3cret-0815", "header-s3cret-4711", "YW5uYTpodXNoLXB1cHB5"};

std::vector<ports::SecretHeader> access() {
  return {{"Authorization", std::string("Bearer ") + kSecrets[0]},
          {"X-Key", kSecrets[1]},
          {"Proxy-Authorization", std::string("Basic ") + kSecrets[2]}};
}

void hurry(bridge::Config& config) {
  config.request_deadline = absl::Seconds(2);
  config.unclear_look_every = absl::Milliseconds(300);
  config.unclear_limit = absl::Seconds(2);
  config.capabilities_gap = absl::Milliseconds(200);
}

// Everything the request said, as the words of an answer.
std::string echo(const Meddler::Request& request) {
  std::string text;
  for (const auto& [name, value] : request.headers) text += name + ": " + value + " ";
  return text;
}

struct EchoCase {
  std::string name;
  std::vector<std::string> targets;  // whose answers say back what was shown
  int status = 0;
  enum class Form { kText, kComfy, kJson } form = Form::kText;
  int times = 1'000'000;  // of each target together
  bool connects = true;   // so that a job can be ordered; else the instance's state says why not

  friend std::ostream& operator<<(std::ostream& os, const EchoCase& c) { return os << c.name; }
};

using Form = EchoCase::Form;

Meddler::Answer answer_of(const EchoCase& c, const Meddler::Request& request) {
  Meddler::Answer answer;
  answer.status = c.status;
  answer.reason = echo(request);
  answer.more = {{"Location", "/elsewhere?" + echo(request)}, {"WWW-Authenticate", "Bearer " + echo(request)}};
  answer.body = "You said: " + echo(request);
  answer.type = "text/plain";
  if (c.form == Form::kJson) answer.body = R"({"you":")" + echo(request) + "\"}";
  if (c.form == Form::kComfy) {
    answer.body = R"({"error":{"type":"invalid_prompt","message":"no such node","details":"","extra_info":{"you":")" +
                  echo(request) + R"("}},"node_errors":{}})";
  }
  return answer;
}

class SecretsTest : public ::testing::Test {
 protected:
  void start(Meddler::Instead hook) {
    BridgeLab::Way way;
    way.url = [&](const std::string& server) {
      front_ = std::make_unique<Meddler>(server);
      front_->answer_instead(std::move(hook));
      return front_->url();
    };
    way.headers = access();
    way.settings = hurry;
    lab_ = std::make_unique<BridgeLab>(std::vector<std::string>(), std::move(way));
    lab_->watch(true, events_);
  }
  void expect_that_nothing_is_told() {
    const std::string all = told(*lab_, events_);
    for (const char* secret : kSecrets) EXPECT_THAT(all, Not(HasSubstr(secret)));
    EXPECT_THAT(all, Not(HasSubstr("hush-puppy")));
  }

  std::vector<ports::BridgeEvent> events_;
  std::unique_ptr<Meddler> front_;
  std::unique_ptr<BridgeLab> lab_;
};

class SecretsSaidBackTest : public SecretsTest, public ::testing::WithParamInterface<EchoCase> {};

INSTANTIATE_TEST_SUITE_P(
    Echoes, SecretsSaidBackTest,
    ::testing::Values(
        EchoCase{.name = "stats_401", .targets = {"/system_stats"}, .status = 401, .connects = false},
        EchoCase{.name = "stats_403", .targets = {"/system_stats"}, .status = 403, .connects = false},
        EchoCase{.name = "stats_500", .targets = {"/system_stats"}, .status = 500, .connects = false},
        EchoCase{
            .name = "stats_200", .targets = {"/system_stats"}, .status = 200, .form = Form::kJson, .connects = false},
        EchoCase{.name = "features_500", .targets = {"/features"}, .status = 500, .connects = false},
        EchoCase{.name = "socket_401", .targets = {"/ws"}, .status = 401, .connects = false},
        EchoCase{.name = "socket_302", .targets = {"/ws"}, .status = 302, .connects = false},
        EchoCase{.name = "socket_500", .targets = {"/ws"}, .status = 500, .connects = false},
        EchoCase{.name = "post_401", .targets = {"/prompt"}, .status = 401},
        EchoCase{.name = "post_403", .targets = {"/prompt"}, .status = 403},
        EchoCase{.name = "post_307", .targets = {"/prompt"}, .status = 307},
        EchoCase{.name = "post_400", .targets = {"/prompt"}, .status = 400},
        EchoCase{.name = "post_400_of_comfyui", .targets = {"/prompt"}, .status = 400, .form = Form::kComfy},
        EchoCase{.name = "post_413", .targets = {"/prompt"}, .status = 413},
        EchoCase{.name = "post_and_queue_500", .targets = {"/prompt", "/queue"}, .status = 500},
        EchoCase{.name = "history_401", .targets = {"/history"}, .status = 401, .times = 3},
        EchoCase{.name = "history_500", .targets = {"/history"}, .status = 500, .times = 3},
        EchoCase{.name = "view_500", .targets = {"/view"}, .status = 500, .times = 2},
        EchoCase{.name = "view_404", .targets = {"/view"}, .status = 404},
        EchoCase{.name = "object_info_500", .targets = {"/object_info"}, .status = 500}),
    [](const auto& param) { return param.param.name; });

TEST_P(SecretsSaidBackTest, AreNotTold) {
  const EchoCase& c = GetParam();
  auto echoed = std::make_shared<std::atomic<int>>(0);
  start([&c, echoed](const Meddler::Request& request) -> std::optional<Meddler::Answer> {
    for (const std::string& target : c.targets) {
      if (request.target.starts_with(target) && ++*echoed <= c.times) return answer_of(c, request);
    }
    return std::nullopt;
  });
  if (c.connects) {
    ASSERT_TRUE(lab_->until_connected());
    const auto execution = lab_->order(simple_graph(1));
    ASSERT_TRUE(lab_->until_final(execution));
  } else {
    ASSERT_TRUE(lab_->until([&] { return !lab_->instance().status_reason.value_or("").empty(); }));
  }
  ASSERT_TRUE(lab_->until([&] { return *echoed > 0; })) << "nothing was said back";
  for (const Meddler::Request& request : front_->seen()) {
    ASSERT_TRUE(request.headers.contains("x-key")) << request.target << ": it was not shown";
  }
  expect_that_nothing_is_told();
}

// All at once, and the job is done in the end.
TEST_F(SecretsTest, AreNotToldOnTheWholeWayOfAJobThroughAServerThatSaysThemBack) {
  std::map<std::string, int> asked;
  start([&asked](const Meddler::Request& request) -> std::optional<Meddler::Answer> {
    const std::string path = request.target.substr(0, request.target.find_first_of("?/", 1));
    if (path == "/prompt" || ++asked[path] > 1) return std::nullopt;
    return answer_of({.name = "", .targets = {}, .status = 500}, request);
  });
  front_->edit([](const Meddler::Request& request, Meddler::Answer& answer) {
    if (request.target != "/prompt") return;
    answer = answer_of({.name = "", .targets = {}, .status = 502}, request);
  });
  ASSERT_TRUE(lab_->until_connected());
  const auto execution = lab_->order(slow_graph(0.5, 1));
  ASSERT_TRUE(lab_->until_final(execution));
  EXPECT_EQ(lab_->row(execution).state, ports::ExecutionState::kCompleted);
  EXPECT_THAT(lab_->row(execution).outcome_proof.value_or(""), ::testing::AnyOf("found_by_look", "heard_on_socket"));
  EXPECT_EQ(lab_->outputs(execution).size(), 1u);
  EXPECT_EQ(lab_->ledger("post"), 1);
  expect_that_nothing_is_told();
}

TEST(SecretsAtWrongAddressesTest, AreNotToldWithWhatIsWrong) {
  RawServer plain([](RawConnection& connection) { connection.read_to_end(); });
  for (const std::string& url :
       {std::string("http://no-such-host.invalid:8188"), "http://127.0.0.1:" + std::to_string(closed_port()),
        plain.url("https"), plain.url("http") + "/base"}) {
    SCOPED_TRACE(url);
    BridgeLab::Way way;
    way.url = [&](const std::string&) { return url; };
    way.headers = access();
    way.settings = [](bridge::Config& config) {
      hurry(config);
      config.connect_deadline = absl::Seconds(1);
    };
    std::vector<ports::BridgeEvent> events;
    BridgeLab lab({}, std::move(way));
    lab.watch(false, events);
    ASSERT_TRUE(lab.until([&] { return !lab.instance().status_reason.value_or("").empty(); }));
    EXPECT_EQ(lab.instance().status, ports::InstanceStatus::kReconnecting);
    const std::string all = told(lab, events);
    EXPECT_THAT(all, HasSubstr(*lab.instance().status_reason));
    for (const char* secret : kSecrets) EXPECT_THAT(all, Not(HasSubstr(secret)));
  }
}

}  // namespace
}  // namespace renderyard::testing
