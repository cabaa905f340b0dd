// Where what belongs to a call is let go: on the strand, never on the thread of gRPC that reported the call's end. It
// may be the last to hold the channel, the channel may be the last user of gRPC's callback queue, and that queue, when
// it goes, waits for its threads: from one of them it destroys itself under its own feet (gRPC 1.51, "assertion failed:
// prior > 0").
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/post.hpp>
#include <memory>
#include <utility>

namespace renderyard::grpc_clients {

// When the executor runs no more, it goes with the executor's context.
template <class T>
void release_on(boost::asio::any_io_executor executor, std::shared_ptr<T> held) {
  boost::asio::post(executor, [held = std::move(held)]() mutable { held.reset(); });
}

}  // namespace renderyard::grpc_clients
