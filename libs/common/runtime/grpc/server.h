// The gRPC server of a service: reactors on gRPC's threads, handlers as tasks on the service's strand.
//
// serve_unary() and serve_stream() (call.h) turn a handler into a reactor. A call that brings no deadline gets 10 s; a
// stream has none. Streams pull: the next item is asked for when the one before was taken by the transport, so bounds
// and coalescing live in the service's stream and a slow reader holds nothing here but one message. At most `max_calls`
// calls and streams at a time; more get RESOURCE_EXHAUSTED. While stopping, new calls get UNAVAILABLE "shutting down"
// and so do the streams. Health service (following the service's readiness) and reflection are built in. Thread-safety:
// on the strand, except set_serving().
#pragma once

#include <absl/status/status.h>
#include <absl/time/time.h>

#include <memory>
#include <string>

#include "libs/common/base/clock.h"
#include "libs/common/base/journal.h"
#include "libs/common/base/strand.h"
#include "libs/common/base/task.h"
#include "libs/common/runtime/listen_address.h"
#include "libs/common/runtime/service.h"

namespace grpc {
class Service;
}

namespace renderyard::runtime {

class ServerCore;

class GrpcServer {
 public:
  struct Deps {
    base::Strand& strand;
    base::Clock& clock;
    base::Journal& journal;
  };
  struct Config {
    std::string listen = "127.0.0.1:0";
    TransportSecurity security = {};
    absl::Duration default_deadline = absl::Seconds(10);
    int max_calls = 1024;
  };

  GrpcServer(Deps deps, Config config);
  // Legal only when not started or after close().
  ~GrpcServer();
  GrpcServer(const GrpcServer&) = delete;
  GrpcServer& operator=(const GrpcServer&) = delete;

  // Before start(); the service outlives the server's close().
  // name: package.Service, under which the health service speaks of it besides the whole server ("").
  void add(grpc::Service& service, std::string name);
  // What the handlers are served with.
  const std::shared_ptr<ServerCore>& core() const { return core_; }

  // INVALID_ARGUMENT: bind rule, certificate, token. UNAVAILABLE: the address is in use.
  absl::Status start();
  // host:port after start().
  const std::string& address() const { return address_; }
  // What the health service says of all services; not serving at first. Any thread.
  void set_serving(bool serving);

  void stop_accepting();
  // Cancels all handlers and ends all streams.
  void stop();
  // Waits for the end of all calls, then of the transport.
  base::Task<absl::Status> drain();
  void close();

 private:
  struct Transport;
  Deps deps_;
  Config config_;
  std::shared_ptr<ServerCore> core_;
  std::unique_ptr<Transport> transport_;
  std::string address_;
};

// Adds the server to the service as the part "grpc": lifecycle, announced address, readiness.
void attach(Service& service, GrpcServer& server);

}  // namespace renderyard::runtime
