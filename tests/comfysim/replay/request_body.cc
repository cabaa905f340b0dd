#include "tests/comfysim/replay/request_body.h"

#include <zlib.h>

#include <algorithm>
#include <stdexcept>

namespace comfysim::replay {
namespace {

constexpr const char* kBoundary = "replay-boundary-4f1c";

std::string form_body(const json::object& form) {
  std::string out;
  for (const auto& [name, value] : form) {
    out += std::string("--") + kBoundary + "\r\nContent-Disposition: form-data; name=\"" + std::string(name) + "\"";
    if (!value.is_object()) {
      out += "\r\n\r\n" + std::string(value.as_string()) + "\r\n";
      continue;
    }
    const json::object& file = value.get_object();
    if (const json::value* filename = file.if_contains("filename")) {
      out += "; filename=\"" + std::string(filename->as_string()) + "\"";
    }
    if (const json::value* type = file.if_contains("content_type")) {
      out += "\r\nContent-Type: " + std::string(type->as_string());
    }
    out += "\r\n\r\n" + decode_base64(std::string(file.at("b64").as_string())) + "\r\n";
  }
  return out + "--" + kBoundary + "--\r\n";
}

std::string gzip(const std::string& text) {
  z_stream stream{};
  if (deflateInit2(&stream, Z_BEST_SPEED, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK) {
    throw std::runtime_error("deflateInit2");
  }
  std::string out(text.size() + 64, '\0');
  std::string in = text;
  stream.next_in = reinterpret_cast<Bytef*>(in.data());
  stream.avail_in = static_cast<uInt>(in.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  ::deflate(&stream, Z_FINISH);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

}  // namespace

std::string request_body(const Line& line, const Names& names, testing::Headers& headers, std::size_t large) {
  if (const json::value* form = line.fields.if_contains("form")) {
    headers["Content-Type"] = std::string("multipart/form-data; boundary=") + kBoundary;
    return form_body(names.translate(*form).as_object());
  }
  if (const json::value* body = line.fields.if_contains("body")) return dump_json(names.translate(*body));
  const std::string text = line.text("body_text");
  if (text.starts_with("gzip of")) return gzip(R"({"prompt": {}})");
  if (text == "101 MiB") return "{\"prompt\": {}}" + std::string(std::max<std::size_t>(large, 14) - 14, ' ');
  return names.translate(text);
}

std::string whole_text(const std::string& text) {
  const std::size_t mark = text.find("... (");
  if (mark == std::string::npos || !text.ends_with(" bytes)")) return text;
  return std::string(std::stoul(text.substr(mark + 5)), text.front());
}

bool is_shortened(const std::string& text) {
  return text.ends_with("...") || text.find("... trimmed") != std::string::npos;
}

}  // namespace comfysim::replay
