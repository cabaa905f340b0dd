#include "tests/comfysim/server.h"

#include <boost/asio/io_context.hpp>
#include <charconv>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "tests/comfysim/descriptors.h"
#include "tests/comfysim/instance.h"

namespace comfysim {
namespace {

// What of "N:FOLDER=FILE,FILE" and "FOLDER=FILE,FILE" is for instance number `n` of `count`.
std::vector<std::string> models_of(const std::vector<std::string>& all, std::size_t n, std::size_t count) {
  std::vector<std::string> out;
  for (const std::string& entry : all) {
    const std::size_t colon = entry.find(':');
    if (colon > entry.find('=')) {
      out.push_back(entry);
      continue;
    }
    std::size_t wanted = 0;
    const char* const end = entry.data() + colon;
    const auto read = std::from_chars(entry.data(), end, wanted);
    if (read.ec != std::errc() || read.ptr != end || wanted < 1 || wanted > count) {
      throw std::invalid_argument("--models: '" + entry + "' must begin with an instance from 1 to " +
                                  std::to_string(count) + ", or with a folder");
    }
    if (wanted == n) out.push_back(entry.substr(colon + 1));
  }
  return out;
}

// Options of instance number `n`, counted from 1, of `count`.
Options options_of(Options options, std::size_t n, std::size_t count) {
  options.models = models_of(options.models, n, count);
  if (count == 1) return options;
  options.dir /= std::to_string(n);
  options.name += "-" + std::to_string(n);
  if (options.port == 0) return options;
  const std::size_t port = options.port + n - 1;
  if (port > UINT16_MAX) throw std::runtime_error("there is no port " + std::to_string(port) + " for an instance");
  options.port = static_cast<std::uint16_t>(port);
  return options;
}

}  // namespace

class Server::Impl {
 public:
  Impl(const Options& options, std::size_t count) {
    if (count < 1 || count > kMostInstances)
      throw std::invalid_argument("from 1 to " + std::to_string(kMostInstances) + " instances");
    ensure_descriptors(descriptors_for(count));
    for (std::size_t n = 1; n <= count; ++n) {
      instances_.push_back(std::make_unique<Instance>(io_, options_of(options, n, count)));
    }
    thread_ = std::thread([this] { io_.run(); });
  }

  ~Impl() {
    io_.stop();
    if (thread_.joinable()) thread_.join();
  }

  std::vector<std::uint16_t> ports() const {
    std::vector<std::uint16_t> out;
    for (const auto& instance : instances_) out.push_back(instance->port());
    return out;
  }

 private:
  asio::io_context io_{1};
  std::vector<std::unique_ptr<Instance>> instances_;
  std::thread thread_;
};

Server::Server(const Options& options, std::size_t instances) : impl_(std::make_unique<Impl>(options, instances)) {}

Server::~Server() = default;

std::vector<std::uint16_t> Server::ports() const {
  return impl_->ports();
}

}  // namespace comfysim
