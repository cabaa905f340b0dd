#include "tests/integration/bridge/bridge_lab.h"

#include <absl/strings/str_cat.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <chrono>
#include <future>
#include <stdexcept>
#include <utility>

#include "libs/common/domain/comfy_json.h"
#include "libs/common/testing/fake_cancel_store.h"
#include "libs/common/testing/fake_dispatch_store.h"
#include "libs/common/testing/fake_execution_store.h"
#include "libs/common/testing/fake_instance_store.h"
#include "libs/common/testing/fake_job_store.h"
#include "libs/common/testing/fake_operator_store.h"
#include "services/bridge/comfy/comfy_client.h"

namespace renderyard::testing {

namespace {

class Recorder final : public base::Journal {
 public:
  Recorder(std::vector<std::string>& events, std::vector<std::string>& lines) : events_(events), lines_(lines) {}
  void record(base::Severity, std::string_view event, std::initializer_list<base::Field> fields) override {
    events_.emplace_back(event);
    std::string line(event);
    for (const base::Field& field : fields) line += " " + std::string(field.name) + "=" + text_of(field);
    lines_.push_back(std::move(line));
  }

 private:
  static std::string text_of(const base::Field& field) {
    return std::visit(
        [](const auto& value) -> std::string {
          using Value = std::decay_t<decltype(value)>;
          if constexpr (std::is_same_v<Value, bool>) {
            return value ? "true" : "false";
          } else if constexpr (std::is_arithmetic_v<Value>) {
            return std::to_string(value);
          } else {
            return std::string(value);
          }
        },
        field.value);
  }

  std::vector<std::string>& events_;
  std::vector<std::string>& lines_;
};

bridge::Config config() {
  bridge::Config config;
  config.identity.owner = "bridge-1";
  config.identity.address = "127.0.0.1:1";
  config.identity.lock = "the lab's";
  config.look_every = absl::Milliseconds(200);
  config.watchdog_first = absl::Seconds(1);
  config.poll_without_socket = absl::Milliseconds(300);
  config.vanished_gap = absl::Milliseconds(500);
  config.capabilities_spread = absl::ZeroDuration();
  config.progress_every = absl::Milliseconds(50);
  config.stop_grace = absl::Milliseconds(1500);
  config.quarantine_look_every = absl::Milliseconds(200);
  return config;
}

template <class T>
base::Task<absl::Status> keep(base::Task<absl::StatusOr<T>> task, std::optional<T>& out) {
  absl::StatusOr<T> value = co_await std::move(task);
  if (!value.ok()) co_return value.status();
  out.emplace(*std::move(value));
  co_return absl::OkStatus();
}

// As long as anybody `reads`: what it is appended to may be gone when the bridge dies.
base::Task<absl::Status> append_all(base::Stream<ports::BridgeEvent>& stream, std::vector<ports::BridgeEvent>& into,
                                    std::shared_ptr<const bool> reads) {
  for (;;) {
    auto event = co_await stream.next();
    if (!*reads) co_return absl::CancelledError("nobody reads any more");
    if (!event.ok()) co_return event.status();
    into.push_back(**std::move(event));
  }
}

base::Task<absl::Status> keep_answer(base::Task<absl::StatusOr<domain::CancelResult>> task,
                                     std::shared_ptr<BridgeLab::Cancelled> out) {
  absl::StatusOr<domain::CancelResult> value = co_await std::move(task);
  out->emplace(std::move(value));
  co_return absl::OkStatus();
}

}  // namespace

struct BridgeLab::Process {
  explicit Process(BridgeLab& lab)
      : journal(lab.journal_, lab.journal_lines_),
        clients(comfy_io, strand, clock,
                {.ca_file = lab.ca_file_,
                 .on_unreadable = [&counts = lab.counts_] { counts.unreadable_frame(); },
                 .on_dropped = [&counts = lab.counts_] { counts.dropped_message(); },
                 .download_stall = absl::Seconds(2)}),
        crashing(clients, lab.deadly_),
        store(strand, lab.database_, lab.link_),
        cancels(strand, lab.database_, lab.link_),
        artifacts(strand, lab.depot_, lab.link_),
        cache(strand, lab.redis_, lab.link_),
        hints(strand, lab.hints_),
        service({strand, clock, random, journal, store, crashing, artifacts, cache, hints, lab.counts_}, lab.config_) {}

  ~Process() {
    *read = false;
    // What was ready may run to its next wait, and dies there.
    do {
      strand.drop_all();
    } while (io.poll() > 0);
    // What was dropped is cut on the io thread, which must not read for it any more when the clients are destroyed.
    std::promise<void> cut;
    boost::asio::post(comfy_io.context(), [&cut] { cut.set_value(); });
    cut.get_future().wait();
  }

  boost::asio::io_context io{1};
  base::Strand strand{io.get_executor()};
  runtime::SystemClock clock{strand};
  runtime::KernelRandom random;
  Recorder journal;
  comfy::ComfyIo comfy_io;
  comfy::ComfyClients clients;
  CrashingClients crashing;
  FakeExecutionStore store;
  FakeCancelStore cancels;
  FakeArtifacts artifacts;
  FakeProgressCache cache;
  FakeHints hints;
  bridge::Bridge service;
  bool ended = false;
  std::vector<base::StreamPtr<ports::BridgeEvent>> streams;
  const std::shared_ptr<bool> read = std::make_shared<bool>(true);  // what the streams say
};

BridgeLab::BridgeLab(std::vector<std::string> sim_arguments, std::string ws_url)
    : BridgeLab(std::move(sim_arguments), Way{.ws_url = std::move(ws_url)}) {}

BridgeLab::BridgeLab(std::vector<std::string> sim_arguments, Way way)
    : sim_(std::move(sim_arguments)),
      ca_file_(std::move(way.ca_file)),
      config_(config()),
      database_([] { return absl::Now(); }, "00000000-0000-4000-8000-00000000c105"),
      redis_([] { return absl::Now(); }),
      user_(database_.add_user("anna", ports::Role::kUser, std::string(64, 'a'))) {
  if (way.settings) way.settings(config_);
  FakeInstanceStore instances(office_.strand(), database_, link_);
  ports::NewInstance wanted;
  wanted.name = "comfy-1";
  wanted.api_url = way.url ? way.url(sim_.url()) : sim_.url();
  wanted.ws_url = way.ws_url.empty() ? "ws" + wanted.api_url.substr(4) : std::move(way.ws_url);
  wanted.headers = std::move(way.headers);
  instance_ = now(instances.add(std::move(wanted))).id;
  start_bridge();
}

BridgeLab::~BridgeLab() = default;

template <class T>
T BridgeLab::now(base::Task<absl::StatusOr<T>> task) {
  std::optional<T> out;
  const absl::Status status = office_.run(keep(std::move(task), out));
  if (!status.ok()) throw std::runtime_error(status.ToString());
  return *std::move(out);
}

void BridgeLab::start_bridge() {
  bridge_ = std::make_unique<Process>(*this);
  base::spawn_root(bridge_->strand, bridge_->service.run(),
                   [&ended = bridge_->ended](const absl::Status&) { ended = true; });
}

void BridgeLab::kill_bridge() {
  bridge_.reset();
}

void BridgeLab::stop_bridge() {
  bridge_->service.stop();
  if (!until([this] { return bridge_->ended; })) throw std::runtime_error("the bridge does not stop");
  kill_bridge();
}

bool BridgeLab::until(absl::FunctionRef<bool()> done, absl::Duration limit) {
  const absl::Time end = absl::Now() + limit;
  while (!done()) {
    if (absl::Now() >= end) return false;
    if (bridge_) bridge_->io.run_one_for(std::chrono::milliseconds(20));
    if (std::exchange(crashed_, false)) {
      ++crashes_;
      kill_bridge();
      start_bridge();
    }
  }
  return true;
}

bool BridgeLab::until_connected() {
  return until([this] { return instance().status == ports::InstanceStatus::kConnected; });
}

bool BridgeLab::until_state(ports::ExecutionId execution, ports::ExecutionState state) {
  return until([&] { return row(execution).state == state; });
}

bool BridgeLab::until_final(ports::ExecutionId execution) {
  return until([&] { return domain::is_final(row(execution).state); });
}

ports::ExecutionId BridgeLab::order(std::string workflow, std::string parameters_json) {
  FakeJobStore jobs(office_.strand(), database_, link_);
  ports::NewJob job;
  job.user = user_;
  job.uid = random_.uuid4();
  job.job_type = "image_generation";
  job.workflow = std::move(workflow);
  job.parameters_json = std::move(parameters_json);
  ports::Assignment assignment;
  assignment.job_id = now(jobs.submit(std::move(job))).id;
  assignment.instance_id = instance_;
  assignment.client_prompt_id = random_.uuid4();
  FakeDispatchStore dispatch(office_.strand(), database_, link_);
  for (const ports::FreeSlot& slot : now(dispatch.fleet()).free_slots) {
    if (slot.instance_id != instance_) continue;
    assignment.slot_no = slot.slot_no;
    break;
  }
  std::vector<ports::Assignment> wanted;
  wanted.push_back(std::move(assignment));
  const auto claimed = now(dispatch.claim(std::move(wanted), "dispatcher-1"));
  if (claimed.size() != 1) throw std::runtime_error("the instance has no free slot");
  if (bridge_) bridge_->service.wake(claimed[0].execution_id, instance_);
  return claimed[0].execution_id;
}

void BridgeLab::change(ports::InstanceChange change) {
  FakeInstanceStore instances(office_.strand(), database_, link_);
  instance_ = now(instances.change("comfy-1", std::move(change))).id;
}

void BridgeLab::remove() {
  FakeInstanceStore instances(office_.strand(), database_, link_);
  now(instances.remove("comfy-1"));
}

void BridgeLab::set_enabled(bool enabled) {
  FakeInstanceStore instances(office_.strand(), database_, link_);
  now(instances.set_enabled("comfy-1", enabled));
}

void BridgeLab::set_draining(bool draining) {
  FakeInstanceStore instances(office_.strand(), database_, link_);
  now(instances.set_draining("comfy-1", draining));
}

void BridgeLab::wish_cancel(ports::ExecutionId execution) {
  FakeJobStore jobs(office_.strand(), database_, link_);
  if (now(jobs.request_cancel(row(execution).job_id, user_)) != ports::CancelOutcome::kRecorded) {
    throw std::runtime_error("the wish was not recorded");
  }
}

std::size_t BridgeLab::free_slots() {
  FakeDispatchStore dispatch(office_.strand(), database_, link_);
  return now(dispatch.fleet()).free_slots.size();
}

void BridgeLab::release_instance() {
  FakeInstanceStore instances(office_.strand(), database_, link_);
  now(instances.release("comfy-1"));
}

void BridgeLab::make_deadly(Deadly deadly) {
  deadly_ = [this, deadly = std::move(deadly)](const domain::ComfyMessage& message) {
    if (!deadly(message)) return false;
    crashed_ = true;
    return true;
  };
}

std::shared_ptr<const BridgeLab::Cancelled> BridgeLab::cancel(ports::JobId job, absl::Duration patience) {
  auto result = std::make_shared<Cancelled>();
  const bridge::CancelDeps deps{bridge_->cancels, bridge_->hints, bridge_->clock};
  const absl::Time deadline = bridge_->clock.now() + patience;
  base::spawn_root(bridge_->strand, keep_answer(bridge::cancel_job(deps, job, deadline), result),
                   [](const absl::Status&) {});
  return result;
}

ports::GivenUp BridgeLab::give_up(ports::ExecutionId execution) {
  FakeOperatorStore operators(office_.strand(), database_, link_);
  return now(operators.give_up(row(execution).job_id, {"anna", "it hangs"}));
}

const ports::ExecutionRow& BridgeLab::row(ports::ExecutionId execution) const {
  return database_.execution(execution)->row;
}

ports::JobRow BridgeLab::job(ports::ExecutionId execution) {
  FakeJobStore jobs(office_.strand(), database_, link_);
  return now(jobs.get(row(execution).job_id));
}

const ports::InstanceRow& BridgeLab::instance() const {
  return database_.instance(instance_)->row;
}

const std::optional<ports::KnownCapabilities>& BridgeLab::capabilities() const {
  return database_.instance(instance_)->capabilities;
}

std::vector<ports::OutputRow> BridgeLab::outputs(ports::ExecutionId execution) const {
  std::vector<ports::OutputRow> rows;
  for (const auto& [key, output] : database_.tables().outputs) {
    if (output.execution_id == execution) rows.push_back(output);
  }
  return rows;
}

const std::string& BridgeLab::content(const ports::OutputRow& output) const {
  return depot_.blobs().at(output.sha256);
}

int BridgeLab::count_in_journal(std::string_view event) const {
  return static_cast<int>(std::count(journal_.begin(), journal_.end(), event));
}

std::string BridgeLab::http(std::string_view path, std::optional<std::string> json) {
  comfy::ComfyIo io;
  comfy::HttpClient client(io, office_.strand(), office_.clock(), "");
  comfy::HttpRequest request{.url = absl::StrCat(sim_.url(), std::string(path)), .json = std::move(json)};
  const comfy::HttpAnswer answer = now(client.request(std::move(request), office_.clock().now() + absl::Seconds(10)));
  if (answer.status != 200) throw std::runtime_error(absl::StrCat(std::string(path), ": ", answer.body));
  return answer.body;
}

void BridgeLab::fault(std::string json) {
  http("/_sim/faults", std::move(json));
}

void BridgeLab::strangers_prompt(std::string_view workflow, std::string_view client_id) {
  const std::string id = client_id.empty() ? "" : absl::StrCat(R"(,"client_id":")", std::string(client_id), "\"");
  http("/prompt", absl::StrCat(R"({"prompt":)", std::string(workflow), id, "}"));
}

void BridgeLab::watch(bool previews, std::vector<ports::BridgeEvent>& into) {
  bridge_->streams.push_back(bridge_->service.watch_events(previews));
  base::spawn_root(bridge_->strand, append_all(*bridge_->streams.back(), into, bridge_->read),
                   [](const absl::Status&) {});
}

std::function<void()> BridgeLab::watch_later(bool previews, std::vector<ports::BridgeEvent>& into,
                                             std::optional<absl::Status>& end) {
  bridge_->streams.push_back(bridge_->service.watch_events(previews));
  return [this, &stream = *bridge_->streams.back(), &into, &end] {
    const auto ended = [&end, read = bridge_->read](const absl::Status& status) {
      if (*read) end = status;
    };
    base::spawn_root(bridge_->strand, append_all(stream, into, bridge_->read), ended);
  };
}

double BridgeLab::metric(std::string_view begin) const {
  const std::string text = metrics_.exposition();
  const std::string wanted = "\nrenderyard_bridge_" + std::string(begin);
  double sum = 0;
  for (std::size_t at = text.find(wanted); at != std::string::npos; at = text.find(wanted, at + 1)) {
    const std::size_t end = text.find('\n', at + 1);
    sum += std::stod(text.substr(text.rfind(' ', end)));
  }
  return sum;
}

void BridgeLab::interrupt_as_stranger() {
  http("/interrupt", "{}");
}

int BridgeLab::ledger(std::string_view event, std::optional<ports::ExecutionId> execution) {
  const std::string text = http("/_sim/ledger", std::nullopt);
  int count = 0;
  std::string_view rest = text;
  while (!rest.empty()) {
    const auto line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(rest.size(), line.size() + 1));
    const auto document = domain::parse_comfy_json(line);
    if (!document.ok() || document->root()["event"].string_or("") != event) continue;
    if (!execution || document->root()["execution_id"].id_text() == to_string(*execution)) ++count;
  }
  return count;
}

}  // namespace renderyard::testing
