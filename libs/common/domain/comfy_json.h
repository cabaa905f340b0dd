// The one tolerant reader of JSON that ComfyUI wrote. Python's writer leaves NaN, Infinity and -Infinity bare, writes
// integers of any size, half surrogate pairs and \u0000 (seen in tests/recordings). Here these become null, a double,
// and U+FFFD; everything else that is no JSON is an error.
//
// The common path is one pass of simdjson. Only a text that it refuses is rewritten (one linear pass) and read again.
// A ComfyValue is a view into its ComfyDocument and must not outlive it. Asking a value for what it is not gives the
// fallback, never an error, because ComfyUI's types differ by version (arrays for objects, floats for integers).
// Thread-safety: a document may be read by several threads.
#pragma once

#include <absl/status/statusor.h>
#include <simdjson.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace renderyard::domain {

class ComfyValue {
 public:
  ComfyValue() = default;  // missing
  explicit ComfyValue(simdjson::dom::element element) : element_(element) {}

  explicit operator bool() const { return element_.has_value(); }
  bool is_object() const { return element_ && element_->is_object(); }
  bool is_array() const { return element_ && element_->is_array(); }
  bool is_string() const { return element_ && element_->is_string(); }
  bool is_number() const { return element_ && element_->is_number(); }
  bool is_null() const { return element_ && element_->is_null(); }

  // The member `key` of an object; missing otherwise. The first one when a key stands twice.
  ComfyValue operator[](std::string_view key) const;
  // The n-th item of an array; missing otherwise.
  ComfyValue operator[](std::size_t n) const;

  // Members of an object, items of an array, in the order of the text; empty for everything else.
  std::vector<std::pair<std::string, ComfyValue>> members() const;
  std::vector<ComfyValue> items() const;

  // A string with U+0000 replaced by U+FFFD; `fallback` for everything else.
  std::string string_or(std::string_view fallback) const;
  // For ids, which are strings but have been seen as numbers: a string, or an integer as decimal text; "" otherwise.
  std::string id_text() const;
  std::optional<double> number() const;
  bool bool_or(bool fallback) const;

  // The value as strict JSON that PostgreSQL's jsonb takes; "null" when missing.
  std::string to_json() const;

 private:
  std::optional<simdjson::dom::element> element_;
};

class ComfyDocument {
 public:
  ComfyValue root() const { return ComfyValue(root_); }
  // True when something had to be rewritten (NaN and the like) to read the text at all.
  bool repaired() const { return repaired_; }

 private:
  friend absl::StatusOr<ComfyDocument> parse_comfy_json(std::string_view text);
  ComfyDocument(std::unique_ptr<simdjson::dom::parser> parser, simdjson::dom::element root, bool repaired)
      : parser_(std::move(parser)), root_(root), repaired_(repaired) {}

  std::unique_ptr<simdjson::dom::parser> parser_;  // owns what root_ points into
  simdjson::dom::element root_;
  bool repaired_ = false;
};

// Deepest nesting accepted. ComfyUI's own messages have fewer than 10 levels.
inline constexpr std::size_t kComfyJsonDepth = 256;

// INVALID_ARGUMENT for text that is no JSON even so, is nested too deep, or is empty.
absl::StatusOr<ComfyDocument> parse_comfy_json(std::string_view text);

// Reads one text after the other without allocating for each: for streams of small texts. Keeps at most kKept bytes of
// text's worth of memory. Thread-safety: one thread at a time.
class ComfyParser {
 public:
  // As parse_comfy_json(); the value is good until the next call.
  absl::StatusOr<ComfyValue> parse(std::string_view text);

 private:
  static constexpr std::size_t kKept = std::size_t{256} << 10;
  std::unique_ptr<simdjson::dom::parser> parser_;
  bool outgrown_ = false;
};

// `text` with bare NaN/Infinity as null, integers beyond 64 bits as doubles, numbers beyond double as null, and half
// surrogate pairs as \ufffd. Not validated otherwise.
std::string repair_python_json(std::string_view text);

// Appends `text` as a quoted JSON string (U+0000 becomes U+FFFD). `text` must be UTF-8.
void append_json_string(std::string& out, std::string_view text);

}  // namespace renderyard::domain
