// The bridge's counts as metrics renderyard_bridge_…, for Prometheus. Thread-safety: the Observer's methods on the
// strand, the others on any thread.
#pragma once

#include <array>
#include <functional>
#include <memory>

#include "libs/common/runtime/metrics.h"
#include "services/bridge/observer.h"

namespace renderyard::bridge {

class BridgeMetrics final : public Observer {
 public:
  // `metrics` outlives this.
  explicit BridgeMetrics(runtime::Metrics& metrics);
  ~BridgeMetrics() override;

  void instance_state(std::optional<domain::InstanceStatus> before, std::optional<domain::InstanceStatus> now) override;
  void connected(absl::Duration took, bool again) override;
  void connect_failed() override;
  void deaf_socket() override;
  void message(const domain::ComfyMessage& message) override;
  void stray() override;
  void polled() override;
  void fell_back(Fallback reason) override;
  void progress(absl::Duration latency) override;
  void adopted() override;
  void adoption_ended(domain::ExecutionState state) override;
  void ended(domain::ExecutionState state, Method method, absl::Duration followed) override;
  void collected(std::int64_t bytes) override;
  void store(bool answers) override;
  void subscribers(int now) override;
  void slow_subscriber() override;

  // Told of every change of whether the database answers.
  std::function<void(bool)> on_store;

  // A frame that is no message.
  void unreadable_frame();
  // A message that came faster than it was read, and was none that must be read.
  void dropped_message();
  // Progress that Redis did not get.
  void dropped_by_redis();

 private:
  struct Series;
  std::unique_ptr<Series> series_;
};

}  // namespace renderyard::bridge
