// ComfyIo: the one thread on which libcurl and the WebSockets to ComfyUI run, so that a busy bridge never stops
// reading: a client that does not read stops the messages of all clients of a ComfyUI server. Thread-safety: post from
// any thread; everything that the thread runs is single-threaded. Ownership: outlives every HttpClient, WsTransport and
// ComfySocket that was given it.
#pragma once

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <thread>

namespace renderyard::comfy {

class ComfyIo {
 public:
  ComfyIo();
  ComfyIo(const ComfyIo&) = delete;
  ComfyIo& operator=(const ComfyIo&) = delete;
  // stop().
  ~ComfyIo();

  boost::asio::io_context& context() { return context_; }
  // Ends the thread; what still runs on it ends where it is. Whoever waits for it must have been cancelled before.
  void stop();

 private:
  boost::asio::io_context context_{1};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_;
  std::thread thread_;
};

}  // namespace renderyard::comfy
