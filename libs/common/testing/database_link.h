// DatabaseLink: the way between one process and the fake database. It decides when a call takes effect and what of it
// the caller hears: latency before and after, "database away" (nothing happened), "answer lost" (it happened, the
// caller hears UNAVAILABLE), and how long a transaction stays open between its begin and its commit. What happens at
// the database must be scheduled by the link outside the calling process, so that it happens even if the caller dies
// meanwhile.
#pragma once

#include <absl/status/status.h>

#include <memory>
#include <string_view>

namespace renderyard::testing {

// One call of a store. Each step runs at most once, in this order; steps may be left out from any point on.
class DatabaseCall {
 public:
  // A transaction that was begun and not committed is rolled back: its transaction id ends, its drawn ids become holes.
  virtual ~DatabaseCall() = default;

  // The port method, for traces: "submit", "claim", …
  virtual std::string_view name() const = 0;
  // False for reads: begin() then does nothing.
  virtual bool writes() const = 0;

  // Opens the transaction: it has its transaction id and has drawn its sequence numbers from here on. Fences are looked
  // at by commit() only, which is what a transaction does that had to wait for a row lock. Implied by commit().
  virtual void begin() = 0;
  // Takes effect, as a whole or (an error) not at all.
  virtual void commit() = 0;
  // The server ended the transaction by itself (a lost connection, idle for too long): nothing of it happens, and a
  // later commit() does nothing. Does nothing after commit().
  virtual void rollback() = 0;
  // Ends the caller's wait; does nothing when it waits no more or is dead. OK hands over the result of commit(); an
  // error is what the caller hears instead, whether or not commit() ran.
  virtual void reply(absl::Status status) = 0;
};

class DatabaseLink {
 public:
  virtual ~DatabaseLink() = default;
  virtual void call(std::shared_ptr<DatabaseCall> call) = 0;
};

// No latency, no faults.
class ImmediateLink final : public DatabaseLink {
 public:
  void call(std::shared_ptr<DatabaseCall> call) override {
    call->begin();
    call->commit();
    call->reply(absl::OkStatus());
  }
};

}  // namespace renderyard::testing
