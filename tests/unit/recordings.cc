#include "tests/unit/recordings.h"

#include <absl/strings/escaping.h>

#include <algorithm>
#include <array>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <utility>

namespace renderyard::testing {

namespace {

namespace json = boost::json;

std::string text_of(const json::object& line, std::string_view key) {
  const auto* value = line.if_contains({key.data(), key.size()});
  return value != nullptr && value->is_string() ? std::string(value->get_string()) : std::string();
}

std::string decode(const std::string& base64) {
  std::string out;
  if (!absl::Base64Unescape(base64, &out)) throw std::runtime_error("bad base64 in a recording");
  return out;
}

RecordedFrame frame_of(const json::object& line) {
  RecordedFrame frame{.conn = text_of(line, "conn"), .binary = false, .bytes = {}};
  if (line.contains("binary_b64")) {
    frame.binary = true;
    frame.bytes = decode(text_of(line, "binary_b64"));
  } else {
    frame.bytes = text_of(line, "text");
  }
  return frame;
}

void add_answer(RecordedExchange& exchange, const json::object& line) {
  exchange.status = static_cast<int>(line.at("status").to_number<int>());
  if (const auto* headers = line.if_contains("headers")) {
    exchange.content_type = text_of(headers->as_object(), "Content-Type");
  }
  if (const auto* body = line.if_contains("body")) {
    exchange.body = json::serialize(*body);
  } else {
    exchange.body = text_of(line, "body_text");
  }
  exchange.trimmed = line.contains("body_b64") || text_of(line, "note").find("trimmed") != std::string::npos;
}

Recording read(const std::filesystem::path& path) {
  Recording recording;
  recording.version = path.parent_path().filename().string();
  recording.name = recording.version + "/" + path.stem().string();
  std::map<int, RecordedExchange> open;
  std::ifstream in(path);
  for (std::string text; std::getline(in, text);) {
    const auto line = json::parse(text).as_object();
    const std::string dir = text_of(line, "dir");
    if (dir == "http-req") {
      RecordedExchange exchange{.method = text_of(line, "method"),
                                .path = text_of(line, "path"),
                                .request_body = {},
                                .status = 0,
                                .content_type = {},
                                .body = {},
                                .trimmed = false};
      if (const auto* body = line.if_contains("body"); body != nullptr && body->is_object()) {
        exchange.request_body = body->get_object();
      }
      open[line.at("id").to_number<int>()] = std::move(exchange);
    } else if (dir == "http-resp") {
      auto node = open.extract(line.at("id").to_number<int>());
      if (node.empty()) throw std::runtime_error("an answer without a request in " + recording.name);
      add_answer(node.mapped(), line);
      recording.events.push_back({.exchange = std::move(node.mapped()), .frame = {}});
    } else if (dir == "ws-recv" && (line.contains("text") || line.contains("binary_b64"))) {
      recording.events.push_back({.exchange = {}, .frame = frame_of(line)});
    }
  }
  if (!in.eof()) throw std::runtime_error("cannot read " + recording.name);
  return recording;
}

}  // namespace

const std::vector<Recording>& recordings() {
  static const auto* const all = [] {
    const char* root = std::getenv("RENDERYARD_TEST_SOURCE_DIR");
    const std::filesystem::path folder = std::filesystem::path(root == nullptr ? "." : root) / "tests/recordings";
    auto* out = new std::vector<Recording>();
    for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
      if (entry.path().extension() == ".jsonl") out->push_back(read(entry.path()));
    }
    std::sort(out->begin(), out->end(), [](const auto& a, const auto& b) { return a.name < b.name; });
    return out;
  }();
  return *all;
}

}  // namespace renderyard::testing
