#include "services/bridge/comfy/ws_courier.h"

#include <boost/asio/post.hpp>
#include <utility>

#include "services/bridge/comfy/ws_inbox.h"

namespace renderyard::comfy {

void WsCourier::bring(std::shared_ptr<WsInbox> inbox) {
  {
    const base::MutexLock lock(mutex_);
    waiting_.push_back(std::move(inbox));
    if (std::exchange(under_way_, true)) return;
  }
  // Behind the sockets that are ready at this moment.
  boost::asio::post(io_, [self = shared_from_this()] {
    const auto strand = self->strand_.lock();
    if (!strand) return;
    boost::asio::post(strand->executor, [self] { self->deliver(); });
  });
}

void WsCourier::deliver() {
  std::vector<std::shared_ptr<WsInbox>> waiting;
  {
    const base::MutexLock lock(mutex_);
    under_way_ = false;
    waiting.swap(waiting_);
  }
  for (const auto& inbox : waiting) inbox->deliver();
}

}  // namespace renderyard::comfy
