#include "libs/common/runtime/service.h"

#include <absl/strings/str_cat.h>
#include <unistd.h>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <cstdio>
#include <exception>
#include <fstream>
#include <utility>

#include "libs/common/base/event.h"
#include "libs/common/base/status_macros.h"
#include "libs/common/runtime/admin_http.h"
#include "libs/common/runtime/kernel_random.h"
#include "libs/common/runtime/log.h"
#include "libs/common/runtime/system_clock.h"
#include "libs/common/runtime/warden.h"

namespace renderyard::runtime {

namespace {
// After this share of the time for a stop, tasks that ignored stop() are cancelled.
constexpr double kPatience = 0.7;
constexpr char kSelf[] = "service";
}  // namespace

struct Service::State {
  State(std::string service_name, CommonOptions common)
      : name(std::move(service_name)),
        options(std::move(common)),
        journal(name, options.log_level),
        warden(journal, options.shutdown_timeout,
               [this] { boost::asio::post(io, [this] { begin_stop(absl::OkStatus()); }); }),
        work(io.get_executor()),
        strand(io.get_executor()),
        clock(strand),
        metrics(name),
        admin(io, health, metrics),
        stop_asked(strand, clock),
        starting(strand),
        running(strand),
        draining(strand) {
    health.set(kSelf, Condition::kNotReady, "starting");
  }

  void begin_stop(absl::Status reason) {
    if (outcome.ok() && !reason.ok()) {
      outcome = reason;
      journal.error("stopping", {{base::key::kReason, std::string(reason.message())}});
    } else if (!stopping) {
      journal.info("stopping");
    }
    if (std::exchange(stopping, true)) return;
    warden.arm();
    health.set(kSelf, Condition::kNotReady, "stopping");
    starting.cancel();
    stop_asked.notify();
  }

  std::string name;
  CommonOptions options;
  JsonLog journal;
  boost::asio::io_context io{1};
  Warden warden;  // before everything that starts threads
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work;
  base::Strand strand;
  SystemClock clock;
  KernelRandom random;
  Health health;
  Metrics metrics;
  AdminHttp admin;
  std::vector<Part> parts;
  std::map<std::string, std::string> addresses;
  base::Event stop_asked;
  base::Group starting;
  base::Group running;
  base::Group draining;
  std::size_t started = 0;  // parts that have to be stopped
  bool stopping = false;
  absl::Status outcome;
};

Service::Service(std::string name, CommonOptions options)
    : state_(std::make_unique<State>(std::move(name), std::move(options))) {}
Service::~Service() = default;

const std::string& Service::name() const {
  return state_->name;
}
const CommonOptions& Service::options() const {
  return state_->options;
}
boost::asio::io_context& Service::io() {
  return state_->io;
}
base::Strand& Service::strand() {
  return state_->strand;
}
base::Clock& Service::clock() {
  return state_->clock;
}
base::Random& Service::random() {
  return state_->random;
}
base::Journal& Service::journal() {
  return state_->journal;
}
Health& Service::health() {
  return state_->health;
}
Metrics& Service::metrics() {
  return state_->metrics;
}

void Service::add(Part part) {
  state_->parts.push_back(std::move(part));
}
void Service::announce(std::string_view name, std::string_view address) {
  state_->addresses[std::string(name)] = std::string(address);
}
void Service::stop(absl::Status reason) {
  state_->begin_stop(std::move(reason));
}

int Service::run() {
  State& state = *state_;
  if (!state.options.port_file.empty()) std::remove(state.options.port_file.c_str());  // of an earlier life
  base::spawn_root(state.strand, main_task(), [&state](absl::Status status) {
    if (state.outcome.ok()) state.outcome = std::move(status);
    state.io.stop();
  });
  try {
    state.io.run();
  } catch (const std::exception& error) {
    state.outcome = absl::InternalError(absl::StrCat("exception in the logic thread: ", error.what()));
  }
  state.strand.drop_all();
  if (!state.options.port_file.empty()) std::remove(state.options.port_file.c_str());
  if (state.outcome.ok()) {
    state.journal.info("stopped");
    return 0;
  }
  state.journal.error("failed", {{base::key::kReason, std::string(state.outcome.message())}});
  return 1;
}

base::Task<absl::Status> Service::main_task() {
  State& state = *state_;
  state.journal.info("starting", {{"pid", static_cast<std::int64_t>(getpid())}, {"version", RENDERYARD_VERSION}});
  state.starting.spawn(start_parts());
  absl::Status status = co_await state.starting.join();
  if (!status.ok() && !state.stopping) state.begin_stop(status);
  if (!state.stopping) {
    for (std::size_t i = 0; i < state.parts.size(); ++i) {
      if (state.parts[i].run) state.running.spawn_isolated(watch_part(i));
    }
    status = write_port_file();
    if (status.ok()) {
      state.health.set(kSelf, Condition::kOk);
      state.journal.info("started");
    } else {
      state.begin_stop(status);
    }
  }
  while (!state.stopping) status = co_await state.stop_asked.wait_until(absl::InfiniteFuture());
  co_return co_await stop_parts();
}

base::Task<absl::Status> Service::start_parts() {
  State& state = *state_;
  CO_RETURN_IF_ERROR(state.admin.start(state.options.admin_listen, state.options.security));
  if (!state.admin.address().empty()) announce("admin", state.admin.address());
  for (Part& part : state.parts) {
    absl::Status status;
    if (part.prepare) status = co_await part.prepare();
    if (state.stopping) co_return absl::OkStatus();
    if (status.ok() && part.start) status = part.start();
    if (!status.ok()) co_return absl::Status(status.code(), absl::StrCat(part.name, ": ", status.message()));
    ++state.started;
  }
  co_return absl::OkStatus();
}

base::Task<absl::Status> Service::watch_part(std::size_t index) {
  State& state = *state_;
  absl::Status status = co_await state.parts[index].run();
  if (!state.stopping) {
    state.begin_stop(absl::InternalError(absl::StrCat(state.parts[index].name, " ended: ", status.ToString())));
  }
  co_return status;
}

base::Task<absl::Status> Service::stop_parts() {
  State& state = *state_;
  const auto patience = state.clock.call_at(state.clock.now() + state.options.shutdown_timeout * kPatience, [&state] {
    state.journal.warning("stop_is_slow", {{"running", state.running.live()}, {"draining", state.draining.live()}});
    state.running.cancel();
    state.draining.cancel();
  });
  for (std::size_t i = state.started; i-- > 0;) {
    if (state.parts[i].stop_accepting) state.parts[i].stop_accepting();
  }
  for (std::size_t i = state.started; i-- > 0;) {
    if (state.parts[i].stop) state.parts[i].stop();
  }
  for (std::size_t i = state.started; i-- > 0;) {
    if (state.parts[i].drain) state.draining.spawn_isolated(state.parts[i].drain());
  }
  absl::Status ignored = co_await state.running.join();
  ignored = co_await state.draining.join();
  state.clock.cancel(patience);
  for (std::size_t i = state.started; i-- > 0;) {
    if (state.parts[i].close) state.parts[i].close();
  }
  state.admin.stop();
  co_return absl::OkStatus();
}

absl::Status Service::write_port_file() const {
  const std::string& path = state_->options.port_file;
  if (path.empty()) return absl::OkStatus();
  std::string text = "{\"service\":";
  append_json_string(text, state_->name);
  absl::StrAppend(&text, ",\"pid\":", getpid());
  for (const auto& [name, address] : state_->addresses) {
    text += ',';
    append_json_string(text, name);
    text += ':';
    append_json_string(text, address);
  }
  text += "}\n";
  const std::string temporary = absl::StrCat(path, ".", getpid());
  {
    std::ofstream out(temporary, std::ios::trunc);
    out << text;
    out.close();
    if (!out) return absl::UnavailableError(absl::StrCat("--port-file: '", temporary, "' cannot be written"));
  }
  if (std::rename(temporary.c_str(), path.c_str()) != 0) {
    return absl::UnavailableError(absl::StrCat("--port-file: '", path, "' cannot be written"));
  }
  return absl::OkStatus();
}

}  // namespace renderyard::runtime
