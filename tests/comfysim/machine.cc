#include "tests/comfysim/machine.h"

#include <unistd.h>

#include <algorithm>
#include <utility>

#include "tests/comfysim/image.h"

namespace comfysim {
namespace {

json::object status_data(std::size_t remaining) {
  return json::object{{"status", {{"exec_info", {{"queue_remaining", remaining}}}}}};
}

// What another prompt might have painted.
Picture stranger() {
  Picture out(16, 16);
  std::fill(out.rgb.begin(), out.rgb.end(), std::uint8_t{0x5a});
  return out;
}

void note(Machine& machine, const Fault& fault, const PromptItem* item, const json::object& more) {
  json::object line = fault.to_json();
  for (const auto& [key, value] : more) line[key] = value;
  const json::value prompt_id = item == nullptr ? json::value(nullptr) : json::value(item->prompt_id);
  machine.ledger.write("fault", prompt_id, item == nullptr ? nullptr : execution_id_of(item->extra_data), line);
}

}  // namespace

Machine::Machine(Options o, Sockets& s, Orders given)
    : options(std::move(o)),
      generation(*options.generation),
      nodes(shared_node_defs(generation)),
      sockets(s),
      orders(std::move(given)),
      files(options.dir),
      models(generation, options.models),
      choices(models, files),
      ledger(options.dir / "ledger.jsonl"),
      faults(options.seed),
      log(sockets, generation.coloured_log ? "\x1b[32m[INFO]\x1b[0m " : ""),
      queue([this](std::size_t remaining) {
        if (remaining > 0) orders.wake_worker();
        sockets.send(std::nullopt, "status", status_data(remaining));
      }) {
  log.add("Starting server");
  ledger.write(
      "boot", nullptr, nullptr,
      {{"name", options.name}, {"pid", static_cast<std::int64_t>(::getpid())}, {"version", generation.version}});
}

void Machine::strike(const Fault& fault, const PromptItem* item) {
  note(*this, fault, item, {});
  std::optional<std::chrono::milliseconds> time;
  if (fault.for_ms) time = std::chrono::milliseconds(*fault.for_ms);
  if (fault.kind == "die") ::_exit(1);
  if (fault.kind == "drop") sockets.drop_all();
  if (fault.kind == "deaf") sockets.deafen_all();
  if (fault.kind == "half_open") sockets.freeze_all(time);
  if (fault.kind == "closed") orders.close_door(time.value_or(std::chrono::milliseconds(0)));
  if (fault.kind == "clear_history") queue.clear_history();
  if (fault.kind == "worker_death") control.kill_worker();
  if (fault.kind == "forget") queue.forget([this] { control.end_life(); });
}

void Machine::strike_all(const Occasion& occasion, const PromptItem* item) {
  for (const char* kind : {"drop", "deaf", "half_open", "clear_history", "worker_death", "forget", "die"}) {
    if (const auto fault = faults.take(kind, occasion)) strike(*fault, item);
  }
}

std::optional<Fault> Machine::take_fault(std::string_view kind, const Occasion& occasion, const PromptItem* item,
                                         const json::object& more) {
  std::optional<Fault> fault = faults.take(kind, occasion);
  if (fault) note(*this, *fault, item, more);
  return fault;
}

json::object Machine::history(std::optional<std::int64_t> max_items, std::int64_t offset) {
  if (take_fault("history_empty", "history")) return {};
  json::object all = queue.history(max_items, offset);
  std::vector<std::string> hidden;
  for (const auto& [id, entry] : all) {
    if (veil.hides(std::string(id))) hidden.emplace_back(id);
  }
  for (const std::string& id : hidden) all.stable_erase(id);
  return all;
}

json::object Machine::history_of(const std::string& prompt_id) {
  if (take_fault("history_empty", "history") || veil.hides(prompt_id)) return {};
  return queue.history_of(prompt_id);
}

void Machine::before_history(const PromptItem& item) {
  if (const auto fault = take_fault("history_late", "end", &item)) {
    veil.hide(item.prompt_id, std::chrono::milliseconds(fault->delay_ms));
  }
}

void Machine::after_history(const PromptItem& item, const std::vector<FileName>& written) {
  if (!written.empty() && take_fault("overwrite", "end", &item)) {
    for (const FileName& name : written) write_file(files.path_of(name), encode_png(stranger()));
  }
  strike_all("end", &item);
}

}  // namespace comfysim
