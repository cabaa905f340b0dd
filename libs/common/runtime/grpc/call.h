// Reactors that run a task on the service's strand (see server.h). A reactor is born in serve_…() on one of gRPC's
// threads; from then on only what is posted to the strand touches it, and the last post, by OnDone, deletes it. The
// task calls Finish() exactly once, as its last act; when its frame is destroyed instead, a guard does.
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <absl/time/time.h>
#include <grpcpp/server_context.h>
#include <grpcpp/support/server_callback.h>

#include <boost/asio/this_coro.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <utility>

#include "libs/common/base/event.h"
#include "libs/common/base/group.h"
#include "libs/common/base/status_macros.h"
#include "libs/common/base/stream.h"
#include "libs/common/base/task.h"
#include "libs/common/runtime/grpc/server_core.h"
#include "libs/common/runtime/grpc/status.h"

namespace renderyard::runtime {

namespace internal {

// How long a message that is being written may still take when its stream is ended, before the transport is cut.
inline constexpr absl::Duration kWriteGrace = absl::Milliseconds(500);

// The common part of both reactors. Derived has finish(grpc::Status) and task().
template <class Reactor, class Derived>
class Call : public Reactor {
 public:
  Call(std::shared_ptr<ServerCore> core, grpc::CallbackServerContext* context)
      : core_(std::move(core)), context_(context), group_(core_->strand()) {}

  void begin() {
    core_->post([this] {
      const absl::Status admitted = core_->admit(*context_);
      id_ = core_->enter([this] { group_.cancel(); });
      if (!admitted.ok()) {
        end(admitted);
        return;
      }
      group_.spawn_isolated(run());
    });
  }

  void OnCancel() override {
    core_->post([this] { group_.cancel(); });
  }

  void OnDone() override {
    // Owned by the post, so that it goes even when the strand runs no more.
    core_->post([self = std::unique_ptr<Derived>(static_cast<Derived*>(this))] {});
  }

 protected:
  ServerCore& core() { return *core_; }
  grpc::CallbackServerContext& context() { return *context_; }

 private:
  struct Guard {
    Call* call;
    ~Guard() {
      if (call != nullptr) call->end(absl::UnavailableError("shutting down"));
    }
  };

  base::Task<absl::Status> run() {
    Guard guard{this};
    absl::Status status = co_await static_cast<Derived*>(this)->task();
    guard.call = nullptr;
    end(core_->outcome(std::move(status)));
    co_return absl::OkStatus();
  }

  void end(const absl::Status& status) {
    core_->leave(id_);
    static_cast<Derived*>(this)->Finish(to_grpc(status));
  }

  std::shared_ptr<ServerCore> core_;
  grpc::CallbackServerContext* context_;
  base::Group group_;
  std::uint64_t id_ = 0;
};

template <class Req, class Rep>
class UnaryCall final : public Call<grpc::ServerUnaryReactor, UnaryCall<Req, Rep>> {
 public:
  using Base = Call<grpc::ServerUnaryReactor, UnaryCall<Req, Rep>>;
  using Handler = std::function<base::Task<absl::StatusOr<Rep>>(Req)>;

  UnaryCall(std::shared_ptr<ServerCore> core, grpc::CallbackServerContext* context, const Req* request, Rep* reply,
            Handler handler)
      : Base(std::move(core), context), request_(request), reply_(reply), handler_(std::move(handler)) {}

  base::Task<absl::Status> task() {
    const absl::Time deadline = this->core().deadline(this->context());
    co_return co_await base::with_deadline(this->core().strand(), this->core().clock(), work(), deadline);
  }

 private:
  base::Task<absl::Status> work() {
    Req request = *request_;
    absl::StatusOr<Rep> reply = co_await handler_(std::move(request));
    if (!reply.ok()) co_return reply.status();
    *reply_ = *std::move(reply);
    co_return absl::OkStatus();
  }

  const Req* request_;  // both live until Finish()
  Rep* reply_;
  Handler handler_;
};

template <class Rep, class T>
class StreamCall final : public Call<grpc::ServerWriteReactor<Rep>, StreamCall<Rep, T>> {
 public:
  using Base = Call<grpc::ServerWriteReactor<Rep>, StreamCall<Rep, T>>;
  using Open = std::function<base::StreamPtr<T>()>;
  using Convert = std::function<Rep(const T&)>;

  StreamCall(std::shared_ptr<ServerCore> core, grpc::CallbackServerContext* context, Open open, Convert convert)
      : Base(std::move(core), context),
        open_(std::move(open)),
        convert_(std::move(convert)),
        written_(this->core().strand(), this->core().clock()) {}

  base::Task<absl::Status> task() {
    auto stream = open_();
    absl::Status status;
    bool more = true;
    while (more && status.ok()) {
      absl::StatusOr<std::optional<T>> item = co_await stream->next();
      status = item.status();
      more = item.ok() && item->has_value();
      if (!more) break;
      message_ = convert_(**item);
      writing_ = true;
      this->StartWrite(&message_);
      status = co_await finish_write();
    }
    co_return status;
  }

  void OnWriteDone(bool ok) override {
    this->core().post([this, ok] {
      writing_ = false;
      write_failed_ = !ok;
      written_.notify();
    });
  }

 private:
  // Until the transport took the message. When cancelled meanwhile, the message gets a moment longer, because nothing
  // may be left in flight at Finish().
  base::Task<absl::Status> finish_write() {
    absl::Status status;
    while (writing_ && status.ok()) status = co_await written_.wait_until(absl::InfiniteFuture());
    if (writing_) {
      co_await boost::asio::this_coro::reset_cancellation_state();
      const absl::Time until = this->core().clock().now() + internal::kWriteGrace;
      absl::Status grace;
      while (writing_ && grace.ok()) grace = co_await written_.wait_until(until);
      if (writing_) this->context().TryCancel();
      while (writing_) {
        // TryCancel comes back as a cancellation of this very task, which must not end the wait, nor make it spin.
        co_await boost::asio::this_coro::reset_cancellation_state();
        grace = co_await written_.wait_until(absl::InfiniteFuture());
      }
    }
    if (status.ok() && write_failed_) status = absl::CancelledError("the reader is gone");
    co_return status;
  }

  Open open_;
  Convert convert_;
  Rep message_;
  bool writing_ = false;
  bool write_failed_ = false;
  base::Event written_;
};

}  // namespace internal

// For the methods of a CallbackService. `handler` runs on the strand, its task is cancelled at the deadline and when
// the caller goes away; objects it captures outlive the server's close().
template <class Req, class Rep>
grpc::ServerUnaryReactor* serve_unary(
    const std::shared_ptr<ServerCore>& core, grpc::CallbackServerContext* context, const Req* request, Rep* reply,
    std::type_identity_t<std::function<base::Task<absl::StatusOr<Rep>>(Req)>> handler) {
  auto* call = new internal::UnaryCall<Req, Rep>(core, context, request, reply, std::move(handler));
  call->begin();
  return call;
}

// `open` runs on the strand and gives the source; it is destroyed on the strand when the call ends.
template <class Rep, class T>
grpc::ServerWriteReactor<Rep>* serve_stream(const std::shared_ptr<ServerCore>& core,
                                            grpc::CallbackServerContext* context,
                                            std::function<base::StreamPtr<T>()> open,
                                            std::function<Rep(const T&)> convert) {
  auto* call = new internal::StreamCall<Rep, T>(core, context, std::move(open), std::move(convert));
  call->begin();
  return call;
}

}  // namespace renderyard::runtime
