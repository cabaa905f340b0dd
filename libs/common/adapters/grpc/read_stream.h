// A server stream as a base::Stream. The reactor belongs to the call and lives until gRPC is done with it; the stream
// in the consumer's hand only asks for the next message, so flow control reaches the server. Destroying the stream
// cancels the call.
#pragma once

#include <absl/status/statusor.h>
#include <grpcpp/client_context.h>
#include <grpcpp/support/client_callback.h>

#include <functional>
#include <memory>
#include <optional>
#include <utility>

#include "libs/common/adapters/grpc/outstanding.h"
#include "libs/common/adapters/grpc/release.h"
#include "libs/common/base/mutex.h"
#include "libs/common/base/strand.h"
#include "libs/common/base/stream.h"
#include "libs/common/runtime/grpc/status.h"

namespace renderyard::grpc_clients {

// Any thread. No method of gRPC is called under the mutex, since gRPC may run our callbacks within it.
template <class Req, class Rep>
class ReadCall final : public grpc::ClientReadReactor<Rep>, public std::enable_shared_from_this<ReadCall<Req, Rep>> {
 public:
  using Method = std::function<void(grpc::ClientContext*, const Req*, grpc::ClientReadReactor<Rep>*)>;

  explicit ReadCall(base::Strand& strand) : executor_(strand.executor()) {}

  grpc::ClientContext& context() { return context_; }
  Req& request() { return request_; }

  // Once. `outstanding` outlives the call.
  void start(Outstanding& outstanding, Method method) {
    outstanding_ = &outstanding;
    method_ = std::move(method);  // holds the stub, and with it the channel
    self_ = this->shared_from_this();
    id_ = outstanding.begin([weak = std::weak_ptr<ReadCall>(self_)] {
      if (auto call = weak.lock()) call->abandon();
    });
    method_(&context_, &request_, this);
    this->AddHold();  // no OnDone between two reads
    this->StartCall();
  }

  // What next() has to do: something to give back at once, or to wait until `waiter` is completed and look again.
  struct Look {
    bool decided = false;
    absl::StatusOr<std::optional<Rep>> result = std::optional<Rep>();
  };
  Look look() {
    base::MutexLock lock(mutex_);
    if (ready_) return {true, std::exchange(ready_, std::nullopt)};
    if (!ended_) return {};
    if (end_.ok()) return {true, std::optional<Rep>()};
    return {true, end_};
  }

  void want(base::Completer<absl::Status> waiter) {
    bool read = false;
    {
      base::MutexLock lock(mutex_);
      if (ready_ || ended_) {
        waiter.post(absl::OkStatus());
        return;
      }
      waiter_ = waiter;
      if (!reading_ && !released_) read = reading_ = true;
    }
    if (read) this->StartRead(&message_);
  }

  // Ends the call; the stream is not asked any more.
  void abandon() {
    context_.TryCancel();
    release_unless_reading();
  }

  void OnReadDone(bool ok) override {
    std::optional<base::Completer<absl::Status>> waiter;
    bool release = false;
    {
      base::MutexLock lock(mutex_);
      reading_ = false;
      if (ok && !abandoned_) {
        ready_ = std::move(message_);
        waiter = std::exchange(waiter_, std::nullopt);
      } else if (!released_) {
        release = released_ = true;  // then OnDone comes, with the status
      }
    }
    if (waiter) waiter->post(absl::OkStatus());
    if (release) this->RemoveHold();
  }

  void OnDone(const grpc::Status& status) override {
    std::optional<base::Completer<absl::Status>> waiter;
    {
      base::MutexLock lock(mutex_);
      ended_ = true;
      end_ = runtime::from_grpc(status);
      waiter = std::exchange(waiter_, std::nullopt);
    }
    if (waiter) waiter->post(absl::OkStatus());
    Outstanding* const outstanding = outstanding_;
    const std::uint64_t id = id_;
    release_on(executor_, std::move(self_));
    outstanding->end(id);
  }

 private:
  void release_unless_reading() {
    {
      base::MutexLock lock(mutex_);
      abandoned_ = true;
      if (reading_ || released_) return;  // a read that is under way ends soon, and releases
      released_ = true;
    }
    this->RemoveHold();
  }

  const boost::asio::any_io_executor executor_;
  grpc::ClientContext context_;
  Req request_;
  Rep message_;  // gRPC's while reading_
  Method method_;
  Outstanding* outstanding_ = nullptr;
  std::uint64_t id_ = 0;
  std::shared_ptr<ReadCall> self_;  // until OnDone

  base::Mutex mutex_;
  bool reading_ ABSL_GUARDED_BY(mutex_) = false;
  bool released_ ABSL_GUARDED_BY(mutex_) = false;
  bool abandoned_ ABSL_GUARDED_BY(mutex_) = false;
  bool ended_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Status end_ ABSL_GUARDED_BY(mutex_);
  std::optional<Rep> ready_ ABSL_GUARDED_BY(mutex_);
  std::optional<base::Completer<absl::Status>> waiter_ ABSL_GUARDED_BY(mutex_);
};

template <class Req, class Rep, class T>
class ReadStream final : public base::Stream<T> {
 public:
  using Convert = std::function<T(const Rep&)>;

  // `call` was started.
  ReadStream(base::Strand& strand, std::shared_ptr<ReadCall<Req, Rep>> call, Convert convert)
      : strand_(strand), call_(std::move(call)), convert_(std::move(convert)) {}
  ~ReadStream() override { call_->abandon(); }
  ReadStream(const ReadStream&) = delete;
  ReadStream& operator=(const ReadStream&) = delete;

  base::Task<absl::StatusOr<std::optional<T>>> next() override {
    auto start = [this](base::Completer<absl::Status> completer) { call_->want(completer); };
    for (;;) {
      auto look = call_->look();
      if (look.decided) {
        if (!look.result.ok()) co_return look.result.status();
        if (!look.result->has_value()) co_return std::optional<T>();
        co_return std::optional<T>(convert_(**look.result));
      }
      const absl::Status status = co_await base::suspend<absl::Status>(strand_, start);
      if (!status.ok()) co_return status;
    }
  }

 private:
  base::Strand& strand_;
  std::shared_ptr<ReadCall<Req, Rep>> call_;
  Convert convert_;
};

}  // namespace renderyard::grpc_clients
