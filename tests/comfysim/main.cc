// comfysim: behaves as a ComfyUI server. See README.md.
#include <pthread.h>
#include <signal.h>

#include <CLI/CLI.hpp>
#include <charconv>
#include <csignal>
#include <exception>
#include <iostream>
#include <string>

#include "tests/comfysim/files.h"
#include "tests/comfysim/server.h"

namespace {

// "127.0.0.1:8188" into the options; false when it is not of that form.
bool read_listen(const std::string& text, comfysim::Options& options) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string::npos) return false;
  options.host = text.substr(0, colon);
  const auto [end, error] = std::from_chars(text.data() + colon + 1, text.data() + text.size(), options.port);
  return error == std::errc() && end == text.data() + text.size();
}

sigset_t end_signals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  return set;
}

}  // namespace

int main(int argc, char** argv) {
  comfysim::Options options;
  std::string listen = "127.0.0.1:8188";
  std::string dir;
  std::string port_file;
  std::size_t instances = 1;
  CLI::App app("comfysim: behaves as a ComfyUI server, for tests");
  app.add_option("--listen", listen, "address and port, port 0 for a free one")->capture_default_str();
  app.add_option("--dir", dir, "folder of all state: input/, output/, temp/, ledger.jsonl")->required();
  app.add_option("--port-file", port_file, "file that gets the port once the server listens, one line each");
  app.add_option("--instances", instances, "so many servers, on consecutive ports, in DIR/1, DIR/2, ...")
      ->check(CLI::Range(std::size_t{1}, comfysim::kMostInstances))
      ->capture_default_str();
  app.add_option("--step-ms", options.step_ms, "time of one sampler step in ms, 0 for none")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  app.add_option("--name", options.name, "shown in /system_stats and in the ledger")->capture_default_str();
  app.add_option("--seed", options.seed, "of the faults that have a probability")->capture_default_str();
  app.add_flag("--previews", options.previews, "sampler previews also for prompts that do not ask");
  app.add_option("--max-upload-size", options.max_upload_mb, "largest request body in MB")->capture_default_str();
  app.add_option("--output-order", options.output_order, "ID,ID: output nodes in the order in which they are taken")
      ->delimiter(',');
  app.add_option("--models", options.models,
                 "FOLDER=FILE,FILE: the models it says it has there; N:FOLDER=… of instance N only; repeatable");
  std::string generation(options.generation->name);
  app.add_option("--generation", generation, "release to behave as")
      ->check(CLI::IsMember(comfysim::generation_names()))
      ->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  options.generation = comfysim::find_generation(generation);
  if (!read_listen(listen, options)) {
    std::cerr << "--listen: must be ADDRESS:PORT\n";
    return 2;
  }
  options.dir = dir;
  options.argv.assign(argv, argv + argc);

  // Blocked before any thread exists, so that only sigwait below gets them.
  const sigset_t signals = end_signals();
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
  int received = 0;
  try {
    const comfysim::Server server(options, instances);
    std::string ports;
    for (const std::uint16_t port : server.ports()) ports += std::to_string(port) + "\n";
    if (!port_file.empty()) comfysim::write_file(port_file, ports);
    for (const std::uint16_t port : server.ports()) {
      std::cout << "comfysim listening on http://" << options.host << ":" << port << "\n";
    }
    std::cout << std::flush;
    sigwait(&signals, &received);
  } catch (const std::exception& error) {
    std::cerr << "comfysim: " << error.what() << "\n";
    return 1;
  }
  if (received == SIGINT) return 0;
  // ComfyUI handles Ctrl-C but not SIGTERM, so the one that waits for it sees a death by signal.
  std::signal(SIGTERM, SIG_DFL);
  pthread_sigmask(SIG_UNBLOCK, &signals, nullptr);
  std::raise(SIGTERM);
  return 1;
}
