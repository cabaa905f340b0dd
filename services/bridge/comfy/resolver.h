// Names of instances to addresses, beside the io thread: one name server that does not answer must not hold up the
// others' instances. Addresses need no lookup; a name is looked up once at a time, whoever asks for it meanwhile gets
// the same answer. At most kThreads lookups at once and kMostWaiting names that wait: more is an error. A lookup cannot
// be cut off: who has waited long enough ignores its answer. Thread-safety: resolve() on the io thread.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "services/bridge/comfy/comfy_io.h"

namespace renderyard::comfy {

class Resolver {
 public:
  using Endpoints = std::vector<boost::asio::ip::tcp::endpoint>;
  // On the io thread, never from within resolve(). An empty list has a reason.
  using Found = std::function<void(Endpoints endpoints, std::string error)>;

  explicit Resolver(ComfyIo& io);
  // Does not wait for lookups under way.
  ~Resolver();
  Resolver(const Resolver&) = delete;
  Resolver& operator=(const Resolver&) = delete;

  // `port`: decimal.
  void resolve(const std::string& host, const std::string& port, Found found);

  static constexpr int kThreads = 8;
  static constexpr std::size_t kMostWaiting = 256;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace renderyard::comfy
