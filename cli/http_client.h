// The gateway's REST interface as a client sees it (libcurl). Blocking; one thread. The token goes into a header and
// never into an address, an argument or a message.
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace renderyard::cli {

struct HttpAnswer {
  int status = 0;
  std::map<std::string, std::string> headers;  // names in lower case
  std::string body;
};

class HttpClient {
 public:
  // `base`: http://host[:port] or https://…, without a slash at the end.
  HttpClient(std::string base, std::string token);
  ~HttpClient();
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  using Headers = std::vector<std::pair<std::string, std::string>>;
  // Any HTTP answer is OK; UNAVAILABLE: no connection; DEADLINE_EXCEEDED. After a lost answer the request may have been
  // carried out.
  absl::StatusOr<HttpAnswer> get(const std::string& path);
  absl::StatusOr<HttpAnswer> post(const std::string& path, const std::string& body, const Headers& headers = {});

  // Pieces of the body go to `sink` when the answer is 200; other answers are returned with their body.
  absl::StatusOr<HttpAnswer> download(const std::string& path, const std::function<bool(std::string_view)>& sink);

 private:
  struct Call;
  absl::StatusOr<HttpAnswer> perform(const std::string& path, Call& call);
  std::string base_;
  std::string token_;
  void* curl_;
};

// The status as an error that a person understands: problem+json's code and detail, or the plain HTTP status.
absl::Status to_status(const HttpAnswer& answer);

}  // namespace renderyard::cli
