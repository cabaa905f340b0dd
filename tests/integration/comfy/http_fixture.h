// The ComfyUI adapter over libcurl and servers that answer by a script.
#pragma once

#include <map>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "tests/integration/comfy/comfy_fixture.h"
#include "tests/integration/comfy/raw_server.h"
#include "tests/support/byte_sinks.h"

namespace renderyard::testing {

class HttpFixture : public ComfyFixture {
 protected:
  // A server that answers by the request's line, any number of requests on a connection.
  using Answers = std::map<std::string, std::pair<int, std::string>>;
  static RawServer::Script answering(Answers answers, std::vector<std::string>& seen, std::mutex& mutex) {
    return [answers = std::move(answers), &seen, &mutex](RawConnection& connection) {
      while (auto request = connection.read_request()) {
        const auto line = request->line.substr(0, request->line.rfind(' '));
        {
          const std::lock_guard lock(mutex);
          seen.push_back(request->body.empty() ? line : line + " " + request->body);
        }
        const auto found = answers.find(line);
        const bool known = found != answers.end();
        connection.answer(known ? found->second.first : 404, known ? found->second.second : "404: Not Found");
      }
    };
  }

  absl::StatusOr<ports::FetchedFile> fetch(const std::string& url, std::string& into, double seconds = 20) {
    auto comfy = instance(url);
    domain::OutputFile file{
        .node_id = "9", .kind = "images", .filename = "a b/ä.png", .subfolder = "s", .type = "output"};
    return await(comfy->fetch(file, test::sink_into(into), {}, in(seconds)));
  }

  std::mutex mutex_;
  std::vector<std::string> seen_;
};

}  // namespace renderyard::testing
