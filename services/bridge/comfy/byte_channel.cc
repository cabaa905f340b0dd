#include "services/bridge/comfy/byte_channel.h"

#include <utility>

namespace renderyard::comfy {

bool ByteChannel::write(std::string_view chunk) {
  const base::MutexLock lock(mutex_);
  if (bytes_ > 0 && bytes_ + chunk.size() > capacity_) {
    refused_ = true;
    return false;
  }
  chunks_.emplace_back(chunk);
  bytes_ += chunk.size();
  wake();
  return true;
}

void ByteChannel::end() {
  const base::MutexLock lock(mutex_);
  ended_ = true;
  wake();
}

void ByteChannel::wake() {
  if (reader_) reader_->post(absl::OkStatus());
  reader_.reset();
}

std::optional<std::string> ByteChannel::take() {
  if (chunks_.empty()) return std::nullopt;
  std::string chunk = std::move(chunks_.front());
  chunks_.pop_front();
  bytes_ -= chunk.size();
  return chunk;
}

base::Task<absl::StatusOr<std::optional<std::string>>> ByteChannel::next() {
  for (;;) {
    std::optional<std::string> chunk;
    bool room = false;
    bool over = false;
    {
      const base::MutexLock lock(mutex_);
      chunk = take();
      over = !chunk && ended_;
      // Half empty, so that a transfer does not stop and go with every chunk.
      if (refused_ && bytes_ <= capacity_ / 2) room = std::exchange(refused_, false);
    }
    if (room) on_room_();
    if (chunk || over) co_return chunk;
    auto start = [this](base::Completer<absl::Status> completer) {
      const base::MutexLock lock(mutex_);
      if (!chunks_.empty() || ended_) {
        completer.complete(absl::OkStatus());
      } else {
        reader_ = completer;
      }
    };
    const absl::Status status = co_await base::suspend<absl::Status>(strand_, start);
    if (!status.ok()) co_return status;
  }
}

}  // namespace renderyard::comfy
