#include "libs/common/domain/json_text.h"

#include <absl/strings/str_cat.h>
#include <simdjson.h>

#include <algorithm>
#include <charconv>
#include <optional>

namespace renderyard::domain {

namespace {

enum class Fault { kNone, kSyntax, kDepth, kUnstorable };

// Walks over values, remembering the first fault. `at` is valid up to and including the end of the text.
class Walker {
 public:
  explicit Walker(std::string_view text) : text_(text) {}

  std::size_t at() const { return at_; }
  Fault fault() const { return fault_; }
  std::size_t fault_at() const { return fault_at_; }
  bool at_end() const { return at_ >= text_.size(); }

  void space() {
    while (at_ < text_.size() &&
           (text_[at_] == ' ' || text_[at_] == '\n' || text_[at_] == '\r' || text_[at_] == '\t')) {
      ++at_;
    }
  }

  bool take(char c) {
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }

  bool value(int depth) {
    if (depth > kJsonTextDepth) return fail(Fault::kDepth);
    if (at_ >= text_.size()) return fail(Fault::kSyntax);
    switch (text_[at_]) {
      case '{':
        return object(depth);
      case '[':
        return array(depth);
      case '"':
        return string();
      case 't':
        return word("true");
      case 'f':
        return word("false");
      case 'n':
        return word("null");
      default:
        return number();
    }
  }

  bool string() {
    if (!take('"')) return fail(Fault::kSyntax);
    while (at_ < text_.size()) {
      const auto c = static_cast<unsigned char>(text_[at_]);
      if (c == '"') {
        ++at_;
        return true;
      }
      if (c < 0x20) return fail(Fault::kSyntax);
      if (c != '\\') {
        ++at_;
      } else if (!escape()) {
        return false;
      }
    }
    return fail(Fault::kSyntax);
  }

  bool fail(Fault fault) {
    if (fault_ == Fault::kNone || (fault_ == Fault::kUnstorable && fault != Fault::kUnstorable)) {
      fault_ = fault;
      fault_at_ = at_;
    }
    return false;
  }

 private:
  bool object(int depth) {
    ++at_;
    space();
    if (take('}')) return true;
    while (true) {
      space();
      if (!string()) return false;
      space();
      if (!take(':')) return fail(Fault::kSyntax);
      space();
      if (!value(depth + 1)) return false;
      space();
      if (take('}')) return true;
      if (!take(',')) return fail(Fault::kSyntax);
    }
  }

  bool array(int depth) {
    ++at_;
    space();
    if (take(']')) return true;
    while (true) {
      space();
      if (!value(depth + 1)) return false;
      space();
      if (take(']')) return true;
      if (!take(',')) return fail(Fault::kSyntax);
    }
  }

  bool word(std::string_view expected) {
    if (text_.substr(at_, expected.size()) != expected) return fail(Fault::kSyntax);
    at_ += expected.size();
    return true;
  }

  bool digits() {
    const auto begin = at_;
    while (at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9') ++at_;
    return at_ > begin;
  }

  bool number() {
    take('-');
    if (!take('0') && !digits()) return fail(Fault::kSyntax);
    if (take('.') && !digits()) return fail(Fault::kSyntax);
    if (take('e') || take('E')) {
      if (!take('+')) take('-');
      if (!digits()) return fail(Fault::kSyntax);
    }
    return true;
  }

  std::optional<unsigned> hex4(std::size_t at) const {
    if (at + 4 > text_.size()) return std::nullopt;
    unsigned value = 0;
    const auto* const begin = text_.data() + at;
    if (std::from_chars(begin, begin + 4, value, 16).ptr != begin + 4) return std::nullopt;
    return value;
  }

  bool escape() {
    if (at_ + 1 >= text_.size()) return fail(Fault::kSyntax);
    const char kind = text_[at_ + 1];
    if (kind != 'u') {
      if (std::string_view("\"\\/bfnrt").find(kind) == std::string_view::npos) return fail(Fault::kSyntax);
      at_ += 2;
      return true;
    }
    const auto unit = hex4(at_ + 2);
    if (!unit) return fail(Fault::kSyntax);
    if (*unit >= 0xD800 && *unit <= 0xDBFF && text_.substr(at_ + 6, 2) == "\\u") {
      const auto low = hex4(at_ + 8);
      if (low && *low >= 0xDC00 && *low <= 0xDFFF) {
        at_ += 12;
        return true;
      }
    }
    // Remembered, not the end of the walk: a syntax error further on is the graver fault.
    if (*unit == 0 || (*unit >= 0xD800 && *unit <= 0xDFFF)) fail(Fault::kUnstorable);
    at_ += 6;
    return true;
  }

  std::string_view text_;
  std::size_t at_ = 0;
  Fault fault_ = Fault::kNone;
  std::size_t fault_at_ = 0;
};

std::string place(std::string_view text, std::size_t at) {
  const auto before = text.substr(0, at);
  const auto line = 1 + std::count(before.begin(), before.end(), '\n');
  const auto line_begin = before.rfind('\n');
  const auto column = line_begin == std::string_view::npos ? at + 1 : at - line_begin;
  return absl::StrCat("line ", line, " column ", column);
}

void append_utf8(std::string& out, unsigned code) {
  if (code < 0x80) {
    out += static_cast<char>(code);
  } else if (code < 0x800) {
    out += static_cast<char>(0xC0 | (code >> 6));
    out += static_cast<char>(0x80 | (code & 0x3F));
  } else if (code < 0x10000) {
    out += static_cast<char>(0xE0 | (code >> 12));
    out += static_cast<char>(0x80 | ((code >> 6) & 0x3F));
    out += static_cast<char>(0x80 | (code & 0x3F));
  } else {
    out += static_cast<char>(0xF0 | (code >> 18));
    out += static_cast<char>(0x80 | ((code >> 12) & 0x3F));
    out += static_cast<char>(0x80 | ((code >> 6) & 0x3F));
    out += static_cast<char>(0x80 | (code & 0x3F));
  }
}

unsigned hex(std::string_view four) {
  unsigned value = 0;
  std::from_chars(four.data(), four.data() + four.size(), value, 16);
  return value;
}

}  // namespace

absl::Status check_json_text(std::string_view text) {
  if (!simdjson::validate_utf8(text.data(), text.size())) return absl::InvalidArgumentError("not UTF-8");
  Walker walker(text);
  walker.space();
  if (walker.value(1)) {
    walker.space();
    if (!walker.at_end()) walker.fail(Fault::kSyntax);
  }
  switch (walker.fault()) {
    case Fault::kNone:
      return absl::OkStatus();
    case Fault::kUnstorable:
      return absl::FailedPreconditionError(absl::StrCat(
          "a string has the character U+0000 or half a surrogate pair at ", place(text, walker.fault_at())));
    case Fault::kDepth:
      return absl::InvalidArgumentError(absl::StrCat("nested deeper than ", kJsonTextDepth, " levels"));
    case Fault::kSyntax:
      break;
  }
  return absl::InvalidArgumentError(absl::StrCat("not JSON at ", place(text, walker.fault_at())));
}

std::vector<JsonMember> json_members(std::string_view object) {
  std::vector<JsonMember> members;
  Walker walker(object);
  walker.space();
  if (!walker.take('{')) return members;
  walker.space();
  if (walker.take('}')) return members;
  do {
    walker.space();
    const auto key_begin = walker.at();
    if (!walker.string()) return {};
    const auto key = object.substr(key_begin, walker.at() - key_begin);
    walker.space();
    if (!walker.take(':')) return {};
    walker.space();
    const auto begin = walker.at();
    if (!walker.value(1)) return {};
    members.push_back({json_string(key), object.substr(begin, walker.at() - begin)});
    walker.space();
  } while (walker.take(','));
  return members;
}

std::string_view json_member(std::string_view object, std::string_view key) {
  std::string_view found;
  for (const auto& member : json_members(object)) {
    if (member.key == key) found = member.value;
  }
  return found;
}

std::string json_string(std::string_view string) {
  std::string out;
  if (string.size() < 2 || string.front() != '"') return out;
  string = string.substr(1, string.size() - 2);
  out.reserve(string.size());
  for (std::size_t i = 0; i < string.size(); ++i) {
    if (string[i] != '\\' || i + 1 >= string.size()) {
      out += string[i];
      continue;
    }
    switch (string[++i]) {
      case 'b':
        out += '\b';
        break;
      case 'f':
        out += '\f';
        break;
      case 'n':
        out += '\n';
        break;
      case 'r':
        out += '\r';
        break;
      case 't':
        out += '\t';
        break;
      case 'u': {
        unsigned code = hex(string.substr(std::min(i + 1, string.size()), 4));
        i += 4;
        if (code >= 0xD800 && code <= 0xDBFF && i + 6 < string.size()) {
          code = 0x10000 + ((code - 0xD800) << 10) + (hex(string.substr(i + 3, 4)) - 0xDC00);
          i += 6;
        }
        append_utf8(out, code);
        break;
      }
      default:
        out += string[i];
    }
  }
  return out;
}

}  // namespace renderyard::domain
