// PlainCall: a call over a DatabaseLink to something that knows no transactions (a directory, a cache).
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

namespace renderyard::testing {

template <class R>
class PlainCall final : public DatabaseCall {
 public:
  PlainCall(std::string_view name, bool writes, absl::AnyInvocable<R()> operation)
      : name_(name), writes_(writes), operation_(std::move(operation)) {}

  std::string_view name() const override { return name_; }
  bool writes() const override { return writes_; }
  void begin() override {}
  void commit() override {
    if (!result_) result_.emplace(operation_());
  }
  void rollback() override {
    if (!result_) result_.emplace(absl::UnavailableError("given up"));
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
  std::string_view name_;
  bool writes_;
  absl::AnyInvocable<R()> operation_;
  std::optional<R> result_;
  base::Completer<R> completer_;
};

// `name` must be a literal; strand and link must outlive the wait.
template <class R>
base::Task<R> plain_call(base::Strand& strand, DatabaseLink& link, std::string_view name, bool writes,
                         absl::AnyInvocable<R()> operation) {
  auto call = std::make_shared<PlainCall<R>>(name, writes, std::move(operation));
  auto start = [&link, call = std::move(call)](base::Completer<R> completer) mutable {
    call->set_completer(std::move(completer));
    link.call(std::move(call));
  };
  return base::suspend<R>(strand, std::move(start));
}

}  // namespace renderyard::testing
