// The only place that knows websocketpp: WebSockets to ComfyUI, plain and TLS, on the ComfyIo thread. No Origin header
// (ComfyUI refuses foreign ones), no compression (its size limit would not hold for inflated data), messages up to 256
// MiB. Thread-safety: all methods from any thread; handlers run on the io thread.
#pragma once

#include <absl/status/status.h>
#include <absl/time/time.h>

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "services/bridge/comfy/comfy_io.h"
#include "services/bridge/comfy/instance_url.h"
#include "services/bridge/comfy/resolver.h"

namespace renderyard::comfy {

// Called on the io thread, on_end exactly once and last: when TCP is over, or was never there.
struct WsHandlers {
  std::function<bool(std::string_view text)> on_text;     // false: cut the connection
  std::function<bool(std::string_view bytes)> on_binary;  // false: cut the connection
  std::function<void(std::string_view payload)> on_pong;
  std::function<void(absl::Status why)> on_end;
};

// One connection. Dropping it does not end it: abort() does.
class WsLine {
 public:
  virtual ~WsLine() = default;
  virtual void ping(std::string payload) = 0;
  // Says goodbye and waits for the server to end TCP, at most `patience`, then cuts.
  virtual void close(absl::Duration patience) = 0;
  // Cuts TCP with a reset, so that the server notices at once.
  virtual void abort() = 0;
};

class WsTransport {
 public:
  // ca_file: PEM file of certificates to trust beside the system's; may be empty.
  WsTransport(ComfyIo& io, Resolver& resolver, std::string ca_file);
  ~WsTransport();
  WsTransport(const WsTransport&) = delete;
  WsTransport& operator=(const WsTransport&) = delete;

  // Connects to `url`, with its headers and `target` (path and query) behind its path, and sends `greeting` as the
  // first text message. Gives up after `patience`.
  std::shared_ptr<WsLine> connect(const InstanceUrl& url, std::string_view target, std::string greeting,
                                  absl::Duration patience, WsHandlers handlers);

 private:
  struct Endpoints;
  std::shared_ptr<Endpoints> endpoints_;
};

}  // namespace renderyard::comfy
