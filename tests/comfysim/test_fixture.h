// A comfysim server within the test, and the workflows the tests send to it.
#ifndef RENDERYARD_TESTS_COMFYSIM_TEST_FIXTURE_H_
#define RENDERYARD_TESTS_COMFYSIM_TEST_FIXTURE_H_

#include <gtest/gtest.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "tests/comfysim/server.h"
#include "tests/comfysim/test_client.h"

namespace comfysim::testing {

// A folder that goes away with the object.
class TemporaryFolder {
 public:
  TemporaryFolder();
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

class ComfysimTest : public ::testing::Test {
 protected:
  void SetUp() override { start(); }

  // (Re)starts the server on the same folder.
  void start();

  std::uint16_t port() const { return server_->port(); }
  // Posts a workflow for a client; the id is made from `n`.
  Reply submit(const json::value& workflow, int n, const json::object& more = {});
  // Asks for a fault and expects that it is taken.
  void fault(const json::value& body);
  json::object history(int n);
  // Ledger lines, oldest first.
  std::vector<json::object> ledger();
  // Waits until the ledger has a line that `wanted` accepts.
  json::object wait_ledger(const std::function<bool(const json::object&)>& wanted);

  TemporaryFolder folder_;
  Options options_;
  std::unique_ptr<Server> server_;
};

// Prompt id number n, a canonical UUID.
std::string id_of(int n);

// The client id all prompts of ComfysimTest::submit are for.
inline constexpr const char* kClient = "client-1";
inline constexpr const char* kSocket = "/ws?clientId=client-1";

// EmptyImage -> ImageInvert -> SaveImage, as in the recording simple-success.
json::value simple_workflow(int colour, const std::string& prefix = "rec/simple");
// EmptyImage -> BridgeSlow -> SaveImage.
json::value slow_workflow(double seconds, int steps, const std::string& preview, int colour);
// The usual text-to-image graph, 64 x 64.
json::value text_to_image(std::uint64_t seed, const std::string& text, int steps = 3);

// Types of the text messages, in order.
std::vector<std::string> types_of(const std::vector<Event>& events);

}  // namespace comfysim::testing

#endif  // RENDERYARD_TESTS_COMFYSIM_TEST_FIXTURE_H_
