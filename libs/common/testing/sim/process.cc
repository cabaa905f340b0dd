#include "libs/common/testing/sim/process.h"

#include <cstdio>
#include <variant>

#include "libs/common/base/group.h"

namespace renderyard::testing::sim {

boost::asio::execution_context& Executor::query(boost::asio::execution::context_t) const noexcept {
  return process_->world();
}

bool Executor::running() const {
  return process_->world().running() == process_;
}

void Executor::push(Job job) const {
  process_->world().push(*process_, std::move(job));
}

absl::Time SimClock::now() const {
  return process_.world().now();
}
absl::Time SimClock::wall() const {
  return process_.world().now();
}

base::Clock::TimerId SimClock::call_at(absl::Time when, absl::AnyInvocable<void()> callback) {
  return process_.world().process_timer(process_, when, std::move(callback));
}

void SimClock::cancel(TimerId id) {
  process_.world().cancel_process_timer(process_, id);
}

base::Task<absl::Status> SimClock::sleep_until(absl::Time when) {
  TimerId timer = 0;
  auto start = [this, when, &timer](base::Completer<absl::Status> completer) {
    timer = call_at(when, [completer] { completer.complete(absl::OkStatus()); });
  };
  const absl::Status status = co_await base::suspend<absl::Status>(process_.strand(), start);
  if (timer != 0) cancel(timer);
  co_return status;
}

void SimJournal::record(base::Severity severity, std::string_view event, std::initializer_list<base::Field> fields) {
  Trace& trace = process_.world().trace();
  if (!trace.recording()) return;
  std::string text;
  if (severity == base::Severity::kError) text.append("ERROR ");
  if (severity == base::Severity::kWarning) text.append("WARNING ");
  text.append(event);
  for (const base::Field& field : fields) {
    text.append(" ").append(field.name).append("=");
    std::visit(
        [&text](const auto& value) {
          using T = std::decay_t<decltype(value)>;
          if constexpr (std::is_same_v<T, std::string>) {
            text.append(value);
          } else if constexpr (std::is_same_v<T, bool>) {
            text.append(value ? "true" : "false");
          } else {
            text.append(std::to_string(value));
          }
        },
        field.value);
  }
  trace.line(process_.world().elapsed(), process_.name(), text);
}

Process::Process(World& world, std::string name, int id)
    : world_(world),
      name_(std::move(name)),
      id_(id),
      strand_(Executor(*this)),
      clock_(*this),
      random_(world.fork("process " + std::to_string(id) + " " + name_)),
      journal_(*this) {}

Process::~Process() = default;

void Process::spawn(base::Task<absl::Status> task, absl::AnyInvocable<void(absl::Status)> ended) {
  base::spawn_root(strand_, std::move(task), [ended = std::move(ended)](absl::Status status) mutable {
    if (ended) ended(std::move(status));
  });
}

}  // namespace renderyard::testing::sim
