#include "services/bridge/comfy/ws_inbox.h"

#include <algorithm>
#include <utility>
#include <variant>

namespace renderyard::comfy {

namespace {

bool may_go(const domain::ComfyMessage& message) {
  if (const auto* picture = std::get_if<domain::PreviewImage>(&message)) return picture->content_type != "image/png";
  return std::holds_alternative<domain::NodeProgress>(message) ||
         std::holds_alternative<domain::ProgressState>(message);
}

}  // namespace

bool WsInbox::full(std::size_t times) const {
  return items_.size() > kMessages * times || bytes_ > kBytes * times;
}

bool WsInbox::drop_one() {
  const auto oldest = std::find_if(items_.begin(), items_.end(), [](const Item& item) { return may_go(item.message); });
  if (oldest == items_.end()) return false;
  bytes_ -= oldest->bytes;
  items_.erase(oldest);
  ++dropped_;
  if (on_dropped_) on_dropped_();
  return true;
}

bool WsInbox::push(domain::ComfyMessage message, std::size_t bytes) {
  const base::MutexLock lock(mutex_);
  if (end_) return false;
  items_.push_back({std::move(message), bytes});
  bytes_ += bytes;
  while (full(1) && drop_one()) {
  }
  const bool hopeless = full(2);
  if (hopeless) end_ = absl::ResourceExhaustedError("messages came faster than they were read");
  wake();
  return !hopeless;
}

void WsInbox::end(absl::Status status) {
  const base::MutexLock lock(mutex_);
  if (!end_) end_ = std::move(status);
  wake();
}

void WsInbox::wake() {
  if (reader_) reader_->post(absl::OkStatus());
  reader_.reset();
}

std::uint64_t WsInbox::dropped() const {
  const base::MutexLock lock(mutex_);
  return dropped_;
}

base::Task<absl::StatusOr<std::optional<domain::ComfyMessage>>> WsInbox::next() {
  for (;;) {
    {
      const base::MutexLock lock(mutex_);
      if (!items_.empty()) {
        std::optional<domain::ComfyMessage> message(std::move(items_.front().message));
        bytes_ -= items_.front().bytes;
        items_.pop_front();
        co_return message;
      }
      if (end_ && end_->ok()) co_return std::optional<domain::ComfyMessage>();
      if (end_) co_return *end_;
    }
    auto start = [this](base::Completer<absl::Status> completer) {
      const base::MutexLock lock(mutex_);
      if (!items_.empty() || end_) {
        completer.complete(absl::OkStatus());
      } else {
        reader_ = completer;
      }
    };
    const absl::Status status = co_await base::suspend<absl::Status>(strand_, start);
    if (!status.ok()) co_return status;
  }
}

bool WsInbox::wants_delivery() {
  const base::MutexLock lock(mutex_);
  if (!listener_ || (items_.empty() && !end_)) return false;
  return !std::exchange(delivery_due_, true);
}

// Nobody is called any more when the listening coroutine has ended, however it did.
class WsInbox::Listening {
 public:
  Listening(WsInbox& inbox, Hear hear) : inbox_(inbox) { inbox_.hear_ = std::move(hear); }
  ~Listening() {
    inbox_.hear_ = nullptr;
    const base::MutexLock lock(inbox_.mutex_);
    inbox_.listener_.reset();
  }
  Listening(const Listening&) = delete;
  Listening& operator=(const Listening&) = delete;

 private:
  WsInbox& inbox_;
};

base::Task<absl::Status> WsInbox::listen(Hear hear) {
  const Listening listening(*this, std::move(hear));
  for (;;) {
    deliver();
    {
      const base::MutexLock lock(mutex_);
      if (end_ && items_.empty()) co_return *end_;
    }
    auto start = [this](base::Completer<absl::Status> completer) {
      const base::MutexLock lock(mutex_);
      if (!items_.empty() || end_) {
        completer.complete(absl::OkStatus());
      } else {
        listener_ = completer;
      }
    };
    const absl::Status status = co_await base::suspend<absl::Status>(strand_, start);
    if (!status.ok()) co_return status;
  }
}

void WsInbox::deliver() {
  std::list<Item> batch;
  {
    const base::MutexLock lock(mutex_);
    delivery_due_ = false;
    if (!hear_) return;
    batch.swap(items_);
    bytes_ = 0;
  }
  for (Item& item : batch) hear_(std::move(item.message));
  const base::MutexLock lock(mutex_);
  if (end_ && listener_) listener_->complete(absl::OkStatus());
}

}  // namespace renderyard::comfy
