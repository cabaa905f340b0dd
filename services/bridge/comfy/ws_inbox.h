// WsInbox: what came in over one WebSocket, from the io thread to the one reader on the strand, who asks for each
// message (next) or has them brought (listen).
//
// Bounded: beyond kMessages messages or kBytes bytes the oldest progress and JPEG preview is dropped for each new
// message (progress is repeated in full by the next one, a preview is worth nothing once it is old). PNG frames may be
// the only copy of an output (SaveImageWebsocket) and are kept like everything else; when only such messages wait and
// they reach twice the bound, the reader is hopelessly behind and the stream ends with RESOURCE_EXHAUSTED: REST is the
// truth then. Thread-safety: push, end, wants_delivery: any thread; the others: strand.
#pragma once

#include <absl/base/thread_annotations.h>
#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <optional>
#include <utility>

#include "libs/common/base/mutex.h"
#include "libs/common/base/strand.h"
#include "libs/common/base/task.h"
#include "libs/common/domain/comfy_message.h"

namespace renderyard::comfy {

class WsInbox {
 public:
  static constexpr std::size_t kMessages = 4096;
  static constexpr std::size_t kBytes = std::size_t{64} << 20;

  // on_dropped: called for each message that is dropped, on the caller's thread, may be empty; must not call back.
  explicit WsInbox(base::Strand& strand, std::function<void()> on_dropped = {})
      : strand_(strand), on_dropped_(std::move(on_dropped)) {}

  // `bytes`: size of the frame. False when the stream ended by this: the caller closes the socket.
  bool push(domain::ComfyMessage message, std::size_t bytes);
  // No more messages; those that wait are still delivered. The first call counts. OK = a regular end.
  void end(absl::Status status);

  // Somebody listens, and there is news: true once until deliver(), which the caller has to see to (WsCourier).
  bool wants_delivery();

  base::Task<absl::StatusOr<std::optional<domain::ComfyMessage>>> next();
  // See ports::ComfySocket::listen().
  using Hear = std::function<void(domain::ComfyMessage)>;
  base::Task<absl::Status> listen(Hear hear);
  // Gives the listener, if there is one, what has come.
  void deliver();
  std::uint64_t dropped() const;

 private:
  struct Item {
    domain::ComfyMessage message;
    std::size_t bytes = 0;
  };
  class Listening;
  bool drop_one() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool full(std::size_t times) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void wake() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  base::Strand& strand_;
  const std::function<void()> on_dropped_;
  mutable base::Mutex mutex_;
  // A list, as in other parts of which there is one for each instance: it takes no memory while it is empty.
  std::list<Item> items_ ABSL_GUARDED_BY(mutex_);
  std::size_t bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  std::uint64_t dropped_ ABSL_GUARDED_BY(mutex_) = 0;
  std::optional<absl::Status> end_ ABSL_GUARDED_BY(mutex_);
  std::optional<base::Completer<absl::Status>> reader_ ABSL_GUARDED_BY(mutex_);
  std::optional<base::Completer<absl::Status>> listener_ ABSL_GUARDED_BY(mutex_);
  bool delivery_due_ ABSL_GUARDED_BY(mutex_) = false;
  Hear hear_;  // of the strand
};

}  // namespace renderyard::comfy
