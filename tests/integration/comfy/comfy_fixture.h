// Runs the real ComfyUI adapters on the test's thread: a strand, the system clock, the io thread, the clients.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "libs/common/base/group.h"
#include "libs/common/base/strand.h"
#include "libs/common/runtime/system_clock.h"
#include "services/bridge/comfy/comfy_client.h"

namespace renderyard::testing {

class ComfyFixture : public ::testing::Test {
 protected:
  ~ComfyFixture() override {
    strand_.drop_all();
    if (!ca_file_.empty()) std::filesystem::remove(ca_file_);
  }

  // The result of a task, which is run to its end.
  template <class R>
  R await(base::Task<R> task) {
    std::optional<R> result;
    bool done = false;
    base::spawn_root(strand_, keep(std::move(task), result), [&done](const absl::Status&) { done = true; });
    while (!done) io_.run_one();
    return *std::move(result);
  }

  absl::Time in(double seconds) const { return clock_.now() + absl::Seconds(seconds); }

  std::unique_ptr<ports::ComfyInstance> instance(std::string api_url, std::string ws_url = "") {
    ports::InstanceRow row;
    row.api_url = std::move(api_url);
    row.ws_url = std::move(ws_url);
    return clients().instance(row);
  }

  comfy::ComfyClients& clients() {
    if (!clients_) clients_ = std::make_unique<comfy::ComfyClients>(comfy_io_, strand_, clock_, options_);
    return *clients_;
  }

  // Before the first instance.
  void trust(const std::string& pem) {
    ca_file_ = std::filesystem::temp_directory_path() / "renderyard-comfy-test-XXXXXX";
    const int fd = ::mkstemp(ca_file_.data());
    ASSERT_GE(fd, 0);
    ::close(fd);
    std::ofstream(ca_file_) << pem;
    options_.ca_file = ca_file_;
  }

  boost::asio::io_context io_{1};
  base::Strand strand_{io_.get_executor()};
  runtime::SystemClock clock_{strand_};
  comfy::ComfyIo comfy_io_;
  comfy::ComfyOptions options_;

 private:
  template <class R>
  static base::Task<absl::Status> keep(base::Task<R> task, std::optional<R>& result) {
    R value = co_await std::move(task);
    result.emplace(std::move(value));
    co_return absl::OkStatus();
  }

  std::string ca_file_;
  std::unique_ptr<comfy::ComfyClients> clients_;
};

}  // namespace renderyard::testing
