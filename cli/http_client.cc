#include "cli/http_client.h"

#include <absl/strings/ascii.h>
#include <absl/strings/str_cat.h>
#include <curl/curl.h>

#include <algorithm>
#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>
#include <cctype>

namespace renderyard::cli {

struct HttpClient::Call {
  const std::string* body = nullptr;  // a POST when set
  Headers headers;
  const std::function<bool(std::string_view)>* sink = nullptr;
  HttpAnswer answer;
};

namespace {

std::size_t on_header(char* data, std::size_t size, std::size_t count, void* headers_ptr) {
  auto& headers = *static_cast<std::map<std::string, std::string>*>(headers_ptr);
  const std::string_view line(data, size * count);
  const auto colon = line.find(':');
  if (colon != std::string_view::npos) {
    std::string name(line.substr(0, colon));
    std::string value(line.substr(colon + 1));
    absl::AsciiStrToLower(&name);
    absl::StripAsciiWhitespace(&value);
    headers[name] = value;
  }
  return size * count;
}

struct Writer {
  CURL* curl;
  std::string* body;
  const std::function<bool(std::string_view)>* sink;
};

std::size_t on_data(char* data, std::size_t size, std::size_t count, void* writer_ptr) {
  auto& writer = *static_cast<Writer*>(writer_ptr);
  const std::string_view piece(data, size * count);
  long status = 0;
  curl_easy_getinfo(writer.curl, CURLINFO_RESPONSE_CODE, &status);
  if (writer.sink != nullptr && status == 200) return (*writer.sink)(piece) ? piece.size() : 0;
  writer.body->append(piece);
  return piece.size();
}

absl::Status to_status(CURLcode code, const std::string& base) {
  const std::string text = absl::StrCat(base, ": ", curl_easy_strerror(code));
  if (code == CURLE_OPERATION_TIMEDOUT) return absl::DeadlineExceededError(text);
  return absl::UnavailableError(text);
}

}  // namespace

HttpClient::HttpClient(std::string base, std::string token)
    : base_(std::move(base)), token_(std::move(token)), curl_(curl_easy_init()) {}

HttpClient::~HttpClient() {
  curl_easy_cleanup(static_cast<CURL*>(curl_));
}

absl::StatusOr<HttpAnswer> HttpClient::get(const std::string& path) {
  Call call;
  return perform(path, call);
}

absl::StatusOr<HttpAnswer> HttpClient::post(const std::string& path, const std::string& body, const Headers& headers) {
  Call call;
  call.body = &body;
  call.headers = headers;
  return perform(path, call);
}

absl::StatusOr<HttpAnswer> HttpClient::download(const std::string& path,
                                                const std::function<bool(std::string_view)>& sink) {
  Call call;
  call.sink = &sink;
  return perform(path, call);
}

absl::StatusOr<HttpAnswer> HttpClient::perform(const std::string& path, Call& call) {
  auto* curl = static_cast<CURL*>(curl_);
  curl_easy_reset(curl);
  const std::string url = base_ + path;
  curl_easy_setopt(curl, CURLOPT_URL, url.c_str());
  curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, 5L);
  // No limit for the whole: outputs may be gigabytes. A transfer that stands still for 30 s has failed.
  curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
  curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, 30L);
  curl_slist* list = curl_slist_append(nullptr, absl::StrCat("Authorization: Bearer ", token_).c_str());
  for (const auto& [name, value] : call.headers) {
    list = curl_slist_append(list, absl::StrCat(name, ": ", value).c_str());
  }
  if (call.body != nullptr) {
    list = curl_slist_append(list, "Content-Type: application/json");
    curl_easy_setopt(curl, CURLOPT_POST, 1L);
    curl_easy_setopt(curl, CURLOPT_POSTFIELDS, call.body->c_str());
    curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(call.body->size()));
  }
  curl_easy_setopt(curl, CURLOPT_HTTPHEADER, list);
  Writer writer{curl, &call.answer.body, call.sink};
  curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, &on_header);
  curl_easy_setopt(curl, CURLOPT_HEADERDATA, &call.answer.headers);
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, &on_data);
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, &writer);
  const CURLcode code = curl_easy_perform(curl);
  curl_slist_free_all(list);
  if (code == CURLE_WRITE_ERROR) return absl::InternalError("the file could not be written");
  if (code != CURLE_OK) return to_status(code, base_);
  long status = 0;
  curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
  call.answer.status = static_cast<int>(status);
  return std::move(call.answer);
}

absl::Status to_status(const HttpAnswer& answer) {
  if (answer.status >= 200 && answer.status < 300) return absl::OkStatus();
  boost::system::error_code error;
  const auto value = boost::json::parse(answer.body, error);
  std::string text = absl::StrCat("HTTP ", answer.status);
  if (!error && value.is_object()) {
    const auto* code = value.as_object().if_contains("code");
    const auto* detail = value.as_object().if_contains("detail");
    if (code != nullptr && code->is_string() && detail != nullptr && detail->is_string()) {
      text = absl::StrCat(code->as_string().c_str(), ": ", detail->as_string().c_str());
    }
  }
  if (answer.status == 503 || answer.status == 429) return absl::UnavailableError(text);
  if (answer.status == 404) return absl::NotFoundError(text);
  return absl::FailedPreconditionError(text);
}

}  // namespace renderyard::cli
