#include "libs/common/runtime/service.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/streambuf.hpp>
#include <boost/asio/write.hpp>
#include <boost/json/parse.hpp>
#include <csignal>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <string>
#include <thread>
#include <vector>

#include "libs/common/base/event.h"
#include "libs/common/base/status_macros.h"

namespace renderyard::runtime {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// A part that notes what happens to it, and ends when it is told.
class Worker {
 public:
  Worker(Service& service, std::string name, std::vector<std::string>& trace)
      : name_(std::move(name)), trace_(trace), end_(service.strand(), service.clock()) {}

  Part part() {
    return {.name = name_,
            .prepare = [this] { return prepare(); },
            .start = [this] { return note("start"), fail_start; },
            .run = [this] { return run(); },
            .stop_accepting = [this] { note("stop_accepting"); },
            .stop =
                [this] {
                  note("stop");
                  if (!ignore_stop) end_.notify();
                },
            .drain = [this] { return drain(); },
            .close = [this] { note("close"); }};
  }

  absl::Status fail_start;
  bool ignore_stop = false;
  std::function<void()> on_run;

 private:
  void note(const std::string& what) { trace_.push_back(name_ + " " + what); }
  base::Task<absl::Status> prepare() {
    note("prepare");
    co_return absl::OkStatus();
  }
  base::Task<absl::Status> run() {
    note("run");
    if (on_run) on_run();
    absl::Status status = co_await end_.wait_until(absl::InfiniteFuture());
    note("ended");
    co_return status;
  }
  base::Task<absl::Status> drain() {
    note("drained");
    co_return absl::OkStatus();
  }

  std::string name_;
  std::vector<std::string>& trace_;
  base::Event end_;
};

CommonOptions quiet() {
  CommonOptions options;
  options.log_level = "error";
  options.admin_listen = "";
  return options;
}

TEST(ServiceTest, SignalStopsThePartsInOrder) {
  std::vector<std::string> trace;
  Service service("test", quiet());
  Worker store(service, "store", trace);
  Worker logic(service, "logic", trace);
  logic.on_run = [] { kill(getpid(), SIGTERM); };
  service.add(store.part());
  service.add(logic.part());
  EXPECT_EQ(service.run(), 0);
  EXPECT_THAT(trace,
              ElementsAre("store prepare", "store start", "logic prepare", "logic start", "store run", "logic run",
                          "logic stop_accepting", "store stop_accepting", "logic stop", "store stop", ::testing::_,
                          ::testing::_, ::testing::_, ::testing::_, "logic close", "store close"));
  EXPECT_FALSE(service.health().ready());
}

TEST(ServiceTest, FailedStartStopsOnlyWhatWasStarted) {
  std::vector<std::string> trace;
  ::testing::internal::CaptureStderr();
  {
    Service service("test", quiet());
    Worker store(service, "store", trace);
    Worker logic(service, "logic", trace);
    logic.fail_start = absl::UnavailableError("port in use");
    service.add(store.part());
    service.add(logic.part());
    EXPECT_EQ(service.run(), 1);
  }
  EXPECT_THAT(::testing::internal::GetCapturedStderr(), HasSubstr("logic: port in use"));
  EXPECT_THAT(trace, ElementsAre("store prepare", "store start", "logic prepare", "logic start", "store stop_accepting",
                                 "store stop", "store drained", "store close"));
}

class Quitter {
 public:
  base::Task<absl::Status> run() { co_return absl::OkStatus(); }
};

TEST(ServiceTest, APartThatEndsByItselfIsAFailure) {
  ::testing::internal::CaptureStderr();
  Service service("test", quiet());
  Quitter quitter;
  service.add({.name = "quitter", .run = [&quitter] { return quitter.run(); }});
  EXPECT_EQ(service.run(), 1);
  EXPECT_THAT(::testing::internal::GetCapturedStderr(), HasSubstr("quitter ended"));
}

class Sleeper {
 public:
  explicit Sleeper(Service& service) : service_(service) {}
  base::Task<absl::Status> forever() { co_return co_await service_.clock().sleep_until(absl::InfiniteFuture()); }

 private:
  Service& service_;
};

TEST(ServiceTest, SignalDuringAPreparationThatHangs) {
  Service service("test", quiet());
  Sleeper sleeper(service);
  service.add({.name = "database", .prepare = [&sleeper] {
                 kill(getpid(), SIGTERM);
                 return sleeper.forever();
               }});
  EXPECT_EQ(service.run(), 0);
}

TEST(ServiceTest, TasksThatIgnoreStopAreCancelled) {
  CommonOptions options = quiet();
  options.shutdown_timeout = absl::Seconds(1);
  std::vector<std::string> trace;
  Service service("test", options);
  Worker stubborn(service, "stubborn", trace);
  stubborn.ignore_stop = true;
  stubborn.on_run = [&service] { service.stop(); };
  service.add(stubborn.part());
  EXPECT_EQ(service.run(), 0);
  EXPECT_THAT(trace, ::testing::Contains("stubborn ended"));
}

TEST(ServiceDeathTest, WatchdogEndsAStuckLogicThread) {
  ::testing::FLAGS_gtest_death_test_style = "threadsafe";
  EXPECT_EXIT(
      {
        CommonOptions options = quiet();
        options.shutdown_timeout = absl::Seconds(1);
        Service service("test", options);
        service.add({.name = "stuck", .start = [] {
                       kill(getpid(), SIGTERM);
                       for (;;) pause();
                       return absl::OkStatus();
                     }});
        _exit(service.run() + 40);
      },
      ::testing::ExitedWithCode(1), "stop_timed_out");
}

TEST(ServiceDeathTest, SecondSignalEndsAtOnce) {
  ::testing::FLAGS_gtest_death_test_style = "threadsafe";
  EXPECT_EXIT(
      {
        Service service("test", quiet());
        service.add({.name = "stuck", .start = [] {
                       kill(getpid(), SIGTERM);
                       for (;;) {  // standard signals do not queue: until the first was taken, the second is lost
                         kill(getpid(), SIGINT);
                         sched_yield();
                       }
                       return absl::OkStatus();
                     }});
        _exit(service.run() + 40);
      },
      ::testing::ExitedWithCode(1), "second_signal");
}

std::string get(const std::string& address, const std::string& target) {
  namespace asio = boost::asio;
  const auto colon = address.rfind(':');
  asio::io_context io;
  asio::ip::tcp::socket socket(io);
  socket.connect({asio::ip::make_address(address.substr(0, colon)),
                  static_cast<unsigned short>(std::stoi(address.substr(colon + 1)))});
  asio::write(socket, asio::buffer("GET " + target + " HTTP/1.1\r\nHost: x\r\n\r\n"));
  std::string answer;
  boost::system::error_code end;
  asio::read(socket, asio::dynamic_buffer(answer), end);
  return answer;
}

TEST(AdminHttpTest, AnswersAndPortFile) {
  CommonOptions options = quiet();
  options.admin_listen = "127.0.0.1:0";
  options.port_file = ::testing::TempDir() + "renderyard_port_file.json";
  std::vector<std::string> trace;
  Service service("test", options);
  Worker logic(service, "logic", trace);
  std::string live, unready, ready, metrics, missing;
  std::thread client;
  service.health().set("database", Condition::kNotReady, "no \"answer\"");
  service.add(logic.part());
  service.add({.name = "client", .start = [&] {
                 service.announce("grpc", "127.0.0.1:1234");
                 return absl::OkStatus();
               }});
  logic.on_run = [&] {
    client = std::thread([&] {
      // The port file appears when the service is up.
      std::string text;
      while (text.empty()) {
        std::ifstream in(options.port_file);
        text.assign(std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>());
        std::this_thread::yield();
      }
      const auto ports = boost::json::parse(text).as_object();
      EXPECT_EQ(ports.at("service").as_string(), "test");
      EXPECT_EQ(ports.at("pid").as_int64(), getpid());
      EXPECT_EQ(ports.at("grpc").as_string(), "127.0.0.1:1234");
      const std::string address(ports.at("admin").as_string());
      live = get(address, "/livez");
      unready = get(address, "/readyz");
      service.health().set("database", Condition::kOk);
      service.health().set("redis", Condition::kDegraded, "away");
      ready = get(address, "/readyz");
      metrics = get(address, "/metrics");
      missing = get(address, "/etc/passwd");
      kill(getpid(), SIGTERM);
    });
  };
  EXPECT_EQ(service.run(), 0);
  client.join();
  EXPECT_THAT(live, HasSubstr("200 OK"));
  EXPECT_THAT(unready, HasSubstr("503"));
  EXPECT_THAT(unready, HasSubstr(R"("database":{"condition":"not_ready","reason":"no \"answer\""})"));
  EXPECT_THAT(ready, HasSubstr("200 OK"));
  EXPECT_THAT(ready, HasSubstr(R"("redis":{"condition":"degraded","reason":"away"})"));
  EXPECT_THAT(metrics, HasSubstr("200 OK"));
  EXPECT_THAT(metrics, HasSubstr("renderyard_test_up{version="));
  EXPECT_THAT(missing, HasSubstr("404"));
  EXPECT_FALSE(std::ifstream(options.port_file).good());
}

class ClockProbe {
 public:
  explicit ClockProbe(Service& service) : service_(service), done_(service.strand(), service.clock()) {}

  base::Task<absl::Status> run() {
    auto& clock = service_.clock();
    const absl::Time now = clock.now();
    EXPECT_LT(absl::AbsDuration(clock.wall() - now), absl::Seconds(1));
    clock.call_at(now + absl::Milliseconds(20), [this] { order.push_back(3); });
    clock.call_at(now + absl::Milliseconds(10), [this] { order.push_back(1); });
    clock.call_at(now + absl::Milliseconds(10), [this] { order.push_back(2); });
    const auto forgotten = clock.call_at(now + absl::Milliseconds(5), [this] { order.push_back(99); });
    clock.call_at(now - absl::Hours(1), [this, forgotten] {
      order.push_back(0);
      service_.clock().cancel(forgotten);
    });
    EXPECT_TRUE(order.empty());  // never within call_at
    CO_RETURN_IF_ERROR(co_await clock.sleep_until(now + absl::Milliseconds(30)));
    EXPECT_GE(clock.now(), now + absl::Milliseconds(30));
    service_.stop();
    co_return co_await done_.wait_until(absl::InfiniteFuture());
  }
  void stop() { done_.notify(); }

  std::vector<int> order;

 private:
  Service& service_;
  base::Event done_;
};

TEST(SystemClockTest, TimersRunInOrderOfTimeThenCreation) {
  Service service("test", quiet());
  ClockProbe probe(service);
  service.add({.name = "probe", .run = [&probe] { return probe.run(); }, .stop = [&probe] { probe.stop(); }});
  EXPECT_EQ(service.run(), 0);
  EXPECT_THAT(probe.order, ElementsAre(0, 1, 2, 3));
}

}  // namespace
}  // namespace renderyard::runtime
