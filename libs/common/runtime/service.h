// The frame of a daemon: one thread runs the logic, signals stop it in order, a watchdog ends it when that takes too
// long.
//
// A main in full:
//
//   int main(int argc, char** argv, char** envp) {
//     runtime::Options options("renderyard-dispatcher", "Claims jobs for free slots and settles them.");
//     runtime::CommonOptions common;
//     common.declare(options);
//     std::string database_url, grpc_listen = "127.0.0.1:0";
//     options.secret("database-url", database_url, {.doc = "…", .required = true, .url = true});
//     runtime::declare_grpc_listen(options, grpc_listen, common);
//     if (auto code = options.parse(argc, argv, envp)) return *code;
//
//     runtime::Service service("dispatcher", common);               // first: it blocks the signals for all threads
//     postgres::Pool pool(service.strand(), …);                     // adapters: outlive the logic
//     dispatcher::Dispatcher logic({service.strand(), service.clock(), service.random(), service.journal(), …},
//     config); runtime::GrpcServer grpc(service, grpc_listen);               // runtime/grpc/server.h; adds itself as a
//     part auto events = dispatcher::make_dispatcher_service(grpc, api); grpc.add(*events); service.add({.name =
//     "database", .prepare = [&] { return pool.check_schema(); }, .close = [&] { pool.close(); }}); service.add({.name
//     = "dispatcher", .run = [&] { return logic.run(); }, .stop = [&] { logic.stop(); }}); return service.run();
//   }
//
// Start: for each part in the order of add(): prepare is awaited, then start. Then all run() begin, the port file is
// written, and the service is ready as far as its parts say so.
// Stop (SIGTERM, SIGINT, stop(), a run() that ended): the watchdog is armed; not ready; stop_accepting of all parts,
// then stop of all parts, last added first; then every drain and every run() is waited for; then close of all parts,
// last added first; then what still waits is dropped, and run() returns. A second signal ends the process at once. Exit
// code: 0 after a regular stop; 1 after a failure (with a log line that names the part).
#pragma once

#include <absl/status/status.h>

#include <boost/asio/io_context.hpp>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "libs/common/base/clock.h"
#include "libs/common/base/group.h"
#include "libs/common/base/journal.h"
#include "libs/common/base/random.h"
#include "libs/common/base/strand.h"
#include "libs/common/base/task.h"
#include "libs/common/runtime/common_options.h"
#include "libs/common/runtime/health.h"
#include "libs/common/runtime/metrics.h"

namespace renderyard::runtime {

// Every member may be left out. All run on the logic thread. No capturing lambda may itself be a coroutine: let it
// return the task of a member function.
struct Part {
  std::string name;
  std::function<base::Task<absl::Status>()> prepare = {};
  std::function<absl::Status()> start = {};
  // Runs until stop(). An end before that, with or without error, stops the process with exit code 1.
  std::function<base::Task<absl::Status>()> run = {};
  std::function<void()> stop_accepting = {};
  std::function<void()> stop = {};
  // Waited for after stop of all parts.
  std::function<base::Task<absl::Status>()> drain = {};
  // When no task runs any more: join threads, close connections. May block, the watchdog stands behind.
  std::function<void()> close = {};
};

class Service {
 public:
  // `name`: bridge, dispatcher, gateway. Blocks SIGTERM and SIGINT, ignores SIGPIPE; so it comes before any thread.
  Service(std::string name, CommonOptions options);
  ~Service();
  Service(const Service&) = delete;
  Service& operator=(const Service&) = delete;

  const std::string& name() const;
  const CommonOptions& options() const;
  boost::asio::io_context& io();
  base::Strand& strand();
  base::Clock& clock();
  base::Random& random();
  base::Journal& journal();
  Health& health();
  Metrics& metrics();

  // Before run() only.
  void add(Part part);
  // An address for the port file, e.g. ("grpc", "127.0.0.1:40123"); in start or prepare of a part.
  void announce(std::string_view name, std::string_view address);
  // Logic thread: begin the stop. An error makes the exit code 1.
  void stop(absl::Status reason = absl::OkStatus());
  // Blocks until stopped; the exit code. Once.
  int run();

 private:
  struct State;
  base::Task<absl::Status> main_task();
  base::Task<absl::Status> start_parts();
  base::Task<absl::Status> watch_part(std::size_t index);
  base::Task<absl::Status> stop_parts();
  absl::Status write_port_file() const;

  std::unique_ptr<State> state_;
};

}  // namespace renderyard::runtime
