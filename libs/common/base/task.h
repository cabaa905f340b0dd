// Task<T>: the one coroutine type of the project, an Asio awaitable on any executor.
// Rules for its use (flat await, parameters by value, no capturing coroutine lambdas): docs/async.md.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <utility>  // before awaitable.hpp, which uses std::exchange without including it

namespace renderyard::base {

template <class T = void>
using Task = boost::asio::awaitable<T>;

}  // namespace renderyard::base
