#include "services/bridge/comfy/resolver.h"

#include <absl/base/thread_annotations.h>
#include <netdb.h>

#include <boost/asio/ip/address.hpp>
#include <boost/asio/post.hpp>
#include <charconv>
#include <cstring>
#include <deque>
#include <map>
#include <thread>
#include <utility>

#include "libs/common/base/mutex.h"

namespace renderyard::comfy {

namespace {

namespace asio = boost::asio;
using asio::ip::tcp;

struct Answer {
  std::vector<asio::ip::address> addresses;
  std::string error;
};

Answer look_up(const std::string& host) {
  Answer answer;
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_ADDRCONFIG;
  addrinfo* found = nullptr;
  int failed = ::getaddrinfo(host.c_str(), nullptr, &hints, &found);
  if (failed == EAI_NONAME || failed == EAI_ADDRFAMILY) {  // a host that has but loopback
    hints.ai_flags = 0;
    failed = ::getaddrinfo(host.c_str(), nullptr, &hints, &found);
  }
  if (failed != 0) {
    answer.error = std::string("the name cannot be resolved: ") + ::gai_strerror(failed);
    return answer;
  }
  for (const addrinfo* one = found; one != nullptr; one = one->ai_next) {
    tcp::endpoint endpoint;
    if (one->ai_addrlen > endpoint.capacity()) continue;
    std::memcpy(endpoint.data(), one->ai_addr, one->ai_addrlen);
    endpoint.resize(one->ai_addrlen);
    answer.addresses.push_back(endpoint.address());
  }
  ::freeaddrinfo(found);
  if (answer.addresses.empty()) answer.error = "the name has no address";
  return answer;
}

Resolver::Endpoints with_port(const std::vector<asio::ip::address>& addresses, const std::string& port) {
  unsigned short number = 0;
  std::from_chars(port.data(), port.data() + port.size(), number);
  Resolver::Endpoints endpoints;
  endpoints.reserve(addresses.size());
  for (const auto& address : addresses) endpoints.emplace_back(address, number);
  return endpoints;
}

}  // namespace

// Outlives the Resolver as long as a thread is in a lookup: that may take the name servers' time.
struct Resolver::State : std::enable_shared_from_this<Resolver::State> {
  struct Asker {
    std::string port;
    Found found;
  };

  explicit State(asio::io_context& io) : context(io) {}

  void work() {
    for (;;) {
      std::string host;
      {
        const base::MutexLock lock(mutex);
        while (names.empty() && !closed) wake.wait(mutex);
        if (closed) return;
        host = std::move(names.front());
        names.pop_front();
      }
      Answer answer = look_up(host);
      const base::MutexLock lock(mutex);
      if (closed) return;
      asio::post(context, [self = shared_from_this(), host = std::move(host), answer = std::move(answer)] {
        self->tell(host, answer);
      });
    }
  }

  // The io thread, as all below.
  void tell(const std::string& host, const Answer& answer) {
    auto node = askers.extract(host);
    if (node.empty()) return;
    for (Asker& asker : node.mapped()) asker.found(with_port(answer.addresses, asker.port), answer.error);
  }

  asio::io_context& context;
  base::Mutex mutex;
  base::CondVar wake;
  std::deque<std::string> names ABSL_GUARDED_BY(mutex);
  bool closed ABSL_GUARDED_BY(mutex) = false;
  std::map<std::string, std::vector<Asker>> askers;  // the io thread's
};

Resolver::Resolver(ComfyIo& io) : state_(std::make_shared<State>(io.context())) {
  for (int i = 0; i < kThreads; ++i) {
    std::thread([state = state_] { state->work(); }).detach();
  }
}

Resolver::~Resolver() {
  const base::MutexLock lock(state_->mutex);
  state_->closed = true;
  state_->wake.notify_all();
}

void Resolver::resolve(const std::string& host, const std::string& port, Found found) {
  boost::system::error_code error;
  const auto literal = asio::ip::make_address(host, error);
  if (!error) {
    asio::post(state_->context,
               [endpoints = with_port({literal}, port), found = std::move(found)] { found(endpoints, ""); });
    return;
  }
  auto& askers = state_->askers[host];
  askers.push_back({port, std::move(found)});
  if (askers.size() > 1) return;
  const base::MutexLock lock(state_->mutex);
  if (state_->names.size() >= kMostWaiting) {
    asio::post(state_->context, [state = state_, host] {
      state->tell(host, Answer{{}, "too many names wait to be resolved"});
    });
    return;
  }
  state_->names.push_back(host);
  state_->wake.notify_one();
}

}  // namespace renderyard::comfy
