// FakeStore: what the fake stores have in common, one process's handle on the fake database. A port method becomes a
// DatabaseCall that is given to the process's link; the coroutine waits for its reply.
#pragma once

#include <absl/functional/any_invocable.h>
#include <absl/status/status.h>

#include <memory>
#include <optional>
#include <string_view>
#include <utility>

#include "libs/common/base/strand.h"
#include "libs/common/base/task.h"
#include "libs/common/testing/database_link.h"
#include "libs/common/testing/fake_database.h"

namespace renderyard::testing {

// What a transaction draws from sequences when it begins.
struct Draws {
  int event_ids = 0;
  bool job_id = false;
};

// R is absl::Status or absl::StatusOr<T>.
template <class R>
class FakeCall final : public DatabaseCall {
 public:
  using Operation = absl::AnyInvocable<R(Transaction&)>;

  FakeCall(FakeDatabase& database, std::string_view name, std::optional<Draws> writes, Operation operation)
      : database_(database), name_(name), writes_(writes), operation_(std::move(operation)) {}

  std::string_view name() const override { return name_; }
  bool writes() const override { return writes_.has_value(); }

  void begin() override {
    if (transaction_ || result_) return;
    transaction_.emplace(database_, writes_ ? Transaction::Kind::kWrites : Transaction::Kind::kReads);
    if (!writes_) return;
    transaction_->draw_event_ids(writes_->event_ids);
    if (writes_->job_id) transaction_->draw_job_id();
  }

  void commit() override {
    if (result_) return;
    begin();
    result_.emplace(operation_(*transaction_));
    if (result_->ok()) {
      transaction_->commit();
    } else {
      transaction_->rollback();
    }
    transaction_.reset();
  }

  void rollback() override {
    if (result_) return;
    result_.emplace(absl::UnavailableError("rolled back"));
    transaction_.reset();
  }

  void reply(absl::Status status) override {
    if (!status.ok()) {
      completer_.complete(R(std::move(status)));
    } else if (result_) {
      completer_.complete(*std::move(result_));
    } else {
      completer_.complete(R(absl::InternalError("the link replied OK before the commit")));
    }
  }

  void set_completer(base::Completer<R> completer) { completer_ = std::move(completer); }

 private:
  FakeDatabase& database_;
  std::string_view name_;
  std::optional<Draws> writes_;
  Operation operation_;
  std::optional<Transaction> transaction_;
  std::optional<R> result_;
  base::Completer<R> completer_;
};

class FakeStore {
 public:
  // All three must outlive the store.
  FakeStore(base::Strand& strand, FakeDatabase& database, DatabaseLink& link)
      : strand_(strand), database_(database), link_(link) {}

 protected:
  ~FakeStore() = default;

  // `name` must be a literal. The operation owns what it needs: it may run after the caller is gone.
  template <class R>
  base::Task<R> read(std::string_view name, typename FakeCall<R>::Operation operation) {
    return call<R>(std::make_shared<FakeCall<R>>(database_, name, std::nullopt, std::move(operation)));
  }
  template <class R>
  base::Task<R> write(std::string_view name, Draws draws, typename FakeCall<R>::Operation operation) {
    return call<R>(std::make_shared<FakeCall<R>>(database_, name, draws, std::move(operation)));
  }

 private:
  template <class R>
  base::Task<R> call(std::shared_ptr<FakeCall<R>> call) {
    auto start = [&link = link_, call = std::move(call)](base::Completer<R> completer) mutable {
      call->set_completer(std::move(completer));
      link.call(std::move(call));  // nobody else keeps it: a link that drops it rolls it back
    };
    return base::suspend<R>(strand_, std::move(start));
  }

  base::Strand& strand_;
  FakeDatabase& database_;
  DatabaseLink& link_;
};

}  // namespace renderyard::testing
