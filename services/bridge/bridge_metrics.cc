#include "services/bridge/bridge_metrics.h"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>

#include <map>
#include <string>
#include <vector>

namespace renderyard::bridge {

namespace {

using domain::ExecutionState;
using domain::InstanceStatus;

constexpr std::array kStatuses = {InstanceStatus::kConnected,    InstanceStatus::kDisconnected,
                                  InstanceStatus::kReconnecting, InstanceStatus::kDisabled,
                                  InstanceStatus::kConnecting,   InstanceStatus::kPolling};
constexpr std::array kEnds = {ExecutionState::kCompleted, ExecutionState::kFailed, ExecutionState::kCancelled,
                              ExecutionState::kLost, ExecutionState::kNotAccepted};
constexpr std::array kFallbacks = {Fallback::kConnectionFailed, Fallback::kTimeout, Fallback::kError};
constexpr std::array kMethods = {Method::kWebSocket, Method::kPolling};

// In the order of domain::ComfyMessage.
constexpr std::array kTypes = {"status",           "execution_start",
                               "execution_cached", "executing",
                               "progress",         "progress_state",
                               "executed",         "execution_success",
                               "execution_error",  "execution_interrupted",
                               "preview",          "text",
                               "feature_flags",    "unknown"};
static_assert(kTypes.size() == std::variant_size_v<domain::ComfyMessage>);

// Seconds: a socket on the same machine, a far one, the limit of 10 s; progress with and without its throttle.
const std::vector<double> kConnectBounds = {0.001, 0.005, 0.02, 0.1, 0.5, 2, 10};
const std::vector<double> kLatencyBounds = {0.0005, 0.001, 0.005, 0.02, 0.1, 0.5, 1, 2};
const std::vector<double> kJobBounds = {0.1, 1, 10, 60, 600, 3600, 21'600};

template <class Name, std::size_t n, class Make>
auto each_of(const std::array<Name, n>& names, Make make) {
  std::map<Name, decltype(make(names[0]))> series;
  for (const Name& name : names) series.emplace(name, make(name));
  return series;
}

}  // namespace

struct BridgeMetrics::Series {
  explicit Series(runtime::Metrics& m) : metrics(m) {
    for (std::size_t i = 0; i < kTypes.size(); ++i) {
      messages[i] = &m.counter("messages_total", "Messages heard on WebSockets, by type.", {{"type", kTypes[i]}});
    }
    by_status = each_of(kStatuses, [&](InstanceStatus status) {
      return &m.gauge("connections", "Instances of this bridge, by the state of their connection.",
                      {{"state", std::string(domain::to_string(status))}});
    });
    fallbacks = each_of(kFallbacks, [&](Fallback reason) {
      return &m.counter("fallbacks_total", "Times an execution was asked for over REST because its socket was away.",
                        {{"reason", std::string(to_string(reason))}});
    });
    adoptions = each_of(kEnds, [&](ExecutionState state) {
      return &m.counter("adoption_outcomes_total", "Adopted executions that have ended, by how.",
                        {{"outcome", std::string(domain::to_string(state))}});
    });
    for (const ExecutionState state : kEnds) {
      for (const Method method : kMethods) {
        ends[{state, method}] = &m.counter(
            "executions_total", "Executions that have ended, by how and by the way it became known.",
            {{"outcome", std::string(domain::to_string(state))}, {"method", std::string(to_string(method))}});
      }
    }
  }

  prometheus::Counter& count(const char* name, const char* help) const { return metrics.counter(name, help); }

  runtime::Metrics& metrics;
  std::array<prometheus::Counter*, kTypes.size()> messages{};
  std::map<InstanceStatus, prometheus::Gauge*> by_status;
  std::map<Fallback, prometheus::Counter*> fallbacks;
  std::map<ExecutionState, prometheus::Counter*> adoptions;
  std::map<std::pair<ExecutionState, Method>, prometheus::Counter*> ends;
  prometheus::Counter& unknown = count("unknown_messages_total", "Messages of a type this release does not know.");
  prometheus::Counter& unreadable = count("parse_failures_total", "WebSocket frames that are no message.");
  prometheus::Counter& dropped =
      count("dropped_messages_total", "Progress and previews that came faster than they were read.");
  prometheus::Counter& redis_dropped =
      count("redis_dropped_total", "Progress that Redis did not get: it was away, or too slow.");
  prometheus::Counter& connects = count("connects_total", "WebSocket connections opened.");
  prometheus::Counter& reconnects =
      count("reconnects_total", "Those of them that followed an earlier one of the same client id.");
  prometheus::Counter& connect_failures = count("connect_failures_total", "Attempts to connect that failed.");
  prometheus::Counter& deaf = count("deaf_sockets_total", "Sockets found open and silent where they should speak.");
  prometheus::Counter& strays = count(
      "strays_total", "Prompts that began under a client id of this bridge and belong to no execution it follows.");
  prometheus::Counter& polls = count("polls_total", "Looks at a server over REST while an execution is followed.");
  prometheus::Counter& pushes = count("pushes_total", "Progress updates given to subscribers.");
  prometheus::Counter& adopted = count("adoptions_total", "Executions taken over from an earlier process or bridge.");
  prometheus::Counter& bytes = count("collected_bytes_total", "Bytes of outputs copied into the artifact store.");
  prometheus::Counter& slow = count("slow_subscribers_total", "Event streams ended because their reader fell behind.");
  prometheus::Gauge& subscribers = metrics.gauge("subscribers", "Open event streams.");
  prometheus::Histogram& connect_seconds =
      metrics.histogram("connect_seconds", "Time until a WebSocket was open and had spoken.", kConnectBounds);
  prometheus::Histogram& latency = metrics.histogram(
      "progress_latency_seconds",
      "From the first message that progress is news of to subscribers, the throttle included.", kLatencyBounds);
  prometheus::Histogram& followed =
      metrics.histogram("execution_seconds", "How long executions were in the bridge's hands.", kJobBounds);
};

BridgeMetrics::BridgeMetrics(runtime::Metrics& metrics) : series_(std::make_unique<Series>(metrics)) {}
BridgeMetrics::~BridgeMetrics() = default;

void BridgeMetrics::instance_state(std::optional<InstanceStatus> before, std::optional<InstanceStatus> now) {
  if (before) series_->by_status.at(*before)->Decrement();
  if (now) series_->by_status.at(*now)->Increment();
}

void BridgeMetrics::connected(absl::Duration took, bool again) {
  series_->connects.Increment();
  if (again) series_->reconnects.Increment();
  series_->connect_seconds.Observe(absl::ToDoubleSeconds(took));
}

void BridgeMetrics::connect_failed() {
  series_->connect_failures.Increment();
}

void BridgeMetrics::deaf_socket() {
  series_->deaf.Increment();
}

void BridgeMetrics::message(const domain::ComfyMessage& message) {
  series_->messages[message.index()]->Increment();
  if (std::holds_alternative<domain::UnknownMessage>(message)) series_->unknown.Increment();
}

void BridgeMetrics::stray() {
  series_->strays.Increment();
}

void BridgeMetrics::polled() {
  series_->polls.Increment();
}

void BridgeMetrics::fell_back(Fallback reason) {
  series_->fallbacks.at(reason)->Increment();
}

void BridgeMetrics::progress(absl::Duration latency) {
  series_->pushes.Increment();
  series_->latency.Observe(absl::ToDoubleSeconds(latency));
}

void BridgeMetrics::adopted() {
  series_->adopted.Increment();
}

void BridgeMetrics::adoption_ended(ExecutionState state) {
  if (const auto it = series_->adoptions.find(state); it != series_->adoptions.end()) it->second->Increment();
}

void BridgeMetrics::ended(ExecutionState state, Method method, absl::Duration followed) {
  if (const auto it = series_->ends.find({state, method}); it != series_->ends.end()) it->second->Increment();
  series_->followed.Observe(absl::ToDoubleSeconds(followed));
}

void BridgeMetrics::collected(std::int64_t bytes) {
  series_->bytes.Increment(static_cast<double>(bytes));
}

void BridgeMetrics::store(bool answers) {
  if (on_store) on_store(answers);
}

void BridgeMetrics::subscribers(int now) {
  series_->subscribers.Set(now);
}

void BridgeMetrics::slow_subscriber() {
  series_->slow.Increment();
}

void BridgeMetrics::unreadable_frame() {
  series_->unreadable.Increment();
}

void BridgeMetrics::dropped_message() {
  series_->dropped.Increment();
}

void BridgeMetrics::dropped_by_redis() {
  series_->redis_dropped.Increment();
}

}  // namespace renderyard::bridge
