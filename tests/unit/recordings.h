// Reads tests/recordings for tests.
#pragma once

#include <boost/json/object.hpp>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace renderyard::testing {

struct RecordedExchange {
  std::string method;
  std::string path;
  boost::json::object request_body;  // empty when there was none or it was no object
  int status = 0;
  std::string content_type;
  std::string body;      // as text; re-written from JSON where the recorder parsed it
  bool trimmed = false;  // binary or shortened by the recorder
};

struct RecordedFrame {
  std::string conn;
  bool binary = false;
  std::string bytes;
};

// What happened, in order: exactly one of the two is set.
struct RecordedEvent {
  std::optional<RecordedExchange> exchange;
  std::optional<RecordedFrame> frame;
};

struct Recording {
  std::string version;
  std::string name;  // "0.3.64/simple-success"
  std::vector<RecordedEvent> events;
};

// All of them, sorted by name. Throws when a file cannot be read: that is a broken checkout.
const std::vector<Recording>& recordings();

}  // namespace renderyard::testing
