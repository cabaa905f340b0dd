#include "libs/common/runtime/options.h"

#include <absl/strings/ascii.h>
#include <absl/strings/numbers.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_join.h>
#include <absl/strings/str_replace.h>
#include <absl/strings/str_split.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cctype>
#include <cstdio>
#include <fstream>
#include <iterator>

#include "libs/common/base/json.h"
#include "libs/common/runtime/environment.h"
#include "libs/common/runtime/listen_address.h"
#include "libs/common/runtime/option_names.h"

#ifndef RENDERYARD_VERSION
#error "the build gives RENDERYARD_VERSION"
#endif

namespace renderyard::runtime {

namespace {

// What stands in the place of a secret.
constexpr char kHidden[] = "(set)";

bool url_has_password(std::string_view url) {
  // libpq takes `password = secret` too.
  if (absl::StrContains(absl::StrReplaceAll(base::to_absl(url), {{" ", ""}, {"\t", ""}}), "password=")) return true;
  const auto scheme = url.find("://");
  if (scheme == std::string_view::npos) return false;
  const std::string_view authority = url.substr(scheme + 3, url.find_first_of("/?#", scheme + 3) - scheme - 3);
  const auto at = authority.rfind('@');
  return at != std::string_view::npos && authority.substr(0, at).find(':') != std::string_view::npos;
}

std::string quoted_or_none(const std::string& value) {
  return value.empty() ? "(none)" : value;
}

}  // namespace

struct Options::Entry {
  std::string name;
  std::string doc;
  std::string range;  // for people: "1 to 64 connections", "info, debug"
  std::string default_text;
  bool required = false;
  bool secret = false;                                    // never on the command line
  bool url = false;                                       // on the command line only without a password
  std::function<std::string(const std::string&)> assign;  // takes the text, returns what is wrong with it

  std::string current;  // the effective text
  std::string source = "default";
  std::string from_command_line;
  CLI::Option* cli = nullptr;
};

Options::Options(std::string program, std::string summary)
    : program_(std::move(program)), summary_(std::move(summary)) {}
Options::~Options() = default;

std::string Options::variable(std::string_view name) {
  std::string result = "RENDERYARD_";
  for (const char c : name) {
    result += c == '-' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  }
  return result;
}

Options::Entry& Options::add(std::string name, std::string doc) {
  entries_.push_back(std::make_unique<Entry>());
  entries_.back()->name = std::move(name);
  entries_.back()->doc = std::move(doc);
  return *entries_.back();
}

void Options::text(std::string name, std::string& target, TextRule rule) {
  Entry& entry = add(std::move(name), rule.doc);
  entry.default_text = target;
  entry.required = rule.required;
  entry.assign = [&target, check = rule.check](const std::string& value) {
    target = value;
    return check && !value.empty() ? check(value) : std::string();
  };
}

void Options::integer(std::string name, int& target, IntegerRule rule) {
  Entry& entry = add(std::move(name), rule.doc);
  entry.default_text = absl::StrCat(target);
  entry.range = absl::StrCat(rule.min, " to ", rule.max, rule.unit.empty() ? "" : " ", rule.unit);
  entry.assign = [&target, rule, range = entry.range](const std::string& value) -> std::string {
    std::int64_t number = 0;
    if (!absl::SimpleAtoi(value, &number)) return absl::StrCat("'", value, "' is not a whole number");
    if (number < rule.min || number > rule.max) return absl::StrCat(number, " is outside ", range);
    target = static_cast<int>(number);
    return {};
  };
}

void Options::duration(std::string name, absl::Duration& target, DurationRule rule) {
  Entry& entry = add(std::move(name), rule.doc);
  entry.default_text = absl::FormatDuration(target);
  entry.range = absl::StrCat(absl::FormatDuration(rule.min), " to ", absl::FormatDuration(rule.max));
  entry.assign = [&target, rule, range = entry.range](const std::string& value) -> std::string {
    absl::Duration parsed;
    if (!absl::ParseDuration(value, &parsed)) {
      return absl::StrCat("'", value, "' is not a duration; write a number with its unit, like 250ms, 10s or 5m");
    }
    if (parsed < rule.min || parsed > rule.max) return absl::StrCat(value, " is outside ", range);
    target = parsed;
    return {};
  };
}

void Options::choice(std::string name, std::string& target, std::vector<std::string> allowed, std::string doc) {
  Entry& entry = add(std::move(name), std::move(doc));
  entry.default_text = target;
  entry.range = absl::StrJoin(allowed, ", ");
  entry.assign = [&target, allowed = std::move(allowed), range = entry.range](const std::string& value) -> std::string {
    if (std::find(allowed.begin(), allowed.end(), value) == allowed.end()) {
      return absl::StrCat("'", value, "' is none of ", range);
    }
    target = value;
    return {};
  };
}

void Options::toggle(std::string name, bool& target, std::string doc) {
  Entry& entry = add(std::move(name), std::move(doc));
  entry.default_text = target ? "on" : "off";
  entry.range = "on, off";
  entry.assign = [&target](const std::string& value) -> std::string {
    if (value != "on" && value != "off") return absl::StrCat("'", value, "' is neither on nor off");
    target = value == "on";
    return {};
  };
}

void Options::list(std::string name, std::vector<std::string>& target, TextRule rule) {
  Entry& entry = add(std::move(name), rule.doc);
  entry.default_text = absl::StrJoin(target, ",");
  entry.range = "comma separated";
  entry.required = rule.required;
  entry.assign = [&target, check = rule.check](const std::string& value) -> std::string {
    target.clear();
    for (const auto part : absl::StrSplit(value, ',', absl::SkipWhitespace())) {
      target.emplace_back(absl::StripAsciiWhitespace(part));
      if (!check) continue;
      if (std::string wrong = check(target.back()); !wrong.empty()) return wrong;
    }
    return {};
  };
}

void Options::address(std::string name, std::string& target, TextRule rule) {
  auto own_check = rule.check;
  rule.check = [own_check](const std::string& value) {
    const auto parsed = parse_listen_address(value);
    if (!parsed.ok()) return std::string(parsed.status().message());
    return own_check ? own_check(value) : std::string();
  };
  text(std::move(name), target, std::move(rule));
  entries_.back()->range = "host:port";
}

void Options::secret(std::string name, std::string& target, SecretRule rule) {
  std::string file_doc = absl::StrCat("File with the value of ", name, ", for secrets that are mounted");
  {
    Entry& entry = add(name, rule.doc);
    entry.default_text = target;
    entry.required = rule.required;
    entry.secret = true;
    entry.url = rule.url;
    entry.assign = [&target](const std::string& value) {
      target = value;
      return std::string();
    };
  }
  Entry& file = add(name + "-file", std::move(file_doc));
  file.range = "path";
  file.assign = [](const std::string&) { return std::string(); };
}

void Options::check(std::function<std::vector<std::string>()> check) {
  checks_.push_back(std::move(check));
}

Options::Result Options::parse(const std::vector<std::string>& arguments, const Environment& environment) {
  Result result;
  CLI::App app(summary_, program_);
  app.set_help_flag("-h,--help", "Print this and exit");
  bool version = false;
  bool check_config = false;
  bool print_docs = false;
  app.add_flag("--version", version, "Print the version and exit");
  app.add_flag("--check-config", check_config, "Check all options, print what they come to and exit");
  app.add_flag("--print-config-docs", print_docs, "Print all options as Markdown and exit");
  app.allow_extras();
  for (auto& entry : entries_) {
    std::string doc = absl::StrCat(entry->doc, entry->range.empty() ? "" : " [", entry->range,
                                   entry->range.empty() ? "" : "]", " (", variable(entry->name), ")");
    entry->cli = app.add_option("--" + entry->name, entry->from_command_line, doc)->default_str(entry->default_text);
  }
  try {
    std::vector<std::string> reversed(arguments.rbegin(), arguments.rend());  // as CLI11 takes it
    app.parse(std::move(reversed));
  } catch (const CLI::CallForHelp&) {
    result.exit_code = 0;
    result.output = app.help();
    return result;
  } catch (const CLI::ParseError& error) {
    result.errors.emplace_back(error.what());
  }
  if (version) {
    result.exit_code = 0;
    result.output = absl::StrCat(program_, " ", RENDERYARD_VERSION, "\n");
    return result;
  }
  if (print_docs) {
    result.exit_code = 0;
    result.output = docs();
    return result;
  }

  for (const std::string& extra : app.remaining()) {
    result.errors.push_back(
        absl::StrCat("'", extra.substr(0, extra.find('=')), "' is no option of ", program_, "; see --help"));
  }
  for (std::string& wrong : unknown_variables(environment)) result.errors.push_back(std::move(wrong));

  std::map<std::string, std::string, std::less<>> variables(environment.begin(), environment.end());
  std::map<std::string, std::string, std::less<>> files;  // of secrets, by the secret's name
  // Backwards, so that <name>-file is known before its secret.
  for (auto it = entries_.rbegin(); it != entries_.rend(); ++it) {
    Entry& entry = **it;
    const std::string flag = "--" + entry.name;
    if (std::find(std::begin(kOptionNames), std::end(kOptionNames), entry.name) == std::end(kOptionNames)) {
      result.errors.push_back(absl::StrCat(flag, ": a defect of this program: not in the table of options"));
    }
    entry.current = entry.default_text;
    if (const auto found = variables.find(variable(entry.name)); found != variables.end()) {
      entry.current = found->second;
      entry.source = found->first;
    }
    if (entry.cli != nullptr && entry.cli->count() > 0) {
      if (entry.secret && !(entry.url && !url_has_password(entry.from_command_line))) {
        result.errors.push_back(absl::StrCat(flag,
                                             ": a secret on the command line can be read by every user; give it as ",
                                             variable(entry.name), " or by ", flag, "-file"));
        continue;
      }
      entry.current = entry.from_command_line;
      entry.source = "command line";
    }
    if (entry.name.ends_with("-file") && !entry.current.empty())
      files[entry.name.substr(0, entry.name.size() - 5)] = entry.current;
    if (entry.secret && files.contains(entry.name)) {
      if (!entry.current.empty() && entry.source != "default") {
        result.errors.push_back(absl::StrCat(flag, ": given twice, also by ", flag, "-file"));
        continue;
      }
      std::ifstream in(files[entry.name]);
      std::string content((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
      if (!in) {
        result.errors.push_back(absl::StrCat(flag, "-file: '", files[entry.name], "' cannot be read"));
        continue;
      }
      entry.current = std::string(absl::StripAsciiWhitespace(content));
      entry.source = flag + "-file";
    }
    if (entry.required && entry.current.empty()) {
      result.errors.push_back(absl::StrCat(flag, ": is required (or ", variable(entry.name), ")"));
      continue;
    }
    if (std::string wrong = entry.assign(entry.current); !wrong.empty()) {
      result.errors.push_back(absl::StrCat(flag, ": ", wrong));
    }
  }
  if (result.errors.empty()) {
    for (const auto& check : checks_) {
      for (std::string& wrong : check()) result.errors.push_back(std::move(wrong));
    }
  }
  if (!result.errors.empty()) {
    result.exit_code = 2;
  } else if (check_config) {
    result.exit_code = 0;
    result.output = effective();
  }
  return result;
}

std::optional<int> Options::parse(int argc, const char* const* argv, const char* const* envp) {
  std::vector<std::string> arguments(argv + std::min(argc, 1), argv + argc);
  Environment environment;
  for (; envp != nullptr && *envp != nullptr; ++envp) {
    const std::string_view entry(*envp);
    const auto equals = entry.find('=');
    if (equals != std::string_view::npos) environment.emplace_back(entry.substr(0, equals), entry.substr(equals + 1));
  }
  const Result result = parse(arguments, environment);
  std::fputs(result.output.c_str(), stdout);
  for (const std::string& error : result.errors) std::fprintf(stderr, "%s: %s\n", program_.c_str(), error.c_str());
  return result.exit_code;
}

std::string Options::effective() const {
  std::string out;
  for (const auto& entry : entries_) {
    const bool hide = entry->secret && !entry->current.empty();
    absl::StrAppend(&out, entry->name, " = ", hide ? kHidden : quoted_or_none(entry->current), "  (", entry->source,
                    ")\n");
  }
  return out + "The configuration is valid.\n";
}

std::string Options::docs() const {
  std::string out = absl::StrCat("## ", program_, "\n\n", summary_,
                                 "\n\n| Option | Variable | Default | Values | Meaning |\n", "|---|---|---|---|---|\n");
  for (const auto& entry : entries_) {
    const std::string fallback =
        entry->required && entry->default_text.empty() ? "required" : quoted_or_none(entry->default_text);
    absl::StrAppend(&out, "| `--", entry->name, "` | `", variable(entry->name), "` | ", fallback, " | ", entry->range,
                    " | ", absl::StrReplaceAll(entry->doc, {{"|", "\\|"}}), entry->secret ? " (secret)" : "", " |\n");
  }
  return out;
}

}  // namespace renderyard::runtime
