// run_in_passes(): the thread of an io_context that may have thousands of small things to do in a second. Being woken
// for each costs more than doing it, so a thread that finds something to do again and again within kPass goes through
// all of it once in so long. Until then, and with a few hundred things in a second, it is like io_context::run().
#pragma once

#include <boost/asio/io_context.hpp>
#include <chrono>

namespace renderyard::runtime {

inline constexpr std::chrono::microseconds kPass{1000};  // what a handler may wait for others, on a busy thread
inline constexpr int kBusyAfter = 32;  // passes in a row, each begun within kPass of the end of the last

// Until the context is stopped or has nothing more to wait for. What a handler throws comes out.
void run_in_passes(boost::asio::io_context& context);

}  // namespace renderyard::runtime
