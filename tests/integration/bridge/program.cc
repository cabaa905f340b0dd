#include "tests/integration/bridge/program.h"

#include <absl/time/clock.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>

namespace renderyard::testing {

Program::Program(const std::string& name, std::vector<std::string> arguments,
                 const std::map<std::string, std::string>& environment) {
  const char* build = std::getenv("RENDERYARD_TEST_BINARY_DIR");
  if (build == nullptr) throw std::runtime_error("RENDERYARD_TEST_BINARY_DIR is not set");
  arguments.insert(arguments.begin(), std::string(build) + "/bin/" + name);
  std::vector<char*> argv;
  for (auto& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  std::vector<std::string> variables;
  for (const auto& [variable, value] : environment) variables.push_back(variable + "=" + value);
  std::vector<char*> envp;
  for (auto& variable : variables) envp.push_back(variable.data());
  envp.push_back(nullptr);

  output_ = std::filesystem::temp_directory_path() / "renderyard-program-XXXXXX";
  const int out = ::mkostemp(output_.data(), O_CLOEXEC | O_APPEND);
  if (out < 0) throw std::runtime_error("mkostemp");
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, out, STDERR_FILENO);
  const int error = ::posix_spawn(&pid_, argv[0], &actions, nullptr, argv.data(), envp.data());
  posix_spawn_file_actions_destroy(&actions);
  ::close(out);
  if (error != 0) throw std::runtime_error(name + " cannot be started");
  pidfd_ = static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0));
  if (pidfd_ < 0) throw std::runtime_error("pidfd_open");
}

Program::~Program() {
  if (pid_ > 0) {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  ::close(pidfd_);
  std::error_code ignored;
  std::filesystem::remove(output_, ignored);
}

bool Program::gone(absl::Duration patience) {
  if (pid_ <= 0) return true;
  pollfd end{.fd = pidfd_, .events = POLLIN, .revents = 0};
  ::poll(&end, 1, static_cast<int>(absl::ToInt64Milliseconds(patience)));
  if (::waitpid(pid_, &status_, WNOHANG) == pid_) pid_ = -1;
  return pid_ <= 0;
}

bool Program::until(absl::FunctionRef<bool()> done, absl::Duration limit) {
  const absl::Time end = absl::Now() + limit;
  while (absl::Now() < end) {
    if (done()) return true;
    if (gone(absl::Milliseconds(10))) return done();
  }
  return false;
}

std::optional<int> Program::exit_code(absl::Duration limit) {
  if (!gone(limit) || !WIFEXITED(status_)) return std::nullopt;
  return WEXITSTATUS(status_);
}

void Program::stop() {
  if (pid_ > 0) ::kill(pid_, SIGTERM);
}

std::string Program::said() const {
  std::ostringstream text;
  text << std::ifstream(output_).rdbuf();
  return text.str();
}

}  // namespace renderyard::testing
