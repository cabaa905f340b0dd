// What may stand before a ComfyUI server: TLS, a base path, and headers without which nobody comes in. One request per
// connection; WebSockets are passed through. Thread-safety: all methods from any thread.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace renderyard::testing {

class AuthFront {
 public:
  using Headers = std::map<std::string, std::string>;  // names in lower case

  struct Seen {
    std::string line;  // "GET /base/queue HTTP/1.1"
    Headers headers;
  };

  // Before the server at `upstream` (http://127.0.0.1:port), under `base` ("/comfy"), with `certificate` (PEM: key and
  // certificate). Who lacks one of `required` is answered with 401.
  AuthFront(const std::string& upstream, std::string base, const std::string& certificate, Headers required);
  ~AuthFront();
  AuthFront(const AuthFront&) = delete;
  AuthFront& operator=(const AuthFront&) = delete;

  std::string url(const std::string& host = "localhost") const;
  // From the next request on.
  void require(Headers required);
  // Every request whose head came, refused ones included.
  std::vector<Seen> seen() const;
  int connections() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace renderyard::testing
