// The parts of one simulated server that its HTTP side and its worker share.
#ifndef RENDERYARD_TESTS_COMFYSIM_MACHINE_H_
#define RENDERYARD_TESTS_COMFYSIM_MACHINE_H_

#include <chrono>
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
#include "tests/comfysim/history_veil.h"
#include "tests/comfysim/ledger.h"
#include "tests/comfysim/messages.h"
#include "tests/comfysim/models.h"
#include "tests/comfysim/node_defs.h"
#include "tests/comfysim/prompt_queue.h"
#include "tests/comfysim/run_control.h"
#include "tests/comfysim/server_log.h"

namespace comfysim {

struct Options {
  std::string host = "127.0.0.1";
  std::uint16_t port = 0;                 // 0: a free one
  std::filesystem::path dir;              // state: input/, output/, temp/, ledger.jsonl
  std::string name = "comfysim";          // shown in /system_stats and in the ledger
  std::int64_t step_ms = 50;              // time of one KSampler step
  std::uint64_t seed = 1;                 // of the faults with a probability
  bool previews = false;                  // sampler previews for every prompt
  double max_upload_mb = 100;             // larger bodies get 413
  bool faults = true;                     // POST /_sim/faults is there
  std::vector<std::string> argv;          // shown in /system_stats
  std::vector<std::string> output_order;  // output nodes of a prompt are taken in this order, others after them; a
                                          // real server keeps them in a set, whose order differs from start to start
  std::vector<std::string>
      models;  // "FOLDER=FILE,FILE": what the server says it has there; "N:FOLDER=…": only instance N
  const Generation* generation = &generation_0_33_0();
};

// What the faults that hit the sockets need of the WebSocket side. Thread-safe.
class Sockets : public MessageSink {
 public:
  virtual void drop_all() = 0;    // cut every connection at TCP level
  virtual void deafen_all() = 0;  // forget every table entry; the connections stay open
  // Nothing is read from or written to the connections of now any more. After `time` (never, without) they end.
  virtual void freeze_all(std::optional<std::chrono::milliseconds> time) = 0;
};

// What else a server has that the machine only gives orders to. Any thread may call.
struct Orders {
  std::function<void()> wake_worker;                          // a prompt is waiting
  std::function<void(std::chrono::milliseconds)> close_door;  // stop listening so long
};

// Everything here is thread-safe.
struct Machine {
  Machine(Options o, Sockets& s, Orders orders);

  // Does a fault that hits the whole server, after writing it down. `item` is the prompt at which it strikes.
  void strike(const Fault& fault, const PromptItem* item = nullptr);
  // Looks for such faults on one occasion and does them.
  void strike_all(const Occasion& occasion, const PromptItem* item = nullptr);
  // Takes a fault that the caller does himself, and writes it down; `more` goes into the line.
  std::optional<Fault> take_fault(std::string_view kind, const Occasion& occasion, const PromptItem* item = nullptr,
                                  const json::object& more = {});

  // The history as the clients see it, which differs from the queue's by faults.
  json::object history(std::optional<std::int64_t> max_items, std::int64_t offset);
  json::object history_of(const std::string& prompt_id);

  // The faults around the end of a prompt: before it goes to history, and right after that. `files` are those it wrote.
  void before_history(const PromptItem& item);
  void after_history(const PromptItem& item, const std::vector<FileName>& files);

  const Options options;
  const Generation& generation;
  const std::shared_ptr<const NodeDefs> nodes;
  Sockets& sockets;
  const Orders orders;
  Files files;
  const Models models;
  const Choices choices;
  Ledger ledger;
  Faults faults;
  HistoryVeil veil;
  ServerLog log;
  RunControl control;
  PromptQueue queue;
};

}  // namespace comfysim

#endif  // RENDERYARD_TESTS_COMFYSIM_MACHINE_H_
