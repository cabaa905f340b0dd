#include "tests/comfysim/run.h"

#include <algorithm>
#include <utility>

#include "tests/comfysim/recursive_order.h"

namespace comfysim {
namespace {

using Clock = std::chrono::steady_clock;

// Async nodes that are due so close to each other make their steps in one turn of the real server's loop.
constexpr auto kOneTurn = std::chrono::milliseconds(5);

struct Interrupted {
  Interrupter who;
};
struct RunIsOver {};

// What execution_error shows of an input: simple values as they are, the rest as text.
json::value describe(const NodeInputs::Input& input) {
  if (const auto* constant = std::get_if<json::value>(&input)) {
    return constant->is_structured() ? json::value(python_str(*constant)) : *constant;
  }
  const auto& value = std::get<Value>(input);
  if (const auto* images = std::get_if<Batch>(&value)) {
    return json::value("tensor(shape=[" + std::to_string(images->size()) + ", " +
                       std::to_string(images->empty() ? 0 : images->front()->height) + ", " +
                       std::to_string(images->empty() ? 0 : images->front()->width) + ", 3])");
  }
  return json::value("<object>");
}

}  // namespace

Run::Run(Machine& machine, OutputCache& cache, ItemPtr item, std::uint64_t life)
    : machine_(machine),
      cache_(cache),
      item_(std::move(item)),
      life_(life),
      execution_id_(execution_id_of(item_->extra_data)),
      graph_(item_->prompt),
      reporter_(machine_.generation, machine_.sockets, *item_, graph_) {}

std::optional<json::object> Run::execute() {
  machine_.control.clear_interrupt();
  machine_.control.set_client(client());
  log("started");
  try {
    run_all();
  } catch (const Interrupted& interrupted) {
    const Interrupter& who = interrupted.who;
    log("interrupted",
        {{"node_id", node_}, {"by", who.by}, {"targeted", who.targeted}, {"user_agent", who.user_agent}});
    log("ended", {{"status", "interrupted"}});
    reporter_.interrupted(node_, executed_);
  } catch (const NodeError& error) {
    fail(error);
  } catch (const RunIsOver&) {
    machine_.control.set_node(std::nullopt);
    return std::nullopt;
  } catch (const std::exception& error) {
    fail(NodeError("RuntimeError", error.what()));
  }
  machine_.control.set_node(std::nullopt);
  return reporter_.history_entry(success_);
}

void Run::run_all() {
  reporter_.start();
  cache_.begin(item_->prompt, *machine_.nodes, machine_.files);
  for (const std::string& id : graph_.ids()) {
    if (find(id) != nullptr) cached_.emplace_back(id);
  }
  reporter_.cached(cached_);
  if (machine_.generation.graph_executor) {
    run_scheduled();
  } else {
    run_recursive();
  }
  success_ = true;
  log("ended", {{"status", "success"}});
  reporter_.success();
}

void Run::run_recursive() {
  std::vector<std::string> outputs;
  for (const json::value& output : item_->outputs) outputs.emplace_back(output.as_string());
  for (const json::value& id : cached_) {
    const std::string node(id.as_string());
    reporter_.keep(node, *find(node));
  }
  const auto cached = [this](const std::string& id) { return find(id) != nullptr; };
  for (const std::string& id : recursive_order(graph_, std::move(outputs), cached)) run_node_of(id);
}

void Run::run_scheduled() {
  schedule_.emplace(*machine_.nodes, graph_, [this](const std::string& id) { return find(id) != nullptr; });
  for (const json::value& output : item_->outputs) schedule_->add(std::string(output.as_string()));
  for (;;) {
    if (const std::optional<std::string> id = schedule_->next()) {
      if (visit(*id)) schedule_->done(*id);
    } else if (!async_.empty()) {
      step_async();
    } else {
      return;
    }
  }
}

bool Run::visit(const std::string& id) {
  if (const auto links = expanded_.find(id); links != expanded_.end()) {
    auto output = std::make_shared<NodeOutput>();
    for (const Link& link : links->second) {
      const NodeOutputPtr source = find(link.node);
      output->values.push_back(source == nullptr ? Value() : source->values.at(link.slot));
    }
    node_ = id;
    finish(id, std::move(output));
    return true;
  }
  if (const auto result = async_results_.find(id); result != async_results_.end()) {
    node_ = id;
    finish(id, result->second);
    return true;
  }
  if (const NodeOutputPtr known = find(id)) {
    reporter_.reused(id, *known);
    return true;
  }
  return run_node_of(id);
}

bool Run::run_node_of(const std::string& id) {
  node_ = id;
  inputs_ = {};
  const GraphNode& node = graph_.node(id);
  if (client()) machine_.control.set_node(node.display);
  log("node", {{"node_id", id}, {"class_type", node.class_type}});
  reporter_.executing(id);
  machine_.strike_all(Occasion::node("mid_run", ++executing_count_), item_.get());
  check_alive();
  std::optional<NodeInputs> inputs = gather_inputs(id);
  if (!inputs) return true;
  check_interrupt();
  inputs_ = std::move(*inputs);
  auto output = std::make_shared<const NodeOutput>(node_function(node.class_type)(inputs_, *this));
  check_alive();
  if (output->expansion) return expand(id, *output->expansion);
  if (output->async) {
    start_async(id, *output);
    return false;
  }
  finish(id, std::move(output));
  return true;
}

std::optional<NodeInputs> Run::gather_inputs(const std::string& id) {
  NodeInputs out;
  const Blocked* blocker = nullptr;
  for (const auto& [name, input] : graph_.node(id).inputs) {
    const std::optional<Link> link = link_of(input);
    if (!link) {
      out.set(name, input);
      continue;
    }
    const NodeOutputPtr source = find(link->node);
    if (source == nullptr || link->slot >= source->values.size()) continue;
    const Value& value = source->values[link->slot];
    if (blocker == nullptr) blocker = std::get_if<Blocked>(&value);
    out.set(name, value);
  }
  if (blocker == nullptr) return out;
  if (blocker->message) reporter_.blocked(id, executed_, *blocker->message);
  auto output = std::make_shared<NodeOutput>();
  const json::object* definition = machine_.nodes->find(graph_.node(id).class_type);
  output->values.assign(definition->at("output").as_array().size(), Blocked{});
  finish(id, std::move(output));
  return std::nullopt;
}

bool Run::expand(const std::string& id, const Expansion& expansion) {
  const std::map<std::string, std::string> ids = graph_.expand(id, expansion);
  for (const ExpandedNode& made : expansion.nodes) {
    if (machine_.nodes->is_output(made.class_type)) schedule_->add(ids.at(made.id));
  }
  for (const auto& [made, slot] : expansion.results) {
    expanded_[id].push_back({ids.at(made), slot});
    schedule_->wait_for(id, ids.at(made));
  }
  return false;
}

void Run::start_async(const std::string& id, const NodeOutput& output) {
  async_results_[id] = std::make_shared<const NodeOutput>(output);
  const auto step =
      std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(output.async->seconds_per_step));
  async_.push_back({id, *output.async, 0, Clock::now() + step});
  schedule_->hold(id);
}

void Run::step_async() {
  const auto first = std::min_element(async_.begin(), async_.end(),
                                      [](const AsyncTask& a, const AsyncTask& b) { return a.due < b.due; });
  sleep(std::chrono::duration<double>(first->due - Clock::now()).count());
  check_alive();
  const auto turn = Clock::now() + kOneTurn;
  for (AsyncTask& task : async_) {
    if (task.due > turn) continue;
    node_ = task.id;
    progress(++task.step, task.work.steps, std::nullopt);
    task.due += std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(task.work.seconds_per_step));
    if (task.step == task.work.steps) schedule_->release(task.id);
  }
  std::erase_if(async_, [](const AsyncTask& task) { return task.step == task.work.steps; });
}

void Run::finish(const std::string& id, NodeOutputPtr output) {
  reporter_.executed(id, *output);
  store(id, std::move(output));
  executed_.emplace_back(id);
  reporter_.finished(id);
}

void Run::store(const std::string& id, NodeOutputPtr output) {
  if (graph_.was_sent(id)) {
    cache_.store(id, std::move(output));
  } else {
    results_[id] = std::move(output);
  }
}

NodeOutputPtr Run::find(const std::string& id) const {
  const auto made = results_.find(id);
  return made != results_.end() ? made->second : cache_.find(id);
}

void Run::fail(const NodeError& error) {
  json::object given;
  for (const auto& [name, input] : inputs_.all()) given[name] = json::array({describe(input)});
  log("ended", {{"status", "error"}, {"node_id", node_}, {"exception_type", error.type}, {"message", error.what()}});
  reporter_.error(
      node_, executed_,
      {{"exception_message", std::string(error.what()) + (machine_.generation.graph_executor ? "\n" : "")},
       {"exception_type", error.type},
       {"traceback", {"  File \"<COMFYUI>/execution.py\", line 545, in execute\n", "  File \"<COMFYUI>/nodes.py\"\n"}},
       {"current_inputs", std::move(given)},
       {"current_outputs", current_outputs()}});
}

json::value Run::current_outputs() const {
  if (machine_.generation.graph_executor) {
    json::array out;
    for (const std::string& id : graph_.ids()) out.emplace_back(id);
    return out;
  }
  // The old executor shows all that is in its cache.
  json::object out;
  for (const std::string& id : graph_.ids()) {
    const NodeOutputPtr output = find(id);
    if (output == nullptr) continue;
    json::array slots;
    for (const Value& value : output->values) slots.push_back(json::array{describe(value)});
    out[id] = std::move(slots);
  }
  return out;
}

bool Run::sampler_previews() const {
  const json::value* method = item_->extra_data.if_contains("preview_method");
  if (method == nullptr || !method->is_string() || *method == "default") return machine_.options.previews;
  return *method != "none";
}

PngTexts Run::png_texts() const {
  PngTexts out = {{"prompt", dump_json(item_->prompt)}};
  const json::value* more = item_->extra_data.if_contains("extra_pnginfo");
  if (more != nullptr && more->is_object()) {
    for (const auto& [key, value] : more->get_object()) {
      if (!key.empty() && key.size() < 80) out.emplace_back(key, dump_json(value));
    }
  }
  return out;
}

void Run::sleep(double seconds) {
  const auto duration = std::chrono::microseconds(static_cast<std::int64_t>(seconds * 1e6));
  if (duration.count() > 0 && !machine_.control.sleep(life_, duration)) throw RunIsOver();
}

void Run::progress(std::int64_t value, std::int64_t max, const std::optional<Preview>& preview) {
  check_alive();
  check_interrupt();
  reporter_.progress(node_, value, max, preview);
}

void Run::end_worker() {
  machine_.control.kill_worker();
  throw RunIsOver();
}

void Run::send_text(const std::string& text) {
  reporter_.text(node_, text);
}

void Run::wrote(const FileName& name, const std::string& bytes) {
  if (machine_.take_fault("disk_full", "save", item_.get())) {
    std::error_code ignored;
    std::filesystem::remove(machine_.files.path_of(name), ignored);  // as PIL does with what it could not write
    throw NodeError("OSError", "[Errno 28] No space left on device");
  }
  written_.push_back(name);
  json::object line = name.to_json();
  line["node_id"] = node_;
  line["sha256"] = sha256_hex(bytes);
  line["size"] = bytes.size();
  log("file", line);
}

void Run::check_alive() const {
  if (machine_.control.is_over(life_)) throw RunIsOver();
}

void Run::check_interrupt() {
  if (auto who = machine_.control.take_interrupt()) throw Interrupted{std::move(*who)};
}

void Run::log(std::string_view event, const json::object& more) {
  machine_.ledger.write(event, json::value(item_->prompt_id), execution_id_, more);
}

}  // namespace comfysim
