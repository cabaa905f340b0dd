#include "tests/comfysim/replay/differ.h"

#include <algorithm>
#include <regex>
#include <set>
#include <string_view>

namespace comfysim::replay {
namespace {

using Keys = std::set<std::string_view>;

// Clocks and sizes of the machine: only that they are there, and of the same kind.
const Keys& machine_keys() {
  static const Keys kKeys = {"timestamp",
                             "create_time",
                             "execution_start_time",
                             "execution_end_time",
                             "t",
                             "m",
                             "ram_total",
                             "ram_free",
                             "vram_total",
                             "vram_free",
                             "torch_vram_total",
                             "torch_vram_free",
                             "argv",
                             "python_version",
                             "pytorch_version",
                             "deploy_environment",
                             "os",
                             "traceback"};
  return kKeys;
}

// Lists that ComfyUI makes from Python sets, or whose order is that of a set.
const Keys& unordered_keys() {
  static const Keys kKeys = {"executed", "nodes", "dependent_outputs", "current_outputs", "errors"};
  return kKeys;
}

std::string shorten(const std::string& text) {
  return text.size() > 300 ? text.substr(0, 300) + "..." : text;
}

std::string show(const json::value& value) {
  return shorten(dump_json(value));
}

bool is_of_form(const std::string& text, const std::regex& form, std::string* fixed) {
  std::smatch parts;
  if (!std::regex_match(text, parts, form)) return false;
  *fixed = parts.size() > 1 ? parts[1].str() : "";
  return true;
}

// Representations of tensors are those of a library that is not here.
bool is_tensor(const json::value& value) {
  return value.is_string() && std::string_view(value.get_string()).starts_with("tensor(");
}

const json::value* find_pointer(const json::value& value, const char* pointer) {
  boost::system::error_code missing;
  return value.find_pointer(pointer, missing);
}

}  // namespace

bool Names::match(const std::string& recorded, const std::string& actual) {
  if (const auto known = ours_.find(recorded); known != ours_.end()) return known->second == actual;
  // Most texts are no names at all.
  if (recorded == actual) return !recorded_.contains(actual);
  static const std::regex kForms[] = {
      std::regex("[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}()"),  // prompt id
      std::regex("[0-9a-f]{32}()"),                                                  // client id made by the server
      std::regex("ComfyUI_temp_[a-z]{5}_[0-9]{5}_(\\.[a-z]+)"),                      // PreviewImage
      std::regex("(.*)_[0-9]{5}_\\.[a-z]+"),                                         // SaveImage
  };
  const bool same_form = std::any_of(std::begin(kForms), std::end(kForms), [&](const std::regex& form) {
    std::string left;
    std::string right;
    return is_of_form(recorded, form, &left) && is_of_form(actual, form, &right) && left == right;
  });
  if (!same_form || recorded_.contains(actual)) return false;
  ours_[recorded] = actual;
  recorded_[actual] = recorded;
  return true;
}

void Names::keep(const std::string& id) {
  if (id.empty()) return;
  ours_.emplace(id, id);
  recorded_.emplace(id, id);
}

std::string Names::translate(std::string text) const {
  for (const auto& [recorded, ours] : ours_) {
    for (std::size_t at = text.find(recorded); at != std::string::npos; at = text.find(recorded, at + ours.size())) {
      text.replace(at, recorded.size(), ours);
    }
  }
  return text;
}

json::value Names::translate(const json::value& value) const {
  if (value.is_string()) return json::value(translate(std::string(value.get_string())));
  if (value.is_array()) {
    json::array out;
    for (const json::value& item : value.get_array()) out.push_back(translate(item));
    return out;
  }
  if (value.is_object()) {
    json::object out;
    for (const auto& [key, item] : value.get_object()) out[translate(std::string(key))] = translate(item);
    return out;
  }
  return value;
}

void Differ::compare(const json::value& recorded, const json::value& actual, const std::string& where, bool trimmed) {
  if (trimmed && (recorded == "..." || recorded == "present")) return;
  if (is_tensor(recorded) && is_tensor(actual)) return;
  const bool number = recorded.is_number() && actual.is_number();
  const bool same_kind = number ? recorded.is_double() == actual.is_double() : recorded.kind() == actual.kind();
  if (!same_kind) {
    report(where + ": recorded " + show(recorded) + ", got " + show(actual));
  } else if (recorded.is_object()) {
    compare_objects(recorded.get_object(), actual.get_object(), where, trimmed);
  } else if (recorded.is_array()) {
    compare_arrays(recorded.get_array(), actual.get_array(), where, trimmed);
  } else if (recorded.is_string()) {
    const std::string left(recorded.get_string());
    const std::string right(actual.get_string());
    if (left != right && !names_.match(left, right) && names_.translate(left) != right) {
      report(where + ": recorded " + show(recorded) + ", got " + show(actual));
    }
  } else if (number ? dump_json(recorded) != dump_json(actual) : recorded != actual) {
    report(where + ": recorded " + show(recorded) + ", got " + show(actual));
  }
}

void Differ::compare_objects(const json::object& recorded, const json::object& actual, const std::string& where,
                             bool trimmed) {
  std::set<std::string> seen;
  for (const auto& [key, value] : recorded) {
    const std::string name = names_.translate(std::string(key));
    const json::value* found = actual.if_contains(name);
    // An object keyed by ids of the server's own making has one we have not met yet.
    if (found == nullptr && recorded.size() == actual.size()) {
      const auto next = std::find_if(actual.begin(), actual.end(), [&](const auto& item) {
        return !recorded.contains(item.key()) && !seen.contains(std::string(item.key()));
      });
      if (next != actual.end() && names_.match(std::string(key), std::string(next->key()))) found = &next->value();
      if (found != nullptr) seen.insert(std::string(next->key()));
    }
    if (found == nullptr) {
      report(where + ": no " + name + ", recorded " + show(value));
      continue;
    }
    seen.insert(name);
    const std::string_view plain(key.data(), key.size());
    if (machine_keys().contains(plain)) {
      const bool same = value.is_number() ? found->is_number() : value.kind() == found->kind();
      if (!same) report(where + "." + name + ": recorded " + show(value) + ", got " + show(*found));
    } else if (unordered_keys().contains(plain) && value.is_array() && found->is_array()) {
      compare_sets(value.get_array(), found->get_array(), where + "." + name);
    } else {
      compare(value, *found, where + "." + name, trimmed);
    }
  }
  if (trimmed) return;
  for (const auto& [key, value] : actual) {
    if (!seen.contains(std::string(key))) report(where + ": not recorded: " + std::string(key) + " = " + show(value));
  }
}

void Differ::compare_arrays(const json::array& recorded, const json::array& actual, const std::string& where,
                            bool trimmed) {
  std::size_t size = recorded.size();
  const bool goes_on = trimmed && size > 0 && recorded.back().is_string() &&
                       std::string_view(recorded.back().get_string()).starts_with("...");
  if (goes_on) --size;
  if (trimmed ? actual.size() < size : actual.size() != size) {
    report(where + ": recorded " + std::to_string(size) + " items, got " + std::to_string(actual.size()) + ": " +
           show(recorded) + " / " + show(actual));
    return;
  }
  for (std::size_t i = 0; i < size; ++i) {
    compare(recorded[i], actual[i], where + "[" + std::to_string(i) + "]", trimmed);
  }
}

void Differ::compare_sets(const json::array& recorded, json::array actual, const std::string& where) {
  if (recorded.size() != actual.size()) {
    report(where + ": recorded " + show(recorded) + ", got " + show(actual));
    return;
  }
  for (const json::value& item : recorded) {
    const auto found = std::find_if(actual.begin(), actual.end(), [&](const json::value& candidate) {
      Differ attempt;
      attempt.names_ = names_;
      attempt.compare(item, candidate, "");
      return attempt.found_.empty();
    });
    if (found == actual.end()) {
      // With one left the reason is worth more than the fact.
      if (actual.size() == 1) return compare(item, actual[0], where + "[0]");
      report(where + ": recorded " + show(item) + " is not among " + show(actual));
      return;
    }
    actual.erase(found);
  }
}

void Differ::report(std::string difference) {
  for (const std::string& beginning : allowed_) {
    if (difference.starts_with(beginning)) return;
  }
  found_.push_back(std::move(difference));
}

void Differ::compare(const std::vector<Heard>& recorded, const std::vector<Heard>& actual, const std::string& where,
                     bool counted) {
  Differ strict = *this;
  strict.compare_in_order(recorded, actual, where, counted);
  if (strict.found_.size() == found_.size()) {
    *this = std::move(strict);
    return;
  }
  const auto without_statuses = [](std::vector<Heard> all) {
    std::erase_if(all, is_status);
    return all;
  };
  compare_in_order(without_statuses(recorded), without_statuses(actual), where + " without statuses", counted);
  compare_statuses(recorded, actual, where + " statuses");
}

// The same number of them, the same first and last, and no jump between that the recording does not have.
void Differ::compare_statuses(const std::vector<Heard>& recorded, const std::vector<Heard>& actual,
                              const std::string& where) {
  const auto counts = [](const std::vector<Heard>& all) {
    std::vector<std::int64_t> out;
    for (const Heard& heard : all) {
      if (!is_status(heard)) continue;
      const json::value* left = find_pointer(heard.message, "/data/status/exec_info/queue_remaining");
      out.push_back(left == nullptr ? -1 : left->to_number<std::int64_t>());
    }
    return out;
  };
  const auto largest_jump = [](const std::vector<std::int64_t>& all) {
    std::int64_t out = 1;
    for (std::size_t i = 1; i < all.size(); ++i) out = std::max(out, std::abs(all[i] - all[i - 1]));
    return out;
  };
  const std::vector<std::int64_t> left = counts(recorded);
  const std::vector<std::int64_t> right = counts(actual);
  const bool alike = left.size() == right.size() &&
                     (left.empty() || (left.front() == right.front() && left.back() == right.back())) &&
                     largest_jump(right) <= largest_jump(left);
  const auto show_all = [](const std::vector<std::int64_t>& all) {
    std::string out;
    for (const std::int64_t count : all) out += " " + std::to_string(count);
    return out;
  };
  if (!alike) report(where + ": recorded" + show_all(left) + ", got" + show_all(right));
}

void Differ::compare_in_order(const std::vector<Heard>& recorded, const std::vector<Heard>& actual,
                              const std::string& where, bool counted) {
  for (std::size_t i = 0; i < std::max(recorded.size(), actual.size()); ++i) {
    const std::string place = where + "[" + std::to_string(i) + "]";
    if (i >= actual.size()) {
      report(place + ": did not come: " + shorten(describe(recorded[i])));
      return;
    }
    if (i >= recorded.size()) {
      report(place + ": came, was not recorded: " + shorten(describe(actual[i])));
      return;
    }
    const std::size_t before = found_.size();
    if (recorded[i].is_reports() && actual[i].is_reports()) {
      compare_reports(recorded[i].reports, actual[i].reports, place, counted);
    } else if (recorded[i].is_reports() || actual[i].is_reports()) {
      report(place + ": recorded " + shorten(describe(recorded[i])) + ", got " + shorten(describe(actual[i])));
      return;
    } else {
      compare(recorded[i].message, actual[i].message, place);
      const json::value* left = member(recorded[i].message, "type");
      const json::value* right = member(actual[i].message, "type");
      // Out of step: all that follows would differ.
      if (left != nullptr && right != nullptr && *left != *right) {
        report(place + ": recorded " + shorten(describe(recorded[i])) + ", got " + shorten(describe(actual[i])));
        return;
      }
    }
    if (found_.size() > before + 5) return;
  }
}

void Differ::compare_reports(const Reports& recorded, const Reports& actual, const std::string& where, bool counted) {
  const auto differ = [&](const char* what, const std::string& left, const std::string& right) {
    report(where + ": reports of node " + recorded.node + ", " + what + ": recorded " + left + ", got " + right);
  };
  if (recorded.node != actual.node) differ("node", recorded.node, actual.node);
  if (recorded.prompt_id != actual.prompt_id && !names_.match(recorded.prompt_id, actual.prompt_id)) {
    differ("prompt", recorded.prompt_id, actual.prompt_id);
  }
  if (recorded.pattern != actual.pattern) differ("pattern", recorded.pattern, actual.pattern);
  if (recorded.max != actual.max) differ("max", dump_json(recorded.max), dump_json(actual.max));
  const bool from_start = recorded.first == 1;
  const bool to_end = recorded.last == recorded.max;
  if (from_start) {
    if (dump_json(recorded.first) != dump_json(actual.first)) {
      differ("first value", dump_json(recorded.first), dump_json(actual.first));
    }
    compare(recorded.first_state, actual.first_state, where + " first progress_state");
  }
  if (to_end && recorded.last != actual.last) differ("last value", dump_json(recorded.last), dump_json(actual.last));
  if (counted && from_start && to_end && recorded.count != actual.count) {
    differ("count", std::to_string(recorded.count), std::to_string(actual.count));
  }
}

}  // namespace comfysim::replay
