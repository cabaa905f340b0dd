// WsCourier: brings what came in over many sockets from the io thread to the strand in one trip. With a thousand
// sockets that speak ten times a second a trip for each message costs more than the message. Waits for nothing: a trip
// begins when the io thread is through with what it had to do at that moment. Thread-safety: bring from any thread.
#pragma once

#include <absl/base/thread_annotations.h>

#include <boost/asio/io_context.hpp>
#include <memory>
#include <vector>

#include "libs/common/base/mutex.h"
#include "libs/common/base/strand.h"

namespace renderyard::comfy {

class WsInbox;

class WsCourier : public std::enable_shared_from_this<WsCourier> {
 public:
  // io: of the thread that brings; it is stopped before it is destroyed, and after that nothing is brought.
  WsCourier(boost::asio::io_context& io, base::Strand& strand) : io_(io), strand_(strand.state()) {}

  // WsInbox::deliver() is called on the strand, soon.
  void bring(std::shared_ptr<WsInbox> inbox);

 private:
  void deliver();

  boost::asio::io_context& io_;
  const std::weak_ptr<base::internal::StrandState> strand_;
  base::Mutex mutex_;
  bool under_way_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<std::shared_ptr<WsInbox>> waiting_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace renderyard::comfy
