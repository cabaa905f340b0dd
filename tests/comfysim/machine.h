// The parts of one simulated server that its HTTP side and its worker share.
#ifndef RENDERYARD_TESTS_COMFYSIM_MACHINE_H_
#define RENDERYARD_TESTS_COMFYSIM_MACHINE_H_

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "tests/comfysim/choices.h"
#include "tests/comfysim/faults.h"
#include "tests/comfysim/files.h"
#include "tests/comfysim/generation.h"
#include "tests/comfysim/ledger.h"
#include "tests/comfysim/messages.h"
#include "tests/comfysim/models.h"
#include "tests/comfysim/node_defs.h"
#include "tests/comfysim/prompt_queue.h"
#include "tests/comfysim/run_control.h"

namespace comfysim {

struct Options {
  std::string host = "127.0.0.1";
  std::uint16_t port = 0;           // 0: a free one
  std::filesystem::path dir;        // state: input/, output/, temp/, ledger.jsonl
  std::string name = "comfysim";    // shown in /system_stats and in the ledger
  std::int64_t step_ms = 50;        // time of one KSampler step
  std::uint64_t seed = 1;           // of the faults with a probability
  bool previews = false;            // sampler previews for every prompt
  double max_upload_mb = 100;       // larger bodies get 413
  std::vector<std::string> argv;    // shown in /system_stats
  std::vector<std::string> models;  // "FOLDER=FILE,FILE": what the server says it has there
  const Generation* generation = &generation_0_33_0();
};

// What the faults that hit the sockets need of the WebSocket side. Thread-safe.
class Sockets : public MessageSink {
 public:
  virtual void drop_all() = 0;    // cut every connection at TCP level
  virtual void deafen_all() = 0;  // forget every table entry; the connections stay open
};

// Everything here is thread-safe.
struct Machine {
  // `wake_worker` is called when a prompt is waiting; any thread.
  Machine(Options o, Sockets& s, std::function<void()> wake_worker);

  // Does a fault of kind drop, die, forget or deaf, after writing it down.
  void strike(const Fault& fault);
  // Looks for such faults at one place and does them.
  void strike_all(std::string_view at);

  const Options options;
  const Generation& generation;
  const std::shared_ptr<const NodeDefs> nodes;
  Sockets& sockets;
  Files files;
  const Models models;
  const Choices choices;
  Ledger ledger;
  Faults faults;
  RunControl control;
  PromptQueue queue;
};

}  // namespace comfysim

#endif  // RENDERYARD_TESTS_COMFYSIM_MACHINE_H_
