#include "tests/comfysim/run.h"

#include <utility>

#include "tests/comfysim/schedule.h"

namespace comfysim {
namespace {

constexpr int kJpegQuality = 95;
constexpr auto kLeastInterval = std::chrono::milliseconds(100);
constexpr double kLeastChange = 0.005;  // of the whole

struct Interrupted {
  Interrupter who;
};
struct RunIsOver {};

std::int64_t now_ms() {
  return now_us() / 1000;
}

std::string big_endian(std::uint32_t value) {
  std::string out;
  for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>((value >> shift) & 0xff);
  return out;
}

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

// client_id of extra_data. One that is no string matches no socket, but is not absent either.
Sid client_of(const json::object& extra_data) {
  const json::value* id = extra_data.if_contains("client_id");
  if (id == nullptr || id->is_null()) return std::nullopt;
  if (!id->is_string()) return std::string("\0", 1) + json::serialize(*id);
  return std::string(id->get_string());
}

}  // namespace

Run::Run(Machine& machine, OutputCache& cache, ItemPtr item, std::uint64_t life)
    : machine_(machine),
      cache_(cache),
      item_(std::move(item)),
      life_(life),
      execution_id_(execution_id_of(item_->extra_data)),
      client_(client_of(item_->extra_data)) {}

std::optional<json::object> Run::execute() {
  machine_.control.clear_interrupt();
  machine_.control.set_client(client_);
  log("started");
  try {
    run_all();
  } catch (const Interrupted& interrupted) {
    outcome_ = "interrupted";
    const Interrupter& who = interrupted.who;
    log("interrupted",
        {{"node_id", node_}, {"by", who.by}, {"targeted", who.targeted}, {"user_agent", who.user_agent}});
    log("ended", {{"status", outcome_}});
    add_message(
        "execution_interrupted",
        {{"prompt_id", item_->prompt_id}, {"node_id", node_}, {"node_type", class_of(node_)}, {"executed", executed_}},
        true);
  } catch (const NodeError& error) {
    fail(error);
  } catch (const RunIsOver&) {
    machine_.control.set_node(std::nullopt);
    return std::nullopt;
  } catch (const std::exception& error) {
    fail(NodeError("RuntimeError", error.what()));
  }
  machine_.control.set_node(std::nullopt);
  const bool success = outcome_ == "success";
  json::object status = {
      {"status_str", success ? "success" : "error"}, {"completed", success}, {"messages", std::move(messages_)}};
  return json::object{{"prompt", item_->to_json()},
                      {"outputs", std::move(outputs_)},
                      {"status", std::move(status)},
                      {"meta", std::move(meta_)}};
}

void Run::run_all() {
  add_message("execution_start", {{"prompt_id", item_->prompt_id}}, false);
  cache_.begin(item_->prompt, *machine_.nodes, machine_.files);
  json::array cached;
  for (const auto& [id, node] : item_->prompt) {
    if (cache_.find(std::string(id)) != nullptr) cached.emplace_back(id);
  }
  add_message("execution_cached", {{"nodes", std::move(cached)}, {"prompt_id", item_->prompt_id}}, false);
  Schedule schedule(*machine_.nodes, item_->prompt, item_->outputs,
                    [this](const std::string& id) { return cache_.find(id) != nullptr; });
  while (const std::optional<std::string> id = schedule.next()) {
    if (const NodeOutputPtr known = cache_.find(*id)) {
      reuse(*id, *known);
    } else {
      run_node_of(*id);
    }
    schedule.done(*id);
  }
  outcome_ = "success";
  log("ended", {{"status", outcome_}});
  add_message("execution_success", {{"prompt_id", item_->prompt_id}}, false);
}

void Run::reuse(const std::string& id, const NodeOutput& output) {
  json::value ui = nullptr;
  if (output.ui) ui = *output.ui;
  send_to_client("executed",
                 {{"node", id}, {"display_node", id}, {"output", std::move(ui)}, {"prompt_id", item_->prompt_id}});
  keep_ui(id, output);
  set_progress(id, 1, 1, "finished");
  send_progress_state();
}

void Run::run_node_of(const std::string& id) {
  node_ = id;
  inputs_ = {};
  last_value_ = -1;
  set_progress(id, 0.0, 1.0, "running");
  send_progress_state();
  if (client_) machine_.control.set_node(id);
  log("node", {{"node_id", id}, {"class_type", class_of(id)}});
  send_to_client("executing", {{"node", id}, {"display_node", id}, {"prompt_id", item_->prompt_id}});
  machine_.strike_all(Occasion::node("mid_run", ++executing_count_), item_.get());
  check_alive();
  check_interrupt();
  inputs_ = gather_inputs(id);
  auto output = std::make_shared<const NodeOutput>(node_function(class_of(id))(inputs_, *this));
  check_alive();
  keep_ui(id, *output);
  if (output->ui) {
    send_to_client("executed",
                   {{"node", id}, {"display_node", id}, {"output", *output->ui}, {"prompt_id", item_->prompt_id}});
  }
  cache_.store(id, std::move(output));
  executed_.emplace_back(id);
  const json::object& now = progress_.at(id).as_object();
  set_progress(id, now.at("max"), now.at("max"), "finished");
  send_progress_state();
}

NodeInputs Run::gather_inputs(const std::string& id) const {
  NodeInputs out;
  for (const auto& [name, value] : item_->prompt.at(id).at("inputs").as_object()) {
    const json::array* link = value.if_array();
    if (link == nullptr) {
      out.set(std::string(name), value);
      continue;
    }
    const NodeOutputPtr source = cache_.find(std::string(link->at(0).as_string()));
    const auto slot = static_cast<std::size_t>(link->at(1).to_number<std::int64_t>());
    if (source != nullptr && slot < source->values.size()) out.set(std::string(name), source->values[slot]);
  }
  return out;
}

void Run::fail(const NodeError& error) {
  outcome_ = "error";
  json::object given;
  for (const auto& [name, input] : inputs_.all()) given[name] = json::array({describe(input)});
  json::array outputs;
  for (const auto& [id, node] : item_->prompt) outputs.emplace_back(id);
  log("ended", {{"status", outcome_}, {"node_id", node_}, {"exception_type", error.type}, {"message", error.what()}});
  add_message(
      "execution_error",
      {{"prompt_id", item_->prompt_id},
       {"node_id", node_},
       {"node_type", class_of(node_)},
       {"executed", executed_},
       {"exception_message", std::string(error.what()) + "\n"},
       {"exception_type", error.type},
       {"traceback", {"  File \"<COMFYUI>/execution.py\", line 545, in execute\n", "  File \"<COMFYUI>/nodes.py\"\n"}},
       {"current_inputs", std::move(given)},
       {"current_outputs", std::move(outputs)}},
      false);
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
  const auto now = std::chrono::steady_clock::now();
  const bool due = now - last_report_ >= kLeastInterval &&
                   static_cast<double>(value - last_value_) >= kLeastChange * static_cast<double>(max);
  if (machine_.generation.throttled_progress && last_value_ >= 0 && value < max && !preview && !due) return;
  last_value_ = value;
  last_report_ = now;
  const bool with_metadata = machine_.sockets.wants_preview_metadata(client_);
  set_progress(node_, value, max, "running");
  send_progress_state();
  if (preview && with_metadata) send_preview(*preview, true);
  machine_.sockets.send(client_, "progress",
                        {{"value", value}, {"max", max}, {"prompt_id", item_->prompt_id}, {"node", node_}});
  if (preview && !with_metadata) send_preview(*preview, false);
}

void Run::send_preview(const Preview& preview, bool with_metadata) {
  const std::string image = preview.png ? encode_png(preview.picture) : encode_jpeg(preview.picture, kJpegQuality);
  if (!with_metadata) {
    machine_.sockets.send_binary(client_, BinaryEvent::kPreviewImage, big_endian(preview.png ? 2 : 1) + image);
    return;
  }
  const json::object metadata = {{"node_id", node_},         {"prompt_id", item_->prompt_id},
                                 {"display_node_id", node_}, {"parent_node_id", nullptr},
                                 {"real_node_id", node_},    {"image_type", preview.png ? "image/png" : "image/jpeg"}};
  const std::string text = dump_json(metadata);
  machine_.sockets.send_binary(client_, BinaryEvent::kPreviewImageWithMetadata,
                               big_endian(static_cast<std::uint32_t>(text.size())) + text + image);
}

void Run::send_text(const std::string& text) {
  // Core nodes give no client here, so everybody gets it.
  machine_.sockets.send_binary(std::nullopt, BinaryEvent::kText,
                               big_endian(static_cast<std::uint32_t>(node_.size())) + node_ + text);
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

void Run::keep_ui(const std::string& id, const NodeOutput& output) {
  if (!output.ui) return;
  outputs_[id] = *output.ui;
  meta_[id] = {{"node_id", id}, {"display_node", id}, {"parent_node", nullptr}, {"real_node_id", id}};
}

void Run::set_progress(const std::string& id, json::value value, json::value max, const char* state) {
  progress_[id] = {{"value", std::move(value)},
                   {"max", std::move(max)},
                   {"state", state},
                   {"node_id", id},
                   {"prompt_id", item_->prompt_id},
                   {"display_node_id", id},
                   {"parent_node_id", nullptr},
                   {"real_node_id", id}};
}

void Run::send_progress_state() {
  if (!machine_.generation.progress_state) return;
  machine_.sockets.send(client_, "progress_state", {{"prompt_id", item_->prompt_id}, {"nodes", progress_}});
}

void Run::send_to_client(std::string_view type, json::object data) {
  if (client_) machine_.sockets.send(client_, type, std::move(data));
}

void Run::add_message(std::string_view type, json::object data, bool broadcast) {
  data["timestamp"] = now_ms();
  messages_.push_back(json::array({json::string(type), data}));
  if (client_ || broadcast) machine_.sockets.send(client_, type, std::move(data));
}

void Run::log(std::string_view event, const json::object& more) {
  machine_.ledger.write(event, json::value(item_->prompt_id), execution_id_, more);
}

std::string Run::class_of(const std::string& id) const {
  return std::string(item_->prompt.at(id).at("class_type").as_string());
}

}  // namespace comfysim
