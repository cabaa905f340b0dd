// Many servers in one process.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <array>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/websocket.hpp>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <sstream>

#include "tests/comfysim/descriptors.h"
#include "tests/comfysim/files.h"
#include "tests/comfysim/test_fixture.h"

namespace comfysim::testing {
namespace {

using ::testing::HasSubstr;

// A WebSocket that nobody reads after its greeting, without a thread of its own.
class IdleSocket {
 public:
  IdleSocket(boost::asio::io_context& io, std::uint16_t port) : stream_(io) {
    boost::beast::get_lowest_layer(stream_).connect({boost::asio::ip::address_v4::loopback(), port});
    stream_.handshake("127.0.0.1", "/ws?clientId=idle-" + std::to_string(port));
    boost::beast::flat_buffer greeting;
    stream_.read(greeting);
  }

 private:
  boost::beast::websocket::stream<boost::beast::tcp_stream> stream_;
};

double resident_mib(pid_t pid) {
  std::ifstream in("/proc/" + std::to_string(pid) + "/statm");
  double whole = 0;
  double resident = 0;
  in >> whole >> resident;
  return resident * static_cast<double>(::sysconf(_SC_PAGESIZE)) / (1024.0 * 1024.0);
}

std::vector<std::uint16_t> ports_in(const std::filesystem::path& file) {
  std::istringstream in(read_file(file).value_or(""));
  std::vector<std::uint16_t> out;
  for (std::uint16_t port = 0; in >> port;) out.push_back(port);
  return out;
}

TEST(ComfysimScaleTest, InstancesShareNothing) {
  TemporaryFolder folder;
  Options options;
  options.dir = folder.path();
  options.step_ms = 0;
  const Server server(options, 3);
  const std::vector<std::uint16_t> ports = server.ports();
  ASSERT_EQ(ports.size(), 3u);
  WebSocketClient first(ports[0], kSocket);
  WebSocketClient second(ports[1], kSocket);
  first.next();
  second.next();
  EXPECT_EQ(post(ports[2], "/_sim/faults", {{"fault", "refuse"}}).status, 200u);
  const json::object body = {{"prompt", simple_workflow(1)}, {"client_id", kClient}, {"prompt_id", id_of(1)}};
  EXPECT_EQ(post(ports[0], "/prompt", body).json().at("number"), 0);
  EXPECT_EQ(types_of(first.until_done()).back(), "executing");
  EXPECT_EQ(post(ports[1], "/prompt", body).json().at("number"), 0);  // a counter of its own
  EXPECT_EQ(types_of(second.until_done()).back(), "executing");
  EXPECT_EQ(post(ports[2], "/prompt", body).status, 503u);
  EXPECT_EQ(get(ports[2], "/history").body, "{}");
  EXPECT_THAT(read_file(folder.path() / "2" / "ledger.jsonl").value_or(""), HasSubstr("\"comfysim-2\""));
  EXPECT_TRUE(std::filesystem::exists(folder.path() / "1/output/rec/simple_00001_.png"));
  EXPECT_FALSE(std::filesystem::exists(folder.path() / "3/output/rec"));
}

TEST(ComfysimScaleTest, InstancesMayHaveModelsOfTheirOwn) {
  TemporaryFolder folder;
  Options options;
  options.dir = folder.path();
  options.models = {"checkpoints=all.safetensors", "2:checkpoints=second.safetensors", "2:loras=a.safetensors"};
  const Server server(options, 2);
  EXPECT_EQ(get(server.ports()[0], "/models/checkpoints").body, R"(["all.safetensors"])");
  EXPECT_EQ(get(server.ports()[1], "/models/checkpoints").body, R"(["second.safetensors"])");
  EXPECT_EQ(get(server.ports()[1], "/models/loras").body, R"(["a.safetensors"])");
  EXPECT_NE(get(server.ports()[0], "/models/loras").body, R"(["a.safetensors"])");
  for (const char* bad : {"3:loras=a", "0:loras=a", "x:loras=a", ":loras=a"}) {
    options.models = {bad};
    EXPECT_THROW(Server(options, 2), std::invalid_argument) << bad;
  }
}

TEST(ComfysimScaleTest, AThousandInstancesWithIdleSocketsAreSmall) {
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
  GTEST_SKIP() << "the memory of a sanitizer build says nothing";
#endif
#endif
  constexpr double kLimitMib = 40;
  ensure_descriptors(2 * kMostInstances);
  TemporaryFolder one_folder;
  Process one(one_folder.path(), {});
  get(one.port(), "/prompt");
  const double base = resident_mib(one.pid());

  TemporaryFolder folder;
  const std::filesystem::path port_file = folder.path() / "ports";
  Process many(folder.path(), {"--instances", std::to_string(kMostInstances), "--port-file", port_file.string()});
  const std::vector<std::uint16_t> ports = ports_in(port_file);
  ASSERT_EQ(ports.size(), kMostInstances);
  const double without_sockets = resident_mib(many.pid());
  boost::asio::io_context io;
  std::vector<std::unique_ptr<IdleSocket>> sockets;
  for (const std::uint16_t port : ports) sockets.push_back(std::make_unique<IdleSocket>(io, port));
  const double whole = resident_mib(many.pid());
  std::cout << "resident: one instance " << base << " MiB, " << kMostInstances << " instances " << without_sockets
            << " MiB, with a WebSocket each " << whole << " MiB\n";
  RecordProperty("growth_mib", std::to_string(whole - base));
  EXPECT_LE(whole - base, kLimitMib);
}

TEST(ComfysimScaleTest, PortsAreConsecutiveFromAGivenOne) {
  TemporaryFolder folder;
  Options options;
  options.dir = folder.path();
  options.port = UINT16_MAX - 1;
  try {
    const Server server(options, 2);
    EXPECT_EQ(server.ports(), (std::vector<std::uint16_t>{UINT16_MAX - 1, UINT16_MAX}));
  } catch (const std::runtime_error& error) {
    EXPECT_THAT(error.what(), HasSubstr("cannot listen on port 6553"));  // somebody else has it
  }
  try {
    const Server server(options, 3);
    ADD_FAILURE() << "there are no three ports from 65534 on";
  } catch (const std::runtime_error& error) {
    EXPECT_THAT(error.what(), ::testing::AnyOf(HasSubstr("no port 65536"), HasSubstr("cannot listen on port 6553")));
  }
}

TEST(ComfysimScaleTest, TooFewDescriptorsAreSaidWithTheRemedy) {
  rlimit limit{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &limit), 0);
  if (limit.rlim_max == RLIM_INFINITY) GTEST_SKIP() << "this process may open as many files as it likes";
  const std::size_t too_many = limit.rlim_max + std::size_t{1};
  try {
    ensure_descriptors(too_many);
    ADD_FAILURE() << "no complaint";
  } catch (const std::runtime_error& error) {
    EXPECT_THAT(error.what(), HasSubstr("needs " + std::to_string(too_many)));
    EXPECT_THAT(error.what(), HasSubstr("hard limit is " + std::to_string(limit.rlim_max)));
    EXPECT_THAT(error.what(), HasSubstr("ulimit -Hn"));
  }
}

}  // namespace
}  // namespace comfysim::testing
