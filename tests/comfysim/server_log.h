// What ComfyUI prints, and who has subscribed to it (app/logger.py, api_server/services/terminal_service.py).
#ifndef RENDERYARD_TESTS_COMFYSIM_SERVER_LOG_H_
#define RENDERYARD_TESTS_COMFYSIM_SERVER_LOG_H_

#include <deque>
#include <mutex>
#include <set>
#include <string>
#include <string_view>

#include "tests/comfysim/messages.h"

namespace comfysim {

// Keeps the last 300 lines, as ComfyUI does, and sends each new one to the subscribers. Thread-safe.
class ServerLog {
 public:
  // `prefix` is put before each line.
  ServerLog(MessageSink& sink, std::string_view prefix) : sink_(sink), prefix_(prefix) {}

  void add(std::string_view text);
  void subscribe(const std::string& client);
  void unsubscribe(const std::string& client);
  // All lines with their times, as GET /internal/logs has them.
  std::string text() const;
  // {"entries": [{"t", "m"}], "size": {"cols", "rows"}}, of GET /internal/logs/raw.
  json::object raw() const;

 private:
  struct Entry {
    std::string time;  // ISO 8601 with microseconds, without zone
    std::string text;
  };

  MessageSink& sink_;
  const std::string prefix_;
  mutable std::mutex mutex_;
  std::deque<Entry> entries_;
  std::set<std::string> subscribers_;
  bool size_told_ = false;  // the first message after the start tells the size of the terminal
};

}  // namespace comfysim

#endif  // RENDERYARD_TESTS_COMFYSIM_SERVER_LOG_H_
