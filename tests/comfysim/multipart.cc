#include "tests/comfysim/multipart.h"

#include <algorithm>
#include <cctype>

#include "tests/comfysim/http_message.h"

namespace comfysim {
namespace {

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(), [](unsigned char c) { return std::tolower(c); });
  return out;
}

// The value of `; key=value` or `; key="value"` in a header.
std::optional<std::string> header_parameter(std::string_view header, std::string_view key) {
  const std::string wanted = std::string(key) + "=";
  for (std::size_t at = header.find(';'); at != std::string_view::npos; at = header.find(';', at + 1)) {
    std::size_t begin = header.find_first_not_of(" \t", at + 1);
    if (begin == std::string_view::npos || lower(header.substr(begin, wanted.size())) != wanted) continue;
    begin += wanted.size();
    if (begin < header.size() && header[begin] == '"') {
      const std::size_t end = header.find('"', begin + 1);
      return std::string(header.substr(begin + 1, end == std::string_view::npos ? end : end - begin - 1));
    }
    return std::string(header.substr(begin, header.find(';', begin) - begin));
  }
  return std::nullopt;
}

}  // namespace

std::map<std::string, FormPart> parse_form(std::string_view content_type, std::string_view body) {
  std::map<std::string, FormPart> out;
  const std::optional<std::string> boundary = header_parameter(content_type, "boundary");
  if (!lower(content_type).starts_with("multipart/form-data") || !boundary) return out;
  const std::string delimiter = "--" + *boundary;
  std::size_t at = body.find(delimiter);
  while (at != std::string_view::npos) {
    const std::size_t begin = at + delimiter.size();
    if (body.substr(begin, 2) == "--") break;
    const std::size_t headers_end = body.find("\r\n\r\n", begin);
    const std::size_t next = body.find("\r\n" + delimiter, begin);
    if (headers_end == std::string_view::npos || next == std::string_view::npos || headers_end > next) break;
    std::string_view headers = body.substr(begin, headers_end - begin);
    while (!headers.empty()) {
      const std::string_view line = headers.substr(0, headers.find("\r\n"));
      headers.remove_prefix(std::min(headers.size(), line.size() + 2));
      if (!lower(line).starts_with("content-disposition:")) continue;
      const std::optional<std::string> name = header_parameter(line, "name");
      if (!name) continue;
      FormPart part{header_parameter(line, "filename"),
                    std::string(body.substr(headers_end + 4, next - headers_end - 4))};
      if (part.filename) part.filename = percent_decode(*part.filename, false);
      out.emplace(*name, std::move(part));
    }
    at = next + 2;
  }
  return out;
}

}  // namespace comfysim
