// HTTP requests and responses as the routes see them, free of the library that carries them.
#ifndef RENDERYARD_TESTS_COMFYSIM_HTTP_MESSAGE_H_
#define RENDERYARD_TESTS_COMFYSIM_HTTP_MESSAGE_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tests/comfysim/pyjson.h"

namespace comfysim {

struct HttpRequest {
  std::string method;
  std::string path;                            // decoded, without the query
  std::map<std::string, std::string> query;    // decoded; the first of equal keys
  std::map<std::string, std::string> headers;  // names in lower case
  std::string body;
  std::uint64_t post_number = 0;  // POST /prompt: number of its "post" line in the ledger

  // Header value; empty when not there.
  std::string header(const std::string& lower_case_name) const;
  std::optional<std::string> parameter(const std::string& name) const;
};

struct HttpResponse {
  unsigned status = 200;
  std::string content_type = "application/octet-stream";
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
  bool close = false;  // end the connection without an answer
};

HttpResponse json_response(const json::value& body, unsigned status = 200);
// Empty body, application/octet-stream: how ComfyUI says yes and no.
HttpResponse empty_response(unsigned status = 200);
HttpResponse text_response(unsigned status, std::string text);
// aiohttp's answer to an exception in a handler.
HttpResponse trouble();

// Fills path and query from a request target ("/view?filename=a%20b").
void split_target(std::string_view target, HttpRequest& request);

std::string percent_decode(std::string_view text, bool plus_is_space);

}  // namespace comfysim

#endif  // RENDERYARD_TESTS_COMFYSIM_HTTP_MESSAGE_H_
