// HttpClient: requests to ComfyUI that may be repeated without harm (looks, listings, downloads, cancel). libcurl's
// multi interface on the ComfyIo thread, awaited on the strand. Never for POST /prompt: libcurl may send a request
// twice when a kept connection dies.
//
// No redirects, http and https only, no proxy from the environment, certificates are verified. Every request has a
// deadline and a bound on what is read.
// Errors: UNAVAILABLE (refused, reset, name unknown, TLS refused), DEADLINE_EXCEEDED, CANCELLED, INVALID_ARGUMENT (the
// answer is larger than allowed, or the URL is none), DATA_LOSS (the body ended early). An HTTP status of any number is
// an answer, not an error.
// Thread-safety: on the strand only. Ownership: outlives the tasks it returned.
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <absl/time/time.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "libs/common/base/clock.h"
#include "libs/common/base/strand.h"
#include "libs/common/base/task.h"
#include "libs/common/ports/comfy_instance.h"
#include "libs/common/ports/model.h"
#include "services/bridge/comfy/comfy_io.h"

namespace renderyard::comfy {

struct HttpRequest {
  std::string url;
  std::vector<ports::SecretHeader> headers = {};
  std::optional<std::string> json;  // a POST with this body; a GET without
  bool head = false;                // a HEAD: there is no body to read
  std::size_t max_body = std::size_t{16} << 20;
  // On a connection of its own that is closed afterwards, so that libcurl never sends it a second time.
  bool once = false;
};

struct HttpAnswer {
  int status = 0;
  std::string content_type;
  std::string body;                             // of stream(): only when the status is not 200
  std::optional<std::int64_t> size_bytes = {};  // of a HEAD: what its body would have, when announced
  std::optional<absl::Time> modified_at = {};   // Last-Modified
  std::optional<std::string> etag = {};         // without its mark of weakness
};

using ports::ByteSink;
// All of an answer but its body.
using HeadSink = std::function<void(const HttpAnswer&)>;

class HttpClient {
 public:
  // ca_file: PEM file of certificates to trust beside the system's; may be empty.
  // stall: a stream that brings no byte for so long, whole seconds, ends by DEADLINE_EXCEEDED. Its deadline is for a
  // file of any size; a server that has died in mid-answer shall not cost all of that.
  HttpClient(ComfyIo& io, base::Strand& strand, base::Clock& clock, std::string ca_file,
             absl::Duration stall = absl::Minutes(1));
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;
  ~HttpClient();

  base::Task<absl::StatusOr<HttpAnswer>> request(HttpRequest request, absl::Time deadline);

  // on_head, which may be empty, is called on the strand before the first byte of a 200 is handed on.
  // The body of a 200 goes to `sink` chunk by chunk on the strand; at most kStreamBuffer bytes wait for it, then the
  // transfer pauses. An error of the sink ends it and is returned.
  base::Task<absl::StatusOr<HttpAnswer>> stream(HttpRequest request, ByteSink sink, HeadSink on_head,
                                                absl::Time deadline);

  static constexpr std::size_t kStreamBuffer = std::size_t{4} << 20;

 private:
  class Multi;  // on the io thread
  ComfyIo& io_;
  base::Strand& strand_;
  base::Clock& clock_;
  std::string ca_file_;
  absl::Duration stall_;
  std::shared_ptr<Multi> multi_;
};

}  // namespace renderyard::comfy
