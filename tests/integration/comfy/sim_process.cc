#include "tests/integration/comfy/sim_process.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <stdexcept>

namespace renderyard::testing {

SimProcess::SimProcess(std::vector<std::string> more_arguments) {
  folder_ = std::filesystem::temp_directory_path() / "renderyard-sim-XXXXXX";
  if (::mkdtemp(folder_.data()) == nullptr) throw std::runtime_error("mkdtemp");
  start("127.0.0.1:0", more_arguments);
}

void SimProcess::start_again(std::vector<std::string> more_arguments) {
  start(url_.substr(url_.find("//") + 2), more_arguments);
}

void SimProcess::start(const std::string& listen, const std::vector<std::string>& more_arguments) {
  const char* build = std::getenv("RENDERYARD_TEST_BINARY_DIR");
  if (build == nullptr) throw std::runtime_error("RENDERYARD_TEST_BINARY_DIR is not set");
  std::vector<std::string> arguments = {std::string(build) + "/bin/comfysim", "--listen", listen, "--dir", folder_};
  arguments.insert(arguments.end(), more_arguments.begin(), more_arguments.end());
  std::vector<char*> argv;
  for (auto& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  int out[2];
  if (::pipe2(out, O_CLOEXEC) != 0) throw std::runtime_error("pipe2");
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, out[1], STDOUT_FILENO);
  const int error = ::posix_spawn(&pid_, argv[0], &actions, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  ::close(out[1]);
  std::string line;  // "comfysim listening on http://127.0.0.1:PORT"
  for (char c = 0; error == 0 && ::read(out[0], &c, 1) == 1 && c != '\n';) line += c;
  ::close(out[0]);
  const auto at = line.find("http://");
  if (at == std::string::npos) throw std::runtime_error("comfysim did not start: " + line);
  url_ = line.substr(at);
}

void SimProcess::kill() {
  if (pid_ <= 0) return;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
  pid_ = -1;
}

bool SimProcess::gone() {
  if (pid_ > 0 && ::waitpid(pid_, nullptr, WNOHANG) == pid_) pid_ = -1;
  return pid_ <= 0;
}

SimProcess::~SimProcess() {
  kill();
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
}

}  // namespace renderyard::testing
