#include "libs/common/domain/comfy_json.h"

#include <array>
#include <charconv>
#include <cmath>

#include "libs/common/base/json.h"

namespace renderyard::domain {

namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";  // U+FFFD

void append_number(std::string& out, double value) {
  if (!std::isfinite(value)) {
    out += "null";
    return;
  }
  std::array<char, 32> buffer{};
  char* const last = buffer.data() + buffer.size();
  // The shortest form of a large double may be an integer of more than 64 bits, which readers refuse.
  const auto end = std::abs(value) < 1e15 ? std::to_chars(buffer.data(), last, value)
                                          : std::to_chars(buffer.data(), last, value, std::chars_format::scientific);
  out.append(buffer.data(), end.ptr);
}

// Recursion is bounded by kComfyJsonDepth, which the parser has enforced.
void append_json(std::string& out, simdjson::dom::element element) {
  using simdjson::dom::element_type;
  switch (element.type()) {
    case element_type::OBJECT: {
      out += '{';
      bool first = true;
      for (const auto member : simdjson::dom::object(element)) {
        if (!first) out += ',';
        first = false;
        append_json_string(out, member.key);
        out += ':';
        append_json(out, member.value);
      }
      out += '}';
      return;
    }
    case element_type::ARRAY: {
      out += '[';
      bool first = true;
      for (const auto item : simdjson::dom::array(element)) {
        if (!first) out += ',';
        first = false;
        append_json(out, item);
      }
      out += ']';
      return;
    }
    case element_type::STRING:
      append_json_string(out, std::string_view(element));
      return;
    case element_type::INT64:
      out += std::to_string(std::int64_t(element));
      return;
    case element_type::UINT64:
      out += std::to_string(std::uint64_t(element));
      return;
    case element_type::DOUBLE:
      append_number(out, double(element));
      return;
    case element_type::BOOL:
      out += bool(element) ? "true" : "false";
      return;
    case element_type::NULL_VALUE:
      out += "null";
      return;
  }
}

std::string without_nul(std::string_view text) {
  if (text.find('\0') == std::string_view::npos) return std::string(text);
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    if (c == '\0') {
      out += kReplacement;
    } else {
      out += c;
    }
  }
  return out;
}

simdjson::error_code parse_once(simdjson::dom::parser& parser, std::string_view text, simdjson::dom::element& root) {
  // Depth is fixed with the first allocation.
  const std::size_t needed = std::max<std::size_t>(text.size(), 64);
  if (parser.capacity() < needed || parser.max_depth() != kComfyJsonDepth) {
    if (const auto error = parser.allocate(needed, kComfyJsonDepth)) return error;
  }
  return parser.parse(text.data(), text.size()).get(root);
}

// OK: `root` is what the text says, `repaired` whether it had to be rewritten first.
absl::Status parse_tolerant(simdjson::dom::parser& parser, std::string_view text, simdjson::dom::element& root,
                            bool& repaired) {
  auto error = parse_once(parser, text, root);
  if (error == simdjson::SUCCESS) return absl::OkStatus();
  // Errors of a text as a whole cannot be repaired; the rest may be a bare NaN, a huge number or half a surrogate pair.
  if (error != simdjson::EMPTY && error != simdjson::DEPTH_ERROR && error != simdjson::CAPACITY &&
      error != simdjson::MEMALLOC && error != simdjson::UTF8_ERROR) {
    const std::string strict = repair_python_json(text);
    if (strict != text) {
      repaired = true;
      error = parse_once(parser, strict, root);
      if (error == simdjson::SUCCESS) return absl::OkStatus();
    }
  }
  return absl::InvalidArgumentError(std::string("not JSON: ") + simdjson::error_message(error));
}

}  // namespace

void append_json_string(std::string& out, std::string_view text) {
  constexpr std::string_view kHex = "0123456789abcdef";
  out += '"';
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (c == '\0') {
      out += kReplacement;
    } else if (byte < 0x20) {
      out += "\\u00";
      out += kHex[byte >> 4];
      out += kHex[byte & 15];
    } else {
      out += c;
    }
  }
  out += '"';
}

ComfyValue ComfyValue::operator[](std::string_view key) const {
  simdjson::dom::object object;
  simdjson::dom::element found;
  if (!element_ || element_->get(object) != simdjson::SUCCESS) return {};
  if (object.at_key(key).get(found) != simdjson::SUCCESS) return {};
  return ComfyValue(found);
}

ComfyValue ComfyValue::operator[](std::size_t n) const {
  simdjson::dom::array array;
  simdjson::dom::element found;
  if (!element_ || element_->get(array) != simdjson::SUCCESS) return {};
  if (array.at(n).get(found) != simdjson::SUCCESS) return {};
  return ComfyValue(found);
}

std::vector<std::pair<std::string, ComfyValue>> ComfyValue::members() const {
  std::vector<std::pair<std::string, ComfyValue>> out;
  simdjson::dom::object object;
  if (!element_ || element_->get(object) != simdjson::SUCCESS) return out;
  for (const auto member : object) out.emplace_back(without_nul(member.key), ComfyValue(member.value));
  return out;
}

std::vector<ComfyValue> ComfyValue::items() const {
  std::vector<ComfyValue> out;
  simdjson::dom::array array;
  if (!element_ || element_->get(array) != simdjson::SUCCESS) return out;
  for (const auto item : array) out.emplace_back(item);
  return out;
}

std::string ComfyValue::string_or(std::string_view fallback) const {
  std::string_view text;
  if (!element_ || element_->get(text) != simdjson::SUCCESS) return std::string(fallback);
  return without_nul(text);
}

std::string ComfyValue::id_text() const {
  if (!element_) return {};
  if (element_->is_int64()) return std::to_string(std::int64_t(*element_));
  if (element_->is_uint64()) return std::to_string(std::uint64_t(*element_));
  return string_or("");
}

std::optional<double> ComfyValue::number() const {
  double value = 0;
  if (!element_ || element_->get(value) != simdjson::SUCCESS) return std::nullopt;
  return value;
}

bool ComfyValue::bool_or(bool fallback) const {
  bool value = false;
  if (!element_ || element_->get(value) != simdjson::SUCCESS) return fallback;
  return value;
}

std::string ComfyValue::to_json() const {
  if (!element_) return "null";
  std::string out;
  append_json(out, *element_);
  return out;
}

absl::StatusOr<ComfyDocument> parse_comfy_json(std::string_view text) {
  auto parser = std::make_unique<simdjson::dom::parser>();
  simdjson::dom::element root;
  bool repaired = false;
  const absl::Status status = parse_tolerant(*parser, text, root, repaired);
  if (!status.ok()) return status;
  return ComfyDocument(std::move(parser), root, repaired);
}

absl::StatusOr<ComfyValue> ComfyParser::parse(std::string_view text) {
  if (!parser_ || outgrown_) parser_ = std::make_unique<simdjson::dom::parser>();
  outgrown_ = text.size() > kKept;
  simdjson::dom::element root;
  bool repaired = false;
  const absl::Status status = parse_tolerant(*parser_, text, root, repaired);
  if (!status.ok()) return status;
  return ComfyValue(root);
}

}  // namespace renderyard::domain
