#include "tests/comfysim/http_message.h"

#include <charconv>

namespace comfysim {

std::string HttpRequest::header(const std::string& lower_case_name) const {
  const auto found = headers.find(lower_case_name);
  return found == headers.end() ? std::string() : found->second;
}

std::optional<std::string> HttpRequest::parameter(const std::string& name) const {
  const auto found = query.find(name);
  if (found == query.end()) return std::nullopt;
  return found->second;
}

HttpResponse json_response(const json::value& body, unsigned status) {
  return HttpResponse{status, "application/json; charset=utf-8", {}, dump_json(body), false};
}

HttpResponse empty_response(unsigned status) {
  HttpResponse out;
  out.status = status;
  return out;
}

HttpResponse text_response(unsigned status, std::string text) {
  return HttpResponse{status, "text/plain; charset=utf-8", {}, std::move(text), false};
}

HttpResponse trouble() {
  return text_response(500, "500 Internal Server Error\n\nServer got itself in trouble");
}

std::string percent_decode(std::string_view text, bool plus_is_space) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    unsigned code = 0;
    if (text[i] == '%' && i + 2 < text.size()) {
      const auto [end, error] = std::from_chars(text.data() + i + 1, text.data() + i + 3, code, 16);
      if (error == std::errc() && end == text.data() + i + 3) {
        out += static_cast<char>(code);
        i += 2;
        continue;
      }
    }
    out += plus_is_space && text[i] == '+' ? ' ' : text[i];
  }
  return out;
}

void split_target(std::string_view target, HttpRequest& request) {
  const std::size_t mark = target.find('?');
  request.path = percent_decode(target.substr(0, mark), false);
  if (mark == std::string_view::npos) return;
  std::string_view rest = target.substr(mark + 1);
  while (!rest.empty()) {
    const std::string_view pair = rest.substr(0, rest.find('&'));
    rest.remove_prefix(std::min(rest.size(), pair.size() + 1));
    const std::size_t equals = pair.find('=');
    const std::string_view value = equals == std::string_view::npos ? std::string_view() : pair.substr(equals + 1);
    if (!pair.empty()) request.query.emplace(percent_decode(pair.substr(0, equals), true), percent_decode(value, true));
  }
}

}  // namespace comfysim
