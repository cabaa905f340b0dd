// The client of bench/bridge: what needs more than a shell. Each subcommand prints JSON lines, or one JSON object.
//   instances   registers an instance per port
//   turnaround  one job by the bridge, one by a bare client, one commit, one file, and again: so noise hits all
//   load        keeps every free slot busy until so many jobs are over, or are live
//   watch       what a subscriber of the bridge's progress gets, and when
//   listen      when bare sockets of the first ports hear that a node runs, with nothing in between
//   faults      sends a fault to every port
#include <fcntl.h>
#include <grpcpp/client_context.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <future>
#include <random>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "bench/bare_client.h"
#include "bench/bridge_jobs.h"
#include "renderyard/v1/bridge.grpc.pb.h"
#include "renderyard/v1/instance.grpc.pb.h"

namespace renderyard::bench {
namespace {

struct Settings {
  std::string bridge;
  std::string database_url;
  std::string ports_file;
  std::string prefix = "comfysim";
  std::string directory;
  std::string kind = "short";
  std::string body;
  int port = 0;
  int count = 100;
  int warm = 10;
  int nodes = 60;
  int seconds = 60;
  int skip = 0;
  int at_most = 1000;
  int salt = 1;
  bool only_ours = false;
  bool leave = false;
};

std::int64_t now_us() {
  return std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::system_clock::now().time_since_epoch())
      .count();
}

void pause_ms(int ms) {
  std::this_thread::sleep_for(std::chrono::milliseconds(ms));
}

template <class Work>
std::int64_t took_us(Work&& work) {
  const auto begin = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now() - begin).count();
}

std::vector<int> ports_of(const Settings& settings) {
  std::ifstream in(settings.ports_file);
  std::vector<int> ports;
  for (int port = 0; in >> port;) ports.push_back(port);
  if (ports.empty()) throw std::runtime_error("no ports in " + settings.ports_file);
  const auto from = std::min(ports.size(), static_cast<std::size_t>(settings.skip));
  const auto size = std::min(ports.size() - from, static_cast<std::size_t>(settings.at_most));
  return {ports.begin() + static_cast<std::ptrdiff_t>(from), ports.begin() + static_cast<std::ptrdiff_t>(from + size)};
}

void add_instances(const Settings& settings) {
  const auto stub =
      v1::InstanceService::NewStub(grpc::CreateChannel(settings.bridge, grpc::InsecureChannelCredentials()));
  for (const int port : ports_of(settings)) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(10));
    v1::AddInstanceRequest request;
    request.set_name(settings.prefix + "-" + std::to_string(port));
    request.set_api_url("http://127.0.0.1:" + std::to_string(port));
    request.set_slots(1);
    v1::AddInstanceResponse response;
    const grpc::Status status = stub->AddInstance(&context, request, &response);
    if (!status.ok()) throw std::runtime_error("AddInstance: " + status.error_message());
  }
}

// What the bridge does for one job, without anything around it: the same workflow, its end on the socket, its history,
// its file.
class Floor {
 public:
  explicit Floor(int port) : http_(port), socket_(port, "bench-floor") {}

  void job(std::int64_t salt) {
    const std::string answer =
        http_.post("/prompt", R"({"client_id":"bench-floor","prompt":)" + short_workflow(salt) + "}");
    const std::string prompt = text_between(answer, "\"prompt_id\": \"", "\"");
    if (prompt.empty()) throw std::runtime_error("POST /prompt answered " + answer);
    socket_.wait_for_end(prompt);
    const std::string history = http_.get("/history/" + prompt);
    const std::string file = text_between(history, "\"filename\": \"", "\"");
    if (file.empty()) throw std::runtime_error("no file in the history: " + history);
    if (http_.get("/view?type=output&subfolder=&filename=" + file).empty()) throw std::runtime_error("an empty file");
  }

 private:
  HttpClient http_;
  SocketReader socket_;
};

// A small file made durable under a new name, as the artifact store does.
void one_durable_file(const std::string& directory) {
  const std::string from = directory + "/bench.new";
  const int file = ::open(from.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  const std::string content(512, 'x');
  const bool written = file >= 0 && ::write(file, content.data(), content.size()) == 512 && ::fsync(file) == 0;
  if (file >= 0) ::close(file);
  const int parent = ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const bool renamed = written && std::rename(from.c_str(), (directory + "/bench").c_str()) == 0;
  const bool durable = renamed && parent >= 0 && ::fsync(parent) == 0;
  if (parent >= 0) ::close(parent);
  if (!durable) throw std::runtime_error("cannot write in " + directory);
}

std::int64_t one_job(BridgeJobs& jobs, std::int64_t salt) {
  const std::vector<std::int64_t> job = jobs.insert({short_workflow(salt)});
  std::vector<Slot> slots;
  const std::int64_t patience = now_us() + 30'000'000;
  while ((slots = jobs.free_slots()).empty()) {
    if (now_us() > patience) throw std::runtime_error("no free slot");
    pause_ms(20);
  }
  pause_ms(20);
  const std::int64_t execution = jobs.claim(job, {slots.front()}).front();
  jobs.wake(execution, slots.front().instance);
  // Looked at when it is most likely over, so that the looks do not take its time.
  pause_ms(100);
  while (!jobs.is_final(execution)) {
    if (now_us() > patience) throw std::runtime_error("execution " + std::to_string(execution) + " does not end");
    pause_ms(20);
  }
  return execution;
}

void turnaround(const Settings& settings) {
  BridgeJobs jobs(settings.database_url, settings.bridge);
  Floor floor(settings.port);
  std::int64_t salt = std::int64_t{settings.salt} * 1'000'000;
  for (int i = -settings.warm; i < settings.count; ++i) {
    const std::int64_t execution = one_job(jobs, ++salt);
    if (i >= 0) std::printf("{\"execution\":%lld}\n", static_cast<long long>(execution));
    if (settings.only_ours) continue;
    pause_ms(20);
    const std::int64_t bare = took_us([&] { floor.job(++salt); });
    pause_ms(20);
    const std::int64_t commit = took_us([&] { jobs.commit_one_row(); });
    const std::int64_t file = took_us([&] { one_durable_file(settings.directory); });
    if (i >= 0) {
      std::printf("{\"floor_us\":%lld,\"commit_us\":%lld,\"file_us\":%lld}\n", static_cast<long long>(bare),
                  static_cast<long long>(commit), static_cast<long long>(file));
    }
  }
}

std::string workflow(const Settings& settings, std::int64_t salt) {
  if (settings.kind == "chatty") return chatty_workflow(salt, settings.nodes);
  if (settings.kind == "silent") return silent_workflow(salt, settings.seconds);
  return short_workflow(salt);
}

void load(const Settings& settings) {
  BridgeJobs jobs(settings.database_url, settings.bridge);
  std::vector<std::int64_t> waiting;
  std::int64_t salt = std::int64_t{settings.salt} * 1'000'000;
  while (static_cast<int>(waiting.size()) < settings.count) {
    std::vector<std::string> workflows;
    const int more = std::min(100, settings.count - static_cast<int>(waiting.size()));
    for (int i = 0; i < more; ++i) workflows.push_back(workflow(settings, ++salt));
    for (const std::int64_t id : jobs.insert(workflows)) waiting.push_back(id);
  }
  std::reverse(waiting.begin(), waiting.end());
  const std::int64_t begin = now_us();
  const std::int64_t patience = begin + std::int64_t{settings.seconds} * 1'000'000;
  const auto check = [&] {
    if (now_us() > patience) {
      throw std::runtime_error(std::to_string(waiting.size()) + " jobs wait, " + std::to_string(jobs.live()) +
                               " are live, and the time is over");
    }
  };
  while (!waiting.empty()) {
    std::vector<Slot> slots = jobs.free_slots();
    slots.resize(std::min({slots.size(), waiting.size(), std::size_t{200}}));
    std::vector<std::int64_t> taken(waiting.rbegin(), waiting.rbegin() + static_cast<std::ptrdiff_t>(slots.size()));
    waiting.resize(waiting.size() - slots.size());
    if (!slots.empty()) {
      const std::vector<std::int64_t> claimed = jobs.claim(taken, slots);
      for (std::size_t i = 0; i < claimed.size(); ++i) jobs.wake(claimed[i], slots[i].instance);
    }
    check();
    pause_ms(10);
  }
  while (!settings.leave && jobs.live() > 0) {
    check();
    pause_ms(20);
  }
  std::printf("{\"jobs\":%d,\"begin_us\":%lld,\"end_us\":%lld}\n", settings.count, static_cast<long long>(begin),
              static_cast<long long>(now_us()));
}

// Until --seconds are over; goes on with the bridge's next process.
void watch(const Settings& settings) {
  const auto end = std::chrono::system_clock::now() + std::chrono::seconds(settings.seconds);
  // Each attempt on a channel of its own: a kept one lets seconds go by before it tries again.
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  while (std::chrono::system_clock::now() < end) {
    const auto stub = v1::BridgeService::NewStub(
        grpc::CreateCustomChannel(settings.bridge, grpc::InsecureChannelCredentials(), arguments));
    grpc::ClientContext context;
    context.set_deadline(end);
    const auto reader = stub->WatchProgress(&context, v1::WatchProgressRequest());
    v1::WatchProgressResponse response;
    while (reader->Read(&response)) {
      const v1::Progress& progress = response.progress();
      const std::int64_t at = progress.at().seconds() * 1'000'000 + progress.at().nanos() / 1000;
      std::printf("{\"t_us\":%lld,\"execution\":%lld,\"epoch\":%lld,\"percent\":%d,\"node\":\"%s\",\"at_us\":%lld}\n",
                  static_cast<long long>(now_us()), static_cast<long long>(progress.execution_id()),
                  static_cast<long long>(progress.owner_epoch()), progress.percent(), progress.current_node().c_str(),
                  static_cast<long long>(at));
    }
    std::fflush(stdout);
    const grpc::Status status = reader->Finish();
    if (status.error_code() != grpc::StatusCode::DEADLINE_EXCEEDED) pause_ms(20);
  }
}

// A prompt of brisk nodes at one port, for so many seconds.
void listen_at(const Settings& settings, int port) {
  const std::int64_t end = now_us() + std::int64_t{settings.seconds} * 1'000'000;
  SocketReader socket(port, "bench-listen");
  HttpClient(port).post("/prompt", R"({"client_id":"bench-listen","prompt":)" +
                                       brisk_workflow(settings.salt + port, settings.seconds * 10 + 100) + "}");
  while (now_us() < end) {
    const std::string text = socket.next();
    const std::int64_t at = now_us();
    if (text.find("\"type\": \"executing\"") == std::string::npos) continue;
    const std::string node = text_between(text, "\"node\": \"", "\"");
    const std::string prompt = text_between(text, "\"prompt_id\": \"", "\"");
    std::printf("{\"t_us\":%lld,\"prompt\":\"%s\",\"node\":\"%s\"}\n", static_cast<long long>(at), prompt.c_str(),
                node.c_str());
  }
  HttpClient(port).post("/interrupt", "{}");
}

void listen(const Settings& settings) {
  std::vector<std::future<void>> listeners;
  for (const int port : ports_of(settings)) {
    listeners.push_back(std::async(std::launch::async, [&settings, port] { listen_at(settings, port); }));
  }
  for (auto& listener : listeners) listener.get();
}

// "MILLISECONDS" in the body becomes another number for each port, from 200 to 7000.
void faults(const Settings& settings) {
  std::mt19937_64 random(static_cast<std::uint64_t>(settings.salt));
  std::uniform_int_distribution<int> milliseconds(200, 7000);
  constexpr std::string_view kPlace = "MILLISECONDS";
  for (const int port : ports_of(settings)) {
    std::string body = settings.body;
    if (const std::size_t at = body.find(kPlace); at != std::string::npos) {
      body.replace(at, kPlace.size(), std::to_string(milliseconds(random)));
    }
    HttpClient(port).post("/_sim/faults", body);
  }
}

void declare(CLI::App& app, Settings& settings) {
  const auto add = [&](const char* name, const char* what) {
    CLI::App* command = app.add_subcommand(name, what);
    command->add_option("--bridge", settings.bridge, "its gRPC address");
    command->add_option("--database-url", settings.database_url);
    command->add_option("--ports-file", settings.ports_file, "of comfysim: a port per line");
    command->add_option("--skip", settings.skip, "the first ports of the file");
    command->add_option("--at-most", settings.at_most, "ports");
    command->add_option("--count", settings.count, "jobs")->check(CLI::PositiveNumber);
    command->add_option("--salt", settings.salt, "another number, other jobs");
    command->add_option("--seconds", settings.seconds, "patience of load, length of watch, silence of a silent job");
    return command;
  };
  add("instances", "registers an instance per port")->add_option("--prefix", settings.prefix, "of the names");
  CLI::App* turn = add("turnaround", "one after the other, beside the floor");
  turn->add_option("--port", settings.port, "of the instance, for the floor")->required();
  turn->add_option("--warm", settings.warm, "jobs before the first that counts");
  turn->add_option("--directory", settings.directory, "of the artifact store, for the price of a file");
  turn->add_flag("--only-ours", settings.only_ours, "no floor");
  CLI::App* load = add("load", "keeps every free slot busy");
  load->add_option("--kind", settings.kind)->check(CLI::IsMember({"short", "chatty", "silent"}));
  load->add_option("--nodes", settings.nodes, "of a chatty job, 2 s each");
  load->add_flag("--leave", settings.leave, "ends when all are claimed");
  add("watch", "subscribes to progress");
  add("listen", "hears of nodes over bare sockets");
  add("faults", "to every port")->add_option("--body", settings.body, "JSON for POST /_sim/faults")->required();
  app.require_subcommand(1);
}

}  // namespace
}  // namespace renderyard::bench

int main(int argc, char** argv) {
  using namespace renderyard::bench;
  Settings settings;
  CLI::App app("What bench/bridge needs beside a shell.", "renderyard-bench-bridge");
  declare(app, settings);
  CLI11_PARSE(app, argc, argv);
  try {
    const std::string command = app.get_subcommands().front()->get_name();
    if (command == "instances") add_instances(settings);
    if (command == "turnaround") turnaround(settings);
    if (command == "load") load(settings);
    if (command == "watch") watch(settings);
    if (command == "listen") listen(settings);
    if (command == "faults") faults(settings);
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "renderyard-bench-bridge: %s\n", error.what());
    return 1;
  }
}
