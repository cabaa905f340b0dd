#include "tests/comfysim/file_response.h"

#include <sys/stat.h>
#include <time.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace comfysim {
namespace {

constexpr const char* kDate = "%a, %d %b %Y %H:%M:%S GMT";

struct Validators {
  std::string etag;  // "mtime in ns, hex - size, hex"
  std::string last_modified;
  std::time_t modified = 0;
};

Validators validators_of(const std::filesystem::path& file) {
  struct stat info {};
  if (::stat(file.c_str(), &info) != 0) return {};
  std::array<char, 64> text{};
  const auto nanoseconds = static_cast<unsigned long long>(info.st_mtim.tv_sec) * 1'000'000'000ULL +  // NOLINT
                           static_cast<unsigned long long>(info.st_mtim.tv_nsec);                     // NOLINT
  std::snprintf(text.data(), text.size(), "\"%llx-%llx\"", nanoseconds,
                static_cast<unsigned long long>(info.st_size));  // NOLINT(google-runtime-int)
  Validators out{text.data(), "", info.st_mtim.tv_sec};
  std::tm parts{};
  ::gmtime_r(&out.modified, &parts);
  std::strftime(text.data(), text.size(), kDate, &parts);
  out.last_modified = text.data();
  return out;
}

bool is_unchanged(const HttpRequest& request, const Validators& validators) {
  if (const std::string wanted = request.header("if-none-match"); !wanted.empty()) {
    return wanted == "*" || wanted.find(validators.etag) != std::string::npos;
  }
  std::tm parts{};
  const std::string since = request.header("if-modified-since");
  if (since.empty() || ::strptime(since.c_str(), kDate, &parts) == nullptr) return false;
  return validators.modified <= ::timegm(&parts);
}

// One side of a range: no value when it is empty, false when it is no number.
bool read_side(std::string_view text, std::optional<std::size_t>& out) {
  if (text.empty()) return true;
  std::size_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  out = value;
  return error == std::errc() && end == text.data() + text.size();
}

// First and one past the last byte of "bytes=a-b", "bytes=a-" or "bytes=-b"; nullopt when it is none of them or leads
// out of the file.
std::optional<std::pair<std::size_t, std::size_t>> parse_range(std::string_view range, std::size_t size) {
  const std::size_t dash = range.find('-');
  if (!range.starts_with("bytes=") || dash == std::string_view::npos) return std::nullopt;
  std::optional<std::size_t> first;
  std::optional<std::size_t> last;
  if (!read_side(range.substr(6, dash - 6), first) || !read_side(range.substr(dash + 1), last)) return std::nullopt;
  if (!first && !last) return std::nullopt;
  if (!first) return std::pair(size - std::min(*last, size), size);
  if (*first >= size || (last && *last < *first)) return std::nullopt;
  return std::pair(*first, last ? std::min(*last + 1, size) : size);
}

}  // namespace

HttpResponse file_response(const HttpRequest& request, const std::filesystem::path& file, HttpResponse whole) {
  const Validators validators = validators_of(file);
  const std::size_t size = whole.body.size();
  if (is_unchanged(request, validators)) {
    HttpResponse out = empty_response(304);
    out.headers.emplace_back("ETag", validators.etag);
    out.headers.emplace_back("Last-Modified", validators.last_modified);
    return out;
  }
  const std::string range = request.header("range");
  const auto part = parse_range(range, size);
  if (!range.empty() && !part) {
    HttpResponse out = empty_response(416);
    out.headers.emplace_back("Content-Range", "bytes */" + std::to_string(size));
    return out;
  }
  whole.headers.emplace_back("ETag", validators.etag);
  whole.headers.emplace_back("Last-Modified", validators.last_modified);
  whole.headers.emplace_back("Accept-Ranges", "bytes");
  if (range.empty()) return whole;
  const auto [first, end] = *part;
  whole.status = 206;
  whole.headers.emplace_back(
      "Content-Range", "bytes " + std::to_string(first) + "-" + std::to_string(end - 1) + "/" + std::to_string(size));
  whole.body = whole.body.substr(first, end - first);
  return whole;
}

}  // namespace comfysim
