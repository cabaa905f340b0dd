#include "tests/comfysim/descriptors.h"

#include <sys/resource.h>

#include <cerrno>
#include <stdexcept>
#include <string>
#include <system_error>

namespace comfysim {

std::size_t descriptors_for(std::size_t instances) {
  constexpr std::size_t kPerInstance = 10;  // listener, ledger, one file, a WebSocket and six HTTP connections
  constexpr std::size_t kReserve = 256;
  return instances * kPerInstance + kReserve;
}

void ensure_descriptors(std::size_t needed) {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) throw std::system_error(errno, std::generic_category(), "getrlimit");
  if (limit.rlim_cur >= needed) return;
  if (limit.rlim_max < needed) {
    throw std::runtime_error("needs " + std::to_string(needed) + " open files, but the hard limit is " +
                             std::to_string(limit.rlim_max) + ": raise it (ulimit -Hn " + std::to_string(needed) +
                             " as root, or nofile in /etc/security/limits.conf) or ask for fewer instances");
  }
  limit.rlim_cur = needed;
  if (::setrlimit(RLIMIT_NOFILE, &limit) != 0) throw std::system_error(errno, std::generic_category(), "setrlimit");
}

}  // namespace comfysim
