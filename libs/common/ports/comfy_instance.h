// One ComfyUI server as the bridge sees it. Real: services/bridge/comfy (websocketpp, libcurl, an own connection for
// POST /prompt); fake: testing/fake_comfy. Errors: UNAVAILABLE (no answer, refused, 5xx), DEADLINE_EXCEEDED, NOT_FOUND,
// INVALID_ARGUMENT (the answer could not be parsed), PERMISSION_DENIED (401 and 403). A look that fails is no look.
#pragma once

#include <absl/functional/any_invocable.h>
#include <absl/status/statusor.h>
#include <absl/time/time.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "libs/common/base/stream.h"
#include "libs/common/base/task.h"
#include "libs/common/domain/capabilities.h"
#include "libs/common/domain/comfy_message.h"
#include "libs/common/domain/submission.h"
#include "libs/common/ports/model.h"

namespace renderyard::ports {

// An open WebSocket. next() gives parsed messages in order and an error when the socket ended; frames that cannot be
// parsed are counted and skipped by the adapter. The receive queue is bounded: previews and progress are dropped oldest
// first when full, everything else never.
class ComfySocket : public base::Stream<domain::ComfyMessage> {
 public:
  // Gives each message to `hear`, in order, until the socket ends: OK when the server closed it, else as next(). The
  // same as a loop of next() and cheaper where many sockets speak often. One listener at a time, and no next() beside
  // it. hear is called on the strand, and not any more once this has returned or was destroyed.
  virtual base::Task<absl::Status> listen(std::function<void(domain::ComfyMessage)> hear) {
    for (;;) {
      auto message = co_await next();
      if (!message.ok()) co_return message.status();
      if (!message->has_value()) co_return absl::OkStatus();
      hear(**std::move(message));
    }
  }
  // Sends a ping; OK when its pong came before the deadline.
  virtual base::Task<absl::Status> ping(absl::Time deadline) = 0;
  // Closes and waits for the end of TCP (or the deadline): only then may the same client id be used again.
  virtual base::Task<absl::Status> close(absl::Time deadline) = 0;
};

// What the server was found able to do. Servers are updated and replaced behind their address: true for one connection.
struct ComfyAbilities {
  bool own_prompt_ids = false;  // POST /prompt takes prompt_id
  bool targeted_interrupt = false;
  bool atomic_cancel = false;
  bool jobs_api = false;
  bool feature_flags = false;     // answers ours, which belong to a connection
  bool preview_metadata = false;  // pictures name their prompt and node once our flags were sent
  bool progress_state = false;
  std::string version;  // as /system_stats says, may be empty
  // Not asked for but said by the operator: others use it too. Where an interrupt hits whatever runs, none is sent.
  bool shared = false;
};

// What the server says of the file that has a name now. Absent: it does not say.
struct FileVersion {
  std::optional<std::int64_t> size_bytes = {};
  std::optional<absl::Time> modified_at = {};  // the server's clock, whole seconds
  std::optional<std::string> etag = {};

  // Is `later` provably another content than this?
  bool changed_to(const FileVersion& later) const {
    const auto differ = [](const auto& a, const auto& b) { return a && b && *a != *b; };
    return differ(size_bytes, later.size_bytes) || differ(modified_at, later.modified_at) || differ(etag, later.etag);
  }
};

// What the head of an answer says of the file; called before the first byte of it is handed on.
using FetchBegun = std::function<void(const FileVersion&)>;

struct FetchedFile {
  FileVersion version;  // at the beginning
  std::string content_type;
};

// Takes one chunk after the other. Must not be a capturing coroutine itself, but may call one.
using ByteSink = absl::AnyInvocable<base::Task<absl::Status>(std::string)>;

class ComfyInstance {
 public:
  virtual ~ComfyInstance() = default;

  // Sent with every request and handshake from the next one on; none at first.
  virtual void set_access(std::vector<SecretHeader> headers) = 0;

  // Connects /ws?clientId=…, sends the feature flags, waits for the first `status`.
  virtual base::Task<absl::StatusOr<std::unique_ptr<ComfySocket>>> connect(std::string client_id,
                                                                           absl::Time deadline) = 0;
  virtual base::Task<absl::StatusOr<ComfyAbilities>> probe(absl::Time deadline) = 0;

  // What the server has. Megabytes on a big installation, and slow to make there: not for every connection. Bounded in
  // size (INVALID_ARGUMENT beyond); read apart from everything else.
  virtual base::Task<absl::StatusOr<domain::ServerDescription>> describe(absl::Time deadline) = 0;

  // One POST /prompt on a fresh connection of its own, never re-sent, no redirects. Not a byte of it leaves after
  // `begin_by`: the sender's right to send may have ended while it connected. Never an error status: what happened is
  // the outcome. When it returns, the connection is gone. A cancelled caller gets kUnclear unless it is known better.
  virtual base::Task<domain::PostOutcome> post_prompt(std::string body, absl::Time begin_by, absl::Time deadline) = 0;

  virtual base::Task<absl::StatusOr<domain::QueueListing>> queue(absl::Time deadline) = 0;
  virtual base::Task<absl::StatusOr<std::optional<domain::HistoryEntry>>> history(std::string prompt_id,
                                                                                  absl::Time deadline) = 0;
  // The newest entries whose extra_data.renderyard.prompt_id is set. For servers that ignore our prompt ids.
  virtual base::Task<absl::StatusOr<std::vector<domain::QueueItem>>> recent_history(int max_items,
                                                                                    absl::Time deadline) = 0;

  // Streams a file of /view into `sink` chunk by chunk on the strand, no faster than that takes it. `begun`, which may
  // be empty, is called also for a copy that breaks off later. NOT_FOUND: the server does not have it; DATA_LOSS: it
  // ended early; any error of the sink ends it.
  virtual base::Task<absl::StatusOr<FetchedFile>> fetch(domain::OutputFile file, ByteSink sink, FetchBegun begun,
                                                        absl::Time deadline) = 0;

  // The version of a file, without its content. NOT_FOUND: the server does not have it, or cannot tell.
  virtual base::Task<absl::StatusOr<FileVersion>> version(domain::OutputFile file, absl::Time deadline) = 0;

  // Best way of the server to stop exactly this prompt. OK = asked; what came of it is read from queue and history.
  // FAILED_PRECONDITION: it could hit another prompt on this server, not asked.
  virtual base::Task<absl::Status> cancel(std::string prompt_id, ComfyAbilities abilities, absl::Time deadline) = 0;
};

class ComfyConnector {
 public:
  virtual ~ComfyConnector() = default;
  virtual std::unique_ptr<ComfyInstance> instance(const InstanceRow& row) = 0;
};

}  // namespace renderyard::ports
