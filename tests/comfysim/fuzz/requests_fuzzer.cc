// Requests that reach the handlers: the first byte chooses method and route, the rest is "target\nbody". The readers of
// faults and of ledgers get the body too.
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "tests/comfysim/fault_kinds.h"
#include "tests/comfysim/fuzz/world.h"
#include "tests/comfysim/judge.h"

namespace {

using comfysim::HttpRequest;

struct Choice {
  const char* method;
  const char* path;
};

constexpr Choice kChoices[] = {
    {"POST", "/prompt"},       {"POST", "/api/prompt"},
    {"POST", "/queue"},        {"POST", "/history"},
    {"POST", "/interrupt"},    {"POST", "/free"},
    {"POST", "/upload/image"}, {"GET", "/view"},
    {"GET", "/history"},       {"GET", "/history/"},
    {"GET", "/api/jobs"},      {"GET", "/api/jobs/"},
    {"POST", "/api/jobs/"},    {"POST", "/api/jobs/cancel"},
    {"GET", "/object_info/"},  {"GET", "/models/"},
    {"GET", "/_sim/ledger"},   {"HEAD", "/view"},
    {"OPTIONS", "/prompt"},    {"POST", "/upload/mask"},
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static comfysim::fuzz::World world;
  if (size == 0) return -1;
  const Choice& choice = kChoices[data[0] % std::size(kChoices)];
  const std::string rest(reinterpret_cast<const char*>(data) + 1, size - 1);
  const std::size_t line = std::min(rest.find('\n'), rest.size());
  HttpRequest request;
  request.method = choice.method;
  comfysim::split_target(choice.path + rest.substr(0, line), request);
  request.body = rest.substr(std::min(line + 1, rest.size()));
  request.headers = {{"host", "127.0.0.1"},
                     {"content-type", "multipart/form-data; boundary=b"},
                     {"range", request.parameter("range").value_or("")}};
  if (request.method == "POST" && request.path.ends_with("/prompt")) request.post_number = world.routes().note_post(1);
  world.routes().handle(request);
  world.tidy();

  if (const auto body = comfysim::parse_json(request.body)) {
    comfysim::Fault fault;
    if (!comfysim::read_fault(*body, fault)) fault.to_json();
  }
  try {
    comfysim::Judgement judgement;
    judgement.read("fuzz", request.body);
    judgement.to_json();
    judgement.to_text();
  } catch (const comfysim::UnreadableLedger&) {
    return 0;  // most inputs are none
  }
  return 0;
}
