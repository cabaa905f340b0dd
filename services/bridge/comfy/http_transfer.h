// One request of HttpClient, from the strand to the io thread and back. Part of HttpClient.
#pragma once

#include <absl/base/thread_annotations.h>
#include <absl/status/statusor.h>
#include <curl/curl.h>

#include <memory>
#include <optional>
#include <string>

#include "libs/common/base/mutex.h"
#include "libs/common/base/strand.h"
#include "services/bridge/comfy/byte_channel.h"
#include "services/bridge/comfy/http_client.h"

namespace renderyard::comfy {

class HttpTransfer {
 public:
  HttpTransfer(HttpRequest request, absl::Duration timeout, std::string ca_file);
  ~HttpTransfer();
  HttpTransfer(const HttpTransfer&) = delete;
  HttpTransfer& operator=(const HttpTransfer&) = delete;

  // Before it is started: no byte for so long is the end. Time in which nobody takes the bytes does not count.
  void end_when_silent_for(absl::Duration stall);
  // Before it is started: bodies of a 200 go there instead of into the answer.
  void stream_to(std::shared_ptr<ByteChannel> channel);

  // The strand, once a part of a streamed body is there: what the answer's head says; size_bytes as announced.
  HttpAnswer head();

  // The io thread, once.
  CURL* easy() { return easy_; }
  // The io thread, once: libcurl is done with it.
  void finish(CURLcode code);

  // The strand: the answer is given to `completer` when it is there.
  void wait(base::Completer<absl::StatusOr<HttpAnswer>> completer);

 private:
  static std::size_t on_body(char* data, std::size_t one, std::size_t size, void* self);
  std::size_t take(std::string_view data);
  int status() const;
  void read_head();
  bool is_chunked() const;
  absl::StatusOr<HttpAnswer> result(CURLcode code);

  const HttpRequest request_;
  std::shared_ptr<ByteChannel> channel_;
  CURL* easy_ = nullptr;
  curl_slist* headers_ = nullptr;
  char error_[CURL_ERROR_SIZE] = {};
  HttpAnswer answer_;
  std::int64_t streamed_bytes_ = 0;
  bool too_large_ = false;

  base::Mutex mutex_;
  HttpAnswer head_ ABSL_GUARDED_BY(mutex_);
  std::optional<absl::StatusOr<HttpAnswer>> result_ ABSL_GUARDED_BY(mutex_);
  std::optional<base::Completer<absl::StatusOr<HttpAnswer>>> waiter_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace renderyard::comfy
