// What the server tells its WebSocket clients.
#ifndef RENDERYARD_TESTS_COMFYSIM_MESSAGES_H_
#define RENDERYARD_TESTS_COMFYSIM_MESSAGES_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "tests/comfysim/pyjson.h"

namespace comfysim {

// Whom a message is for: the socket with that client id, or, without a value, all of them.
using Sid = std::optional<std::string>;

// Binary frames begin with one of these, big-endian (protocol section 5.1).
enum class BinaryEvent : std::uint32_t { kPreviewImage = 1, kText = 3, kPreviewImageWithMetadata = 4 };

// Where messages go. Thread-safe; a message to nobody is thrown away.
class MessageSink {
 public:
  virtual ~MessageSink() = default;
  virtual void send(const Sid& to, std::string_view type, json::object data) = 0;
  // The same with data that is JSON text already, as dump_json() writes it.
  virtual void send_text(const Sid& to, std::string_view type, const std::string& data) = 0;
  virtual void send_binary(const Sid& to, BinaryEvent event, std::string payload) = 0;
  // A message that cannot be written as JSON: when there is somebody to get it, the process ends with status 1, as the
  // loop of the real server does.
  virtual void send_unserializable(const Sid& to) = 0;
  // Whether the socket under that id has sent the feature flag; false without an id.
  virtual bool wants_preview_metadata(const Sid& to) const = 0;
};

}  // namespace comfysim

#endif  // RENDERYARD_TESTS_COMFYSIM_MESSAGES_H_
