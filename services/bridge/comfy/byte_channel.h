// ByteChannel: chunks of bytes from the io thread to one reader on the strand, in order, with a bound. The writer is
// told when the channel is full and keeps its chunk; it is called back when there is room again. Thread-safety: write,
// end: io thread. next: strand. close: any thread.
#pragma once

#include <absl/base/thread_annotations.h>
#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <cstddef>
#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "libs/common/base/mutex.h"
#include "libs/common/base/strand.h"
#include "libs/common/base/task.h"

namespace renderyard::comfy {

class ByteChannel {
 public:
  // on_room is called on the strand, once after each refused write.
  ByteChannel(base::Strand& strand, std::size_t capacity, std::function<void()> on_room)
      : strand_(strand), capacity_(capacity), on_room_(std::move(on_room)) {}

  // False when the channel holds its capacity: nothing was taken. An empty channel takes a chunk of any size.
  bool write(std::string_view chunk);
  // No more chunks.
  void end();

  // The next chunk; nullopt when all were read; CANCELLED. One reader.
  base::Task<absl::StatusOr<std::optional<std::string>>> next();

 private:
  std::optional<std::string> take() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void wake() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  base::Strand& strand_;
  const std::size_t capacity_;
  const std::function<void()> on_room_;
  base::Mutex mutex_;
  std::deque<std::string> chunks_ ABSL_GUARDED_BY(mutex_);
  std::size_t bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  bool refused_ ABSL_GUARDED_BY(mutex_) = false;
  bool ended_ ABSL_GUARDED_BY(mutex_) = false;
  std::optional<base::Completer<absl::Status>> reader_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace renderyard::comfy
