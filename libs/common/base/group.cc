#include "libs/common/base/group.h"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/dispatch.hpp>
#include <exception>
#include <optional>
#include <vector>

namespace renderyard::base {

namespace {

// Asio throws operation_aborted at the next await of a cancelled coroutine unless told not to; here only ports report
// CANCELLED, as a status.
Task<absl::Status> no_throw(Task<absl::Status> task) {
  co_await boost::asio::this_coro::throw_if_cancelled(false);
  co_return co_await std::move(task);
}

absl::Status to_status(const std::exception_ptr& error, absl::Status status) {
  if (!error) return status;
  try {
    std::rethrow_exception(error);
  } catch (const std::exception& e) {
    return absl::InternalError(e.what());
  } catch (...) {
    return absl::InternalError("unknown exception");
  }
}

}  // namespace

struct Group::State {
  struct Child {
    boost::asio::cancellation_signal signal;
    bool begun = false;
    bool live = true;
  };

  // Asio throws past every handler when a coroutine is cancelled between its spawn and its first line, so a
  // cancellation reaches a child only from its first line on.
  static Task<absl::Status> begin(std::shared_ptr<State> state, std::shared_ptr<Child> child, Task<absl::Status> task) {
    co_await boost::asio::this_coro::throw_if_cancelled(false);
    child->begun = true;
    if (state->cancelled) child->signal.emit(boost::asio::cancellation_type::terminal);
    co_return co_await std::move(task);
  }

  std::map<std::uint64_t, std::shared_ptr<Child>> children;
  std::uint64_t next_child = 1;
  bool cancelled = false;
  absl::Status first_error;
  std::optional<Completer<absl::Status>> waiter;

  void cancel() {
    cancelled = true;
    std::vector<std::shared_ptr<Child>> snapshot;
    for (auto& [id, child] : children) snapshot.push_back(child);
    for (auto& child : snapshot) {
      if (child->begun && child->live) child->signal.emit(boost::asio::cancellation_type::terminal);
    }
  }
};

Group::Group(Strand& strand) : strand_(strand), state_(std::make_shared<State>()) {}

// Nothing is emitted here: a destructor runs also when a process dies, where no code of the children may run.
Group::~Group() = default;

void Group::spawn(Task<absl::Status> child) {
  start(std::move(child), false);
}
void Group::spawn_isolated(Task<absl::Status> child) {
  start(std::move(child), true);
}
// A cancellation goes through plain pointers into the children's coroutines, which only the strand may follow: on it
// this happens at once, from elsewhere it is posted, and finds a child that has ended meanwhile gone from the table.
void Group::cancel() {
  boost::asio::dispatch(strand_.executor(), [state = state_] { state->cancel(); });
}
std::size_t Group::live() const {
  return state_->children.size();
}

void Group::start(Task<absl::Status> task, bool isolated) {
  auto child = std::make_shared<State::Child>();
  const std::uint64_t id = state_->next_child++;
  state_->children.emplace(id, child);
  auto done = [state = state_, child, id, isolated](std::exception_ptr error, absl::Status status) {
    status = to_status(error, std::move(status));
    child->live = false;
    state->children.erase(id);
    if (!isolated && !status.ok() && state->first_error.ok()) {
      state->first_error = status;
      state->cancel();
    }
    if (state->children.empty() && state->waiter) {
      auto waiter = *state->waiter;
      state->waiter.reset();
      waiter.complete(absl::OkStatus());
    }
  };
  boost::asio::co_spawn(strand_.executor(), State::begin(state_, child, std::move(task)),
                        boost::asio::bind_cancellation_slot(child->signal.slot(), std::move(done)));
}

Task<absl::Status> Group::join() {
  auto state = state_;
  Strand& strand = strand_;
  auto start = [&state](Completer<absl::Status> completer) { state->waiter = completer; };
  bool cancelled = false;
  while (!state->children.empty()) {
    const absl::Status status = co_await suspend<absl::Status>(strand, start);
    if (!status.ok()) {
      // Handed on to the children; the wait itself goes on until they have ended.
      cancelled = true;
      state->cancel();
      co_await boost::asio::this_coro::reset_cancellation_state();
    }
  }
  if (cancelled) co_return absl::CancelledError("cancelled");
  co_return state->first_error;
}

Task<absl::Status> with_deadline(Strand& strand, Clock& clock, Task<absl::Status> work, absl::Time deadline) {
  Group group(strand);
  bool expired = false;
  auto timer = clock.call_at(deadline, [&group, &expired] {
    expired = true;
    group.cancel();
  });
  group.spawn(std::move(work));
  absl::Status status = co_await group.join();
  clock.cancel(timer);
  if (expired && absl::IsCancelled(status)) co_return absl::DeadlineExceededError("deadline");
  co_return status;
}

void spawn_root(Strand& strand, Task<absl::Status> task, absl::AnyInvocable<void(absl::Status)> done) {
  boost::asio::co_spawn(strand.executor(), no_throw(std::move(task)),
                        [done = std::move(done)](std::exception_ptr error, absl::Status status) mutable {
                          done(to_status(error, std::move(status)));
                        });
}

}  // namespace renderyard::base
