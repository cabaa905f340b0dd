#include "tests/comfysim/replay/recording.h"

#include <array>
#include <fstream>
#include <stdexcept>
#include <utility>

namespace comfysim::replay {

std::string Line::text(std::string_view key) const {
  const json::value* value = fields.if_contains(json::string_view(key.data(), key.size()));
  return value != nullptr && value->is_string() ? std::string(value->get_string()) : std::string();
}

std::int64_t Line::number(std::string_view key) const {
  const json::value* value = fields.if_contains(json::string_view(key.data(), key.size()));
  return value != nullptr && value->is_int64() ? value->get_int64() : 0;
}

Frame Line::frame() const {
  if (text("control") == "pong") return {Frame::Kind::kPong, text("payload")};
  if (fields.contains("binary_b64")) return {Frame::Kind::kBinary, decode_base64(text("binary_b64"))};
  return {Frame::Kind::kText, text("text")};
}

std::vector<Line> read_recording(const std::filesystem::path& file) {
  std::ifstream in(file);
  if (!in) throw std::runtime_error("cannot read " + file.string());
  std::vector<Line> out;
  for (std::string text; std::getline(in, text);) {
    std::optional<json::value> value = parse_json(text);
    if (!value || !value->is_object()) throw std::runtime_error(file.string() + ": a line is no JSON object");
    Line line;
    line.fields = std::move(value->get_object());
    line.t_ms = line.number("t_ms");
    line.dir = line.text("dir");
    out.push_back(std::move(line));
  }
  return out;
}

std::string decode_base64(std::string_view text) {
  static constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  std::uint32_t bits = 0;
  int count = 0;
  for (const char c : text) {
    const std::size_t value = kAlphabet.find(c);
    if (value == std::string_view::npos) break;  // padding, or the "..." of a shortened body
    bits = (bits << 6) | static_cast<std::uint32_t>(value);
    if ((count += 6) >= 8) {
      count -= 8;
      out += static_cast<char>((bits >> count) & 0xff);
    }
  }
  return out;
}

}  // namespace comfysim::replay
