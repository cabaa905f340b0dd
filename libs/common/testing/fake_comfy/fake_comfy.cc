#include "libs/common/testing/fake_comfy/fake_comfy.h"

#include <algorithm>
#include <boost/json.hpp>
#include <utility>

namespace renderyard::testing {

namespace {

using What = ComfyLedgerEntry::What;
constexpr int kProgressSteps = 4;

}  // namespace

FakeComfy::FakeComfy(sim::World& world, std::string name, Options options)
    : world_(world),
      name_(std::move(name)),
      options_(options),
      random_(world.fork("comfy " + name_)),
      files_(world),
      clients_([this] { return latency(); }) {}

absl::Duration FakeComfy::latency() {
  return (options_.latency_min + random_->jitter(options_.latency_max - options_.latency_min)) * slowness_;
}

absl::Duration FakeComfy::moment() {
  return absl::Microseconds(50) + random_->jitter(absl::Microseconds(400));
}

void FakeComfy::record(What what, const ComfyPrompt& prompt) {
  ledger_.push_back({what, world_.now(), life_, prompt.prompt_id, prompt.execution_id, prompt.job_id});
  if (!world_.trace().recording()) return;
  static constexpr const char* kNames[] = {"posted", "accepted", "refused", "started", "ended", "vanished"};
  note(std::string(kNames[static_cast<int>(what)]) + " prompt_id=" + prompt.prompt_id +
       " execution_id=" + prompt.execution_id + " job_id=" + prompt.job_id);
}

std::optional<FakeComfy::PostFault> FakeComfy::take_post_fault(std::string_view body) {
  if (post_faults_.empty()) return std::nullopt;
  const PostFault fault = post_faults_.front();
  post_faults_.pop_front();
  if (post_fault_told_) post_fault_told_(fault, parse_post(body).prompt.execution_id);
  return fault;
}

void FakeComfy::die() {
  if (!up_) return;
  note("dies");
  up_ = false;
  ++life_;
  ++run_;
  for (const auto& [key, prompt] : pending_) record(What::kVanished, prompt);
  if (running_) record(What::kVanished, running_->prompt);
  pending_.clear();
  running_.reset();
  history_.clear();
  finished_.clear();
  clients_.drop_all();
  counter_ = 0;
}

void FakeComfy::restart() {
  if (up_) return;
  note("is back");
  up_ = true;
}

void FakeComfy::forget(bool queue) {
  note(queue ? "history and queue are cleared by somebody" : "history is cleared by somebody");
  history_.clear();
  finished_.clear();
  if (!queue) return;
  for (const auto& [key, prompt] : pending_) record(What::kVanished, prompt);
  pending_.clear();
  send_status();
}

void FakeComfy::drop_sockets() {
  note("drops its sockets");
  clients_.drop_all();
}

void FakeComfy::deafen() {
  if (const auto client_id = clients_.deafen(*random_)) note("deafens " + *client_id);
}

domain::PostOutcome FakeComfy::post(std::string_view body) {
  ParsedPost post = parse_post(body);
  if (post.prompt.prompt_id.empty() || !options_.own_prompt_ids) post.prompt.prompt_id = random_->uuid4();
  record(What::kPosted, post.prompt);
  if (post.refused) {
    record(What::kRefused, post.prompt);
    return post.answer;
  }
  post.prompt.number = counter_++;
  record(What::kAccepted, post.prompt);
  domain::PostOutcome outcome;
  outcome.kind = domain::PostOutcome::Kind::kAnswered;
  outcome.http_status = 200;
  outcome.content_type = "application/json; charset=utf-8";
  outcome.body = boost::json::serialize(boost::json::object{
      {"prompt_id", post.prompt.prompt_id}, {"number", post.prompt.number}, {"node_errors", boost::json::object{}}});
  auto key = std::make_pair(post.prompt.number, post.prompt.prompt_id);
  pending_.emplace(std::move(key), std::move(post.prompt));
  send_status();
  if (!running_) later(moment(), &FakeComfy::take_next);
  return outcome;
}

domain::QueueListing FakeComfy::queue() const {
  domain::QueueListing listing;
  auto item = [](const ComfyPrompt& prompt) {
    domain::QueueItem out;
    out.prompt_id = prompt.prompt_id;
    out.chosen_id = prompt.chosen_id;
    out.number = prompt.number;
    return out;
  };
  if (running_) listing.running.push_back(item(running_->prompt));
  for (const auto& [key, prompt] : pending_) listing.pending.push_back(item(prompt));
  return listing;
}

std::optional<domain::HistoryEntry> FakeComfy::history(const std::string& prompt_id) const {
  auto it = history_.find(prompt_id);
  if (it == history_.end()) return std::nullopt;
  return it->second.entry;
}

std::vector<domain::QueueItem> FakeComfy::recent_history(int max_items) const {
  std::vector<domain::QueueItem> items;
  for (auto it = finished_.rbegin(); it != finished_.rend() && static_cast<int>(items.size()) < max_items; ++it) {
    const domain::QueueItem& item = history_.at(*it).item;
    if (!item.chosen_id.empty()) items.push_back(item);
  }
  return items;
}

void FakeComfy::maybe_overwrite_while_read(const domain::OutputFile& file) {
  if (!overwrites_ended_ || !random_->chance(0.3)) return;
  if (files_.overwrite(file)) note("a file is overwritten by somebody while it is read");
}

bool FakeComfy::cancel(const std::string& prompt_id) {
  if (running_ && running_->prompt.prompt_id == prompt_id) {
    running_->interrupted = true;
    return true;
  }
  for (auto it = pending_.begin(); it != pending_.end(); ++it) {
    if (it->second.prompt_id != prompt_id) continue;
    record(What::kEnded, it->second);
    pending_.erase(it);
    send_status();
    return true;
  }
  return false;
}

ports::ComfyAbilities FakeComfy::abilities() const {
  ports::ComfyAbilities abilities;
  abilities.own_prompt_ids = options_.own_prompt_ids;
  abilities.targeted_interrupt = options_.atomic_cancel;
  abilities.atomic_cancel = options_.atomic_cancel;
  abilities.jobs_api = options_.atomic_cancel;
  abilities.feature_flags = abilities.preview_metadata = abilities.progress_state = options_.own_prompt_ids;
  abilities.version = options_.atomic_cancel ? "0.33.0" : "";
  return abilities;
}

FakeComfy::SocketId FakeComfy::open_socket(const std::string& client_id, std::shared_ptr<Messages> messages) {
  domain::ComfyStatus status;
  status.queue_remaining = static_cast<int>(queue_length());
  status.sid = client_id;
  messages->send(latency(), status);
  if (running_ && running_->prompt.client_id == client_id && running_->node < running_->prompt.nodes.size()) {
    domain::Executing executing;  // without a prompt id, as the server does at a reconnect
    executing.node = running_->prompt.nodes[running_->node].id;
    executing.display_node = *executing.node;
    messages->send(latency(), executing);
  }
  return clients_.add(client_id, std::move(messages));
}

void FakeComfy::send_status() {
  domain::ComfyStatus status;
  status.queue_remaining = static_cast<int>(queue_length());
  clients_.send_to_all(status);
}

void FakeComfy::later(absl::Duration delay, void (FakeComfy::*step)()) {
  world_.after(delay, [this, step, run = run_] {
    if (run == run_) (this->*step)();
  });
}

void FakeComfy::take_next() {
  if (running_ || pending_.empty()) return;
  auto first = pending_.begin();
  running_ = std::make_unique<Running>();
  running_->prompt = std::move(first->second);
  running_->outputs_json = "{";
  pending_.erase(first);
  record(What::kStarted, running_->prompt);
  send_status();
  later(moment(), &FakeComfy::begin_run);
}

void FakeComfy::begin_run() {
  const ComfyPrompt& prompt = running_->prompt;
  send(prompt.client_id, domain::ExecutionStart{prompt.prompt_id});
  send(prompt.client_id, domain::ExecutionCached{prompt.prompt_id, {}});
  later(moment(), &FakeComfy::begin_node);
}

void FakeComfy::begin_node() {
  Running& run = *running_;
  if (run.interrupted) return interrupt_run();
  if (run.node >= run.prompt.nodes.size()) return announce_success();
  const ComfyNode& node = run.prompt.nodes[run.node];
  domain::NodeState state;
  state.id = node.id;
  run.states.push_back(state);
  send(run.prompt.client_id, domain::ProgressState{run.prompt.prompt_id, run.states});
  domain::Executing executing;
  executing.prompt_id = run.prompt.prompt_id;
  executing.node = node.id;
  executing.display_node = node.id;
  send(run.prompt.client_id, executing);
  if (node.class_type == "DeafNode") return later(kDeafFor, &FakeComfy::end_node);
  if (node.class_type != "HangingNode") return report_progress();
  run.hangs_until = world_.now() + kHangs;
  hang();
}

void FakeComfy::hang() {
  Running& run = *running_;
  if (run.interrupted) return interrupt_run();
  if (world_.now() < *run.hangs_until) return later(absl::Milliseconds(500), &FakeComfy::hang);
  domain::ExecutionError error;
  error.prompt_id = run.prompt.prompt_id;
  error.node_id = run.prompt.nodes[run.node].id;
  error.node_type = run.prompt.nodes[run.node].class_type;
  error.message = "nobody interrupted this node";
  error.exception_type = "RuntimeError";
  fail_run(std::move(error));
}

void FakeComfy::report_progress() {
  Running& run = *running_;
  if (run.interrupted) return interrupt_run();
  domain::NodeState& state = run.states.back();
  const absl::Duration whole = (options_.node_min + random_->jitter(options_.node_max - options_.node_min)) * slowness_;
  if (state.max > 1 && state.value >= state.max) {
    later(moment(), &FakeComfy::end_node);
    return;
  }
  if (state.max > 1) {
    state.value += 1;
    send(run.prompt.client_id, domain::ProgressState{run.prompt.prompt_id, run.states});
    send_pictures(state.value);
  }
  state.max = kProgressSteps;
  later(whole / (kProgressSteps + 1), &FakeComfy::report_progress);
}

// Every node but the one that saves to the socket shows previews: pictures that nobody may take for outputs.
void FakeComfy::send_pictures(double step) {
  const Running& run = *running_;
  const ComfyNode& node = run.prompt.nodes[run.node];
  const bool output = node.class_type == "SaveImageWebsocket";
  if (output && step > kSocketPictures) return;
  domain::PreviewImage picture;
  // Servers that choose the prompt's id are older than frames that name it.
  if (options_.own_prompt_ids) {
    picture.prompt_id = run.prompt.prompt_id;
    picture.node_id = node.id;
  }
  picture.content_type = "image/png";
  picture.data = output ? file_content(run.prompt.picture, node.id) : "a preview";
  send(run.prompt.client_id, std::move(picture));
}

void FakeComfy::end_node() {
  Running& run = *running_;
  const ComfyNode& node = run.prompt.nodes[run.node];
  if (node.class_type == "FailingNode" || sick_) {
    domain::ExecutionError error;
    error.prompt_id = run.prompt.prompt_id;
    error.node_id = node.id;
    error.node_type = node.class_type;
    error.message = sick_ ? "CUDA error: unspecified launch failure" : "this node always fails";
    error.exception_type = "RuntimeError";
    return fail_run(std::move(error));
  }
  if (node.class_type == "SaveImage" || node.class_type == "SaveAnywhere") {
    const domain::OutputFile file = files_.write(node, file_content(run.prompt.picture, node.id));
    boost::json::object item{{"filename", file.filename}, {"subfolder", file.subfolder}, {"type", file.type}};
    boost::json::object output{{"images", boost::json::array{item}}};
    const std::string output_json = boost::json::serialize(output);
    if (run.outputs_json.size() > 1) run.outputs_json += ",";
    run.outputs_json += boost::json::serialize(boost::json::string(node.id)) + ":" + output_json;
    run.files.push_back(file);
    domain::Executed executed;
    executed.prompt_id = run.prompt.prompt_id;
    executed.node = node.id;
    executed.display_node = node.id;
    executed.output_json = output_json;
    executed.files.push_back(file);
    send(run.prompt.client_id, executed);
  }
  run.states.back().finished = true;
  send(run.prompt.client_id, domain::ProgressState{run.prompt.prompt_id, run.states});
  ++run.node;
  later(moment(), &FakeComfy::begin_node);
}

void FakeComfy::fail_run(domain::ExecutionError error) {
  send(running_->prompt.client_id, error);
  finish_run(domain::HistoryEnd::kError, std::move(error), std::nullopt);
  end_run();
}

void FakeComfy::interrupt_run() {
  const std::size_t index = std::min(running_->node, running_->prompt.nodes.size() - 1);
  domain::ExecutionInterrupted interrupted;
  interrupted.prompt_id = running_->prompt.prompt_id;
  interrupted.node_id = running_->prompt.nodes[index].id;
  interrupted.node_type = running_->prompt.nodes[index].class_type;
  send(running_->prompt.client_id, interrupted);
  finish_run(domain::HistoryEnd::kInterrupted, std::nullopt, std::move(interrupted));
  end_run();
}

void FakeComfy::announce_success() {
  running_->ended_at = absl::FromUnixMillis(absl::ToUnixMillis(world_.now()));
  send(running_->prompt.client_id, domain::ExecutionSuccess{running_->prompt.prompt_id, running_->ended_at});
  // The server writes the history only after it has sent this; a client that asks at once may find nothing.
  later(random_->jitter(options_.history_lag), &FakeComfy::write_history);
}

void FakeComfy::write_history() {
  finish_run(domain::HistoryEnd::kSuccess, std::nullopt, std::nullopt);
  end_run();
}

void FakeComfy::finish_run(domain::HistoryEnd end, std::optional<domain::ExecutionError> error,
                           std::optional<domain::ExecutionInterrupted> interrupted) {
  Running& run = *running_;
  Done done;
  done.entry.end = end;
  done.entry.files = run.files;
  done.entry.outputs_json = run.outputs_json + "}";
  done.entry.error = std::move(error);
  done.entry.interrupted = std::move(interrupted);
  done.entry.execution_id = run.prompt.execution_id;
  done.entry.ended_at = run.ended_at;
  done.item.prompt_id = run.prompt.prompt_id;
  done.item.chosen_id = run.prompt.chosen_id;
  done.item.number = run.prompt.number;
  if (!history_.contains(run.prompt.prompt_id)) finished_.push_back(run.prompt.prompt_id);
  history_.insert_or_assign(run.prompt.prompt_id, std::move(done));
  if (forgets_ended_) forget(false);
  if (!overwrites_ended_) return;
  // What another prompt wrote there meanwhile is left alone: it may have ended just now.
  world_.after(kOverwrittenAfter, [this, versions = files_.versions(run.files)] {
    files_.overwrite_unchanged(versions);
    note("files of a prompt that has ended are overwritten by somebody");
  });
}

void FakeComfy::end_run() {
  const ComfyPrompt prompt = std::move(running_->prompt);
  running_.reset();
  ++run_;
  record(What::kEnded, prompt);
  send_status();
  domain::Executing over;
  over.prompt_id = prompt.prompt_id;
  send(prompt.client_id, over);
  later(moment(), &FakeComfy::take_next);
}

}  // namespace renderyard::testing
