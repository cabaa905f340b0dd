// One of our programs as a child process with an environment of its own; everything it says, to either output, goes
// into a file that is read back. Ends with this object. Thread-safety: none.
#pragma once

#include <absl/functional/function_ref.h>
#include <absl/time/time.h>
#include <sys/types.h>

#include <map>
#include <optional>
#include <string>
#include <vector>

namespace renderyard::testing {

class Program {
 public:
  // `name`: a binary of the build. Nothing of the test's environment is handed on.
  Program(const std::string& name, std::vector<std::string> arguments,
          const std::map<std::string, std::string>& environment = {});
  ~Program();
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  // Until `done` or the end of the program or, for at most `limit`, not. What `done` says.
  [[nodiscard]] bool until(absl::FunctionRef<bool()> done, absl::Duration limit = absl::Seconds(20));
  // Its exit code once it has ended; nullopt when it has not in time, or when a signal ended it.
  std::optional<int> exit_code(absl::Duration limit = absl::Seconds(20));
  // SIGTERM.
  void stop();
  std::string said() const;

 private:
  // Waits for its end, so long.
  bool gone(absl::Duration patience);

  std::string output_;  // path
  pid_t pid_ = -1;
  int pidfd_ = -1;
  int status_ = 0;
};

}  // namespace renderyard::testing
