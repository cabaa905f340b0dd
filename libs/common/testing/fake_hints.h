// Hints between simulated processes: a HintBus shared by the world, a FakeHints per process. The bus hands every single
// delivery to a hook, which may drop, delay or repeat it; without a hook a hint is posted to the listener at once.
#pragma once

#include <absl/functional/any_invocable.h>

#include <functional>
#include <map>
#include <memory>
#include <vector>

#include "libs/common/base/strand.h"
#include "libs/common/ports/hints.h"

namespace renderyard::testing {

class HintBus {
 public:
  // Runs the callback of one listener, on its strand; nothing happens when it is gone. May be called any number of
  // times.
  using Delivery = std::function<void()>;
  using Carrier = std::function<void(ports::Topic, Delivery)>;

  // Empty = at once.
  void set_carrier(Carrier carrier) { carrier_ = std::move(carrier); }
  void send(ports::Topic topic);
  // As after a reconnect of all listening connections: every callback runs once.
  void reconnect();

 private:
  friend class FakeHints;

  struct Listener {
    explicit Listener(boost::asio::any_io_executor on) : executor(std::move(on)) {}
    boost::asio::any_io_executor executor;
    std::map<ports::Topic, std::shared_ptr<absl::AnyInvocable<void()>>> callbacks;
  };

  static void post(const std::weak_ptr<Listener>& listener, ports::Topic topic);

  Carrier carrier_;
  std::vector<std::weak_ptr<Listener>> listeners_;  // in the order of their birth
};

class FakeHints final : public ports::Hints {
 public:
  // Both must outlive it.
  FakeHints(base::Strand& strand, HintBus& bus);

  void send(ports::Topic topic) override { bus_.send(topic); }
  void listen(ports::Topic topic, absl::AnyInvocable<void()> callback) override;

 private:
  HintBus& bus_;
  std::shared_ptr<HintBus::Listener> listener_;
};

}  // namespace renderyard::testing
