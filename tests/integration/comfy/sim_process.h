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

 private:
  std::string folder_;
  std::string url_;
  pid_t pid_ = -1;
};

}  // namespace renderyard::testing
