#include "services/bridge/comfy/http_transfer.h"

#include <absl/strings/str_cat.h>

#include <algorithm>
#include <utility>

namespace renderyard::comfy {

namespace {

// Of libcurl's receive buffers, which every transfer has for its own: a thousand servers may be asked at the same
// moment, mostly for a few hundred bytes.
constexpr long kAnswerBuffer = 4096;
constexpr long kFileBuffer = 65536;

// The one place where libcurl's codes become ours. `begun`: a part of a streamed body was handed on.
absl::Status to_status(CURLcode code, const char* detail, bool begun) {
  const std::string text = *detail != '\0' ? detail : curl_easy_strerror(code);
  switch (code) {
    case CURLE_OPERATION_TIMEDOUT:
      return absl::DeadlineExceededError(text);
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
      return absl::UnavailableError("TLS: the server's certificate was refused: " + text);
    case CURLE_PARTIAL_FILE:
      return absl::DataLossError(text);
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
      return absl::InvalidArgumentError(text);
    default:
      return begun ? absl::DataLossError(text) : absl::UnavailableError(text);
  }
}

}  // namespace

HttpTransfer::HttpTransfer(HttpRequest request, absl::Duration timeout, std::string ca_file)
    : request_(std::move(request)), easy_(curl_easy_init()) {
  if (easy_ == nullptr) return;
  const auto timeout_ms = static_cast<long>(std::clamp<std::int64_t>(absl::ToInt64Milliseconds(timeout), 1, 86400000));
  curl_easy_setopt(easy_, CURLOPT_URL, request_.url.c_str());
  curl_easy_setopt(easy_, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(easy_, CURLOPT_FOLLOWLOCATION, 0L);
  curl_easy_setopt(easy_, CURLOPT_PROXY, "");
  curl_easy_setopt(easy_, CURLOPT_NOSIGNAL, 1L);
  // A transfer that ends while its name is looked up must not wait for that: the io thread is everybody's.
  curl_easy_setopt(easy_, CURLOPT_QUICK_EXIT, 1L);
  curl_easy_setopt(easy_, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  curl_easy_setopt(easy_, CURLOPT_TIMEOUT_MS, timeout_ms);
  curl_easy_setopt(easy_, CURLOPT_CONNECTTIMEOUT_MS, std::min(timeout_ms, 10000L));
  curl_easy_setopt(easy_, CURLOPT_TCP_KEEPALIVE, 1L);
  curl_easy_setopt(easy_, CURLOPT_USERAGENT, "renderyard-bridge");
  curl_easy_setopt(easy_, CURLOPT_ERRORBUFFER, error_);
  curl_easy_setopt(easy_, CURLOPT_WRITEFUNCTION, &HttpTransfer::on_body);
  curl_easy_setopt(easy_, CURLOPT_WRITEDATA, this);
  if (!ca_file.empty()) {
    // In place of the system's bundle; its directory stays, and has the same certificates.
    curl_easy_setopt(easy_, CURLOPT_CAINFO, ca_file.c_str());
    const char* const system = curl_version_info(CURLVERSION_NOW)->capath;
    if (system != nullptr) curl_easy_setopt(easy_, CURLOPT_CAPATH, system);
  }
  if (request_.once) {
    curl_easy_setopt(easy_, CURLOPT_FRESH_CONNECT, 1L);
    curl_easy_setopt(easy_, CURLOPT_FORBID_REUSE, 1L);
  }
  curl_easy_setopt(easy_, CURLOPT_BUFFERSIZE, kAnswerBuffer);
  curl_easy_setopt(easy_, CURLOPT_FILETIME, 1L);
  if (request_.head) curl_easy_setopt(easy_, CURLOPT_NOBODY, 1L);
  for (const ports::SecretHeader& header : request_.headers) {
    // A semicolon is libcurl's way to send a header without a value.
    const std::string line = header.value.empty() ? header.name + ";" : header.name + ": " + header.value;
    headers_ = curl_slist_append(headers_, line.c_str());
  }
  if (request_.json) {
    headers_ = curl_slist_append(headers_, "Content-Type: application/json");
    headers_ = curl_slist_append(headers_, "Expect:");  // no 100-continue
    curl_easy_setopt(easy_, CURLOPT_POST, 1L);
    curl_easy_setopt(easy_, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request_.json->size()));
    curl_easy_setopt(easy_, CURLOPT_POSTFIELDS, request_.json->c_str());
  }
  if (headers_ != nullptr) curl_easy_setopt(easy_, CURLOPT_HTTPHEADER, headers_);
}

void HttpTransfer::end_when_silent_for(absl::Duration stall) {
  if (easy_ == nullptr) return;
  curl_easy_setopt(easy_, CURLOPT_LOW_SPEED_LIMIT, 1L);
  curl_easy_setopt(easy_, CURLOPT_LOW_SPEED_TIME,
                   static_cast<long>(std::max<std::int64_t>(1, absl::ToInt64Seconds(stall))));
}

void HttpTransfer::stream_to(std::shared_ptr<ByteChannel> channel) {
  channel_ = std::move(channel);
  if (easy_ != nullptr) curl_easy_setopt(easy_, CURLOPT_BUFFERSIZE, kFileBuffer);
}

HttpTransfer::~HttpTransfer() {
  if (easy_ != nullptr) curl_easy_cleanup(easy_);
  curl_slist_free_all(headers_);
}

std::size_t HttpTransfer::on_body(char* data, std::size_t one, std::size_t size, void* self) {
  return static_cast<HttpTransfer*>(self)->take({data, one * size});
}

int HttpTransfer::status() const {
  long status = 0;
  curl_easy_getinfo(easy_, CURLINFO_RESPONSE_CODE, &status);
  return static_cast<int>(status);
}

std::size_t HttpTransfer::take(std::string_view data) {
  if (channel_ && status() == 200) {
    if (streamed_bytes_ == 0) {
      read_head();
      const base::MutexLock lock(mutex_);
      head_ = answer_;
    }
    if (!channel_->write(data)) return CURL_WRITEFUNC_PAUSE;
    streamed_bytes_ += static_cast<std::int64_t>(data.size());
    return data.size();
  }
  if (answer_.body.size() + data.size() <= request_.max_body) {
    answer_.body += data;
    return data.size();
  }
  if (status() != 200) return data.size();  // a page about an error: its status is what counts
  too_large_ = true;
  return 0;
}

absl::StatusOr<HttpAnswer> HttpTransfer::result(CURLcode code) {
  if (too_large_) {
    return absl::InvalidArgumentError(absl::StrCat("the answer is larger than ", request_.max_body, " bytes"));
  }
  const bool streamed = channel_ && status() == 200;
  if (code != CURLE_OK) return to_status(code, error_, streamed_bytes_ > 0);
  read_head();
  const std::optional<std::int64_t> announced = answer_.size_bytes;
  if (request_.head) return std::move(answer_);
  const std::int64_t got = streamed ? streamed_bytes_ : static_cast<std::int64_t>(answer_.body.size());
  if (announced && *announced != got) {
    return absl::DataLossError(absl::StrCat("got ", got, " of ", *announced, " bytes"));
  }
  if (streamed && !announced && !is_chunked()) {
    return absl::DataLossError("the server did not say how long the file is: it may have ended early");
  }
  answer_.size_bytes = got;
  return std::move(answer_);
}

bool HttpTransfer::is_chunked() const {
  curl_header* encoding = nullptr;
  return curl_easy_header(easy_, "Transfer-Encoding", 0, CURLH_HEADER, -1, &encoding) == CURLHE_OK;
}

void HttpTransfer::read_head() {
  answer_.status = status();
  const char* type = nullptr;
  curl_easy_getinfo(easy_, CURLINFO_CONTENT_TYPE, &type);
  if (type != nullptr) answer_.content_type = type;
  curl_off_t announced = -1;
  curl_easy_getinfo(easy_, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &announced);
  if (announced >= 0) answer_.size_bytes = announced;
  curl_off_t modified = -1;
  curl_easy_getinfo(easy_, CURLINFO_FILETIME_T, &modified);
  if (modified >= 0) answer_.modified_at = absl::FromUnixSeconds(modified);
  curl_header* etag = nullptr;
  if (curl_easy_header(easy_, "ETag", 0, CURLH_HEADER, -1, &etag) != CURLHE_OK) return;
  // Proxies that compress make it weak, and not the same way for every method.
  std::string_view value = etag->value;
  if (value.starts_with("W/")) value.remove_prefix(2);
  answer_.etag = std::string(value);
}

HttpAnswer HttpTransfer::head() {
  const base::MutexLock lock(mutex_);
  return head_;
}

void HttpTransfer::finish(CURLcode code) {
  auto result = this->result(code);
  {
    const base::MutexLock lock(mutex_);
    if (waiter_) {
      waiter_->post(std::move(result));
    } else {
      result_ = std::move(result);
    }
    waiter_.reset();
  }
  if (channel_) channel_->end();
}

void HttpTransfer::wait(base::Completer<absl::StatusOr<HttpAnswer>> completer) {
  const base::MutexLock lock(mutex_);
  if (result_) {
    completer.complete(*std::move(result_));
  } else {
    waiter_ = completer;
  }
}

}  // namespace renderyard::comfy
