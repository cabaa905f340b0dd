// The real ports::ComfyConnector and ports::ComfyInstance: one client object per ComfyUI server, all over one io
// thread. Thread-safety: on the strand. Ownership: the connector outlives its instances, their tasks and sockets.
#pragma once

#include <boost/asio/thread_pool.hpp>
#include <functional>
#include <memory>
#include <string>

#include "libs/common/base/clock.h"
#include "libs/common/base/strand.h"
#include "libs/common/ports/comfy_instance.h"
#include "services/bridge/comfy/comfy_io.h"
#include "services/bridge/comfy/http_client.h"
#include "services/bridge/comfy/prompt_post.h"
#include "services/bridge/comfy/resolver.h"
#include "services/bridge/comfy/ws_socket.h"
#include "services/bridge/comfy/ws_transport.h"

namespace renderyard::comfy {

struct ComfyOptions {
  // PEM file of certificates to trust for https and wss beside the system's; may be empty.
  std::string ca_file;
  std::size_t max_object_info_bytes = std::size_t{32} << 20;
  // Bound for one /history or /queue answer. They carry whole workflows, of up to 100 MiB each, and what is not ASCII
  // in them comes escaped, twice as long.
  std::size_t max_listing_bytes = std::size_t{512} << 20;
  // A frame was no message; progress or a preview came faster than it was read. On any thread; must not block.
  std::function<void()> on_unreadable = {};
  std::function<void()> on_dropped = {};
  // A download that brings no byte for so long has failed; whole seconds.
  absl::Duration download_stall = absl::Minutes(1);
};

// OK for an empty name and for a PEM file with at least one certificate; else INVALID_ARGUMENT that says what is wrong.
absl::Status check_ca_file(const std::string& ca_file);

class ComfyClients final : public ports::ComfyConnector {
 public:
  ComfyClients(ComfyIo& io, base::Strand& strand, base::Clock& clock, ComfyOptions options = {});

  // A row whose URLs cannot be used gives an instance whose every call is INVALID_ARGUMENT.
  std::unique_ptr<ports::ComfyInstance> instance(const ports::InstanceRow& row) override;

  const WsShare& counters() const { return counters_; }

 private:
  friend class ComfyClient;
  base::Strand& strand_;
  base::Clock& clock_;
  const ComfyOptions options_;
  Resolver resolver_;
  HttpClient http_;
  WsTransport sockets_;
  PromptPoster poster_;
  WsShare counters_;
  // Reads what would hold up the strand: megabytes of JSON.
  boost::asio::thread_pool readers_{1};
};

}  // namespace renderyard::comfy
