// Options of a service: each is declared once, with name, unit, default, range and what it is for; from that come the
// command line (--name), the environment (RENDERYARD_NAME), the help, the documentation and the checks.
//
// Order: command line, then environment, then default. All errors are reported together, each with the option's name.
// Secrets are taken from the environment or from the file named by --<name>-file, never from the command line, where
// every user of the machine could read them.
// Built in: --help, --version, --check-config (validates, prints the effective values without secrets),
// --print-config-docs (Markdown).
// Thread-safety: none; used by main before anything else runs. The targets must outlive parse().
#pragma once

#include <absl/time/time.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace renderyard::runtime {

struct TextRule {
  std::string doc;
  bool required = false;                                 // an empty value is an error
  std::function<std::string(const std::string&)> check;  // what is wrong with the value; empty = nothing
};

struct IntegerRule {
  std::string doc;
  std::string unit;
  std::int64_t min = 0;
  std::int64_t max = 0;
};

struct DurationRule {
  std::string doc;
  absl::Duration min;
  absl::Duration max;
};

struct SecretRule {
  std::string doc;
  bool required = false;
  // A URL, in which only the password is secret: without one it may stand on the command line.
  bool url = false;
};

class Options {
 public:
  // One environment: name and value, as given to main.
  using Environment = std::vector<std::pair<std::string, std::string>>;

  // `program` is the binary's name, e.g. "renderyard-bridge".
  Options(std::string program, std::string summary);
  ~Options();
  Options(const Options&) = delete;
  Options& operator=(const Options&) = delete;

  // The target holds the default now and the value after parse().
  void text(std::string name, std::string& target, TextRule rule);
  void integer(std::string name, int& target, IntegerRule rule);
  // Written as "250ms", "10s", "5m".
  void duration(std::string name, absl::Duration& target, DurationRule rule);
  void choice(std::string name, std::string& target, std::vector<std::string> allowed, std::string doc);
  // Written as on or off.
  void toggle(std::string name, bool& target, std::string doc);
  // Comma separated.
  void list(std::string name, std::vector<std::string>& target, TextRule rule);
  // host:port, see listen_address.h. Empty is allowed when the rule does not require it.
  void address(std::string name, std::string& target, TextRule rule);
  // Also declares <name>-file.
  void secret(std::string name, std::string& target, SecretRule rule);
  // A check over several options, run after each single one was right; returns what is wrong, each with the option's
  // name.
  void check(std::function<std::vector<std::string>()> check);

  // nullopt: go on. Otherwise the exit code (0 after --help and the like, 2 after errors); the text was printed.
  std::optional<int> parse(int argc, const char* const* argv, const char* const* envp);

  // The same without process state, for tests.
  struct Result {
    std::optional<int> exit_code;
    std::string output;               // for standard output
    std::vector<std::string> errors;  // for standard error
  };
  Result parse(const std::vector<std::string>& arguments, const Environment& environment);

  // Markdown: a table of all options.
  std::string docs() const;

  // RENDERYARD_…, from the option's name.
  static std::string variable(std::string_view name);

 private:
  struct Entry;
  Entry& add(std::string name, std::string doc);
  std::string effective() const;

  std::string program_;
  std::string summary_;
  std::vector<std::unique_ptr<Entry>> entries_;
  std::vector<std::function<std::vector<std::string>()>> checks_;
};

}  // namespace renderyard::runtime
