#include "tests/comfysim/machine.h"

#include <unistd.h>

#include <utility>

namespace comfysim {
namespace {

json::object status_data(std::size_t remaining) {
  return json::object{{"status", {{"exec_info", {{"queue_remaining", remaining}}}}}};
}

}  // namespace

Machine::Machine(Options o, Sockets& s, std::function<void()> wake_worker)
    : options(std::move(o)),
      generation(*options.generation),
      nodes(shared_node_defs(generation)),
      sockets(s),
      files(options.dir),
      models(generation, options.models),
      choices(models, files),
      ledger(options.dir / "ledger.jsonl"),
      faults(options.seed),
      queue([this, wake = std::move(wake_worker)](std::size_t remaining) {
        if (remaining > 0) wake();
        sockets.send(std::nullopt, "status", status_data(remaining));
      }) {
  ledger.write(
      "boot", nullptr, nullptr,
      {{"name", options.name}, {"pid", static_cast<std::int64_t>(::getpid())}, {"version", generation.version}});
}

void Machine::strike(const Fault& fault) {
  ledger.write("fault", nullptr, nullptr, fault.to_json());
  if (fault.kind == "die") ::_exit(1);
  if (fault.kind == "drop") sockets.drop_all();
  if (fault.kind == "deaf") sockets.deafen_all();
  if (fault.kind == "forget") queue.forget([this] { control.end_life(); });
}

void Machine::strike_all(std::string_view at) {
  for (const char* kind : {"drop", "deaf", "forget", "die"}) {
    if (const auto fault = faults.take(kind, at)) strike(*fault);
  }
}

}  // namespace comfysim
