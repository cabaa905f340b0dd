// ports::Hints by LISTEN and NOTIFY. Two threads, each with a connection of its own: one waits for notifications, one
// sends them. NOTIFY never stands in a transaction that writes rows (PostgreSQL holds one lock from there through the
// fsync, so commits would go one by one); several sends within 2 ms become one notification per topic, the first leaves
// at once.
//
// A connection that breaks is made again (0.1 s doubling to 5 s); after LISTEN every callback runs once, because
// something may have been missed. Hints that cannot be sent are dropped: a poll stands behind each. Thread-safety:
// send() from any thread, listen() and the callbacks on the strand.
#pragma once

#include <memory>

#include "libs/common/adapters/postgres/conninfo.h"
#include "libs/common/base/strand.h"
#include "libs/common/ports/hints.h"

namespace renderyard::postgres {

class Hints final : public ports::Hints {
 public:
  // INVALID options show up as a listener that never connects. The strand must outlive it.
  Hints(SessionOptions session, base::Strand& strand);
  ~Hints() override;

  void send(ports::Topic topic) override;
  void listen(ports::Topic topic, absl::AnyInvocable<void()> callback) override;

 private:
  class Sender;
  class Listener;
  std::unique_ptr<Sender> sender_;
  std::unique_ptr<Listener> listener_;
};

}  // namespace renderyard::postgres
