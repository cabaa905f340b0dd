#include "libs/common/testing/fake_hints.h"

#include <boost/asio/post.hpp>
#include <utility>

namespace renderyard::testing {

void HintBus::post(const std::weak_ptr<Listener>& listener, ports::Topic topic) {
  const auto alive = listener.lock();
  if (!alive || !alive->callbacks.contains(topic)) return;
  boost::asio::post(alive->executor, [listener, topic] {
    const auto still_alive = listener.lock();
    if (!still_alive) return;
    const auto found = still_alive->callbacks.find(topic);
    if (found == still_alive->callbacks.end()) return;
    const auto callback = found->second;  // kept: the callback may replace itself
    (*callback)();
  });
}

void HintBus::send(ports::Topic topic) {
  std::erase_if(listeners_, [](const auto& listener) { return listener.expired(); });
  const auto listeners = listeners_;
  for (const auto& listener : listeners) {
    if (const auto alive = listener.lock(); !alive || !alive->callbacks.contains(topic)) continue;
    if (carrier_) {
      carrier_(topic, [listener, topic] { post(listener, topic); });
    } else {
      post(listener, topic);
    }
  }
}

void HintBus::reconnect() {
  const auto listeners = listeners_;
  for (const auto& listener : listeners) {
    const auto alive = listener.lock();
    if (!alive) continue;
    for (const auto& [topic, callback] : alive->callbacks) post(listener, topic);
  }
}

FakeHints::FakeHints(base::Strand& strand, HintBus& bus)
    : bus_(bus), listener_(std::make_shared<HintBus::Listener>(strand.executor())) {
  bus_.listeners_.push_back(listener_);
}

void FakeHints::listen(ports::Topic topic, absl::AnyInvocable<void()> callback) {
  if (!callback) {
    listener_->callbacks.erase(topic);
    return;
  }
  listener_->callbacks[topic] = std::make_shared<absl::AnyInvocable<void()>>(std::move(callback));
  HintBus::post(listener_, topic);
}

}  // namespace renderyard::testing
