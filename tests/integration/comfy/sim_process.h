// comfysim as a child process on a free port, in a folder that goes away with it.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

namespace renderyard::testing {

class SimProcess {
 public:
  // Waits until it listens. Throws when it cannot be started.
  explicit SimProcess(std::vector<std::string> more_arguments = {});
  ~SimProcess();
  SimProcess(const SimProcess&) = delete;
  SimProcess& operator=(const SimProcess&) = delete;

  const std::string& url() const { return url_; }

  // SIGKILL; returns when the process is gone.
  void kill();
  // The process has ended by itself.
  bool gone();
  // After kill() or gone(): the same server again, on the same port and in the same folder. More arguments than at
  // first may come behind, for instance another --generation (an update of the server).
  void start_again(std::vector<std::string> more_arguments);

 private:
  void start(const std::string& listen, const std::vector<std::string>& more_arguments);

  std::string folder_;
  std::string url_;
  pid_t pid_ = -1;
};

}  // namespace renderyard::testing
