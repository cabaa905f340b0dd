#include "services/api-gateway/duplicate_key.h"

#include <algorithm>
#include <vector>

#include "libs/common/domain/json_text.h"

namespace renderyard::gateway {

namespace {

// The text is known to be JSON, nested no deeper than domain::kJsonTextDepth.
class Finder {
 public:
  explicit Finder(std::string_view text) : text_(text) {}

  bool value() {
    space();
    const char c = text_[at_];
    if (c == '{') return object();
    if (c == '[') return array();
    if (c == '"') {
      string();
      return false;
    }
    while (at_ < text_.size() && std::string_view(",]} \t\r\n").find(text_[at_]) == std::string_view::npos) ++at_;
    return false;
  }

  std::string path() const {
    std::string out;
    for (const std::string& part : path_) {
      if (!out.empty()) out += '.';
      out += part;
    }
    return out;
  }

 private:
  bool object() {
    const std::size_t first_key = keys_.size();
    ++at_;
    for (space(); text_[at_] != '}'; space()) {
      const std::string_view raw = string();
      // Names are compared as they are read, not as they are written ("a" is "\u0061").
      if (raw.find('\\') == std::string_view::npos) {
        keys_.emplace_back(raw.substr(1, raw.size() - 2));
      } else {
        keys_.push_back(domain::json_string(raw));
      }
      space();
      ++at_;  // the colon
      path_.push_back(keys_.back());
      if (value()) return true;
      path_.pop_back();
      space();
      if (text_[at_] == ',') ++at_;
    }
    ++at_;
    const auto begin = keys_.begin() + static_cast<std::ptrdiff_t>(first_key);
    std::sort(begin, keys_.end());
    const auto twice = std::adjacent_find(begin, keys_.end());
    if (twice != keys_.end()) {
      path_.push_back(*twice);
      return true;
    }
    keys_.erase(begin, keys_.end());
    return false;
  }

  bool array() {
    ++at_;
    std::size_t index = 0;
    for (space(); text_[at_] != ']'; space()) {
      path_.push_back(std::to_string(index++));
      if (value()) return true;
      path_.pop_back();
      space();
      if (text_[at_] == ',') ++at_;
    }
    ++at_;
    return false;
  }

  std::string_view string() {
    const std::size_t begin = at_++;
    while (text_[at_] != '"') at_ += text_[at_] == '\\' ? 2 : 1;
    ++at_;
    return text_.substr(begin, at_ - begin);
  }

  void space() {
    while (at_ < text_.size() && std::string_view(" \t\r\n").find(text_[at_]) != std::string_view::npos) ++at_;
  }

  std::string_view text_;
  std::size_t at_ = 0;
  std::vector<std::string> keys_;  // of the objects that are open, innermost last
  std::vector<std::string> path_;
};

}  // namespace

std::optional<std::string> find_duplicate_key(std::string_view text) {
  Finder finder(text);
  if (!finder.value()) return std::nullopt;
  return finder.path();
}

}  // namespace renderyard::gateway
