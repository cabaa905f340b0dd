// Gives messages of an instance's sockets to the executions they speak of. Messages of prompts that nobody knows yet
// are kept while it is open what became of a POST (servers that ignore our prompt ids tell us theirs only in the
// answer, and may report first); strangers' messages are dropped. Pictures that name no prompt (binary type 1) are
// given to the prompt and node that run by the words of the same connection: a server has one prompt running, and sends
// its pictures between its messages. Thread-safety: on the strand.
#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>

#include "libs/common/base/journal.h"
#include "services/bridge/execution.h"
#include "services/bridge/observer.h"

namespace renderyard::bridge {

class Router {
 public:
  // observer, journal outlive the router. on_stray: a prompt runs that nobody follows, see note_stray().
  Router(Observer& observer, base::Journal& journal, std::function<void()> on_stray)
      : observer_(observer), journal_(journal), on_stray_(std::move(on_stray)) {}

  // Messages of this prompt go to `execution` from now on, those kept first.
  void add(const std::string& prompt_id, std::shared_ptr<Execution> execution);
  void remove(const Execution& execution);
  // A number for a connection just opened: what comes with one number came without a gap.
  std::uint64_t new_stream() { return ++streams_; }
  void route(domain::ComfyMessage message, std::uint64_t stream);
  // The connection has ended.
  void end_stream(std::uint64_t stream) { running_.erase(stream); }

  // From now until post_ends() it is open what became of the POST of `sender`, which is woken when a prompt starts that
  // nobody knows: it may be its own.
  void post_begins(Execution& sender) { senders_.insert(&sender); }
  void post_ends(Execution& sender);
  // While a POST was open a prompt started that nobody knows to this hour.
  bool heard_unknown() const { return !unknown_started_.empty(); }

 private:
  // Oldest dropped: REST tells what is missed, and pictures whose beginning is missed are known to be incomplete.
  static constexpr std::size_t kMostKept = 4096;
  static constexpr std::size_t kMostKeptBytes = std::size_t{64} << 20;  // of pictures
  struct Running {
    std::string prompt_id;
    std::string node;
  };
  void note_running(const domain::ComfyMessage& message, std::uint64_t stream);
  void keep(domain::ComfyMessage message, std::uint64_t stream);
  // A prompt runs under a client id of ours (others' events do not come here), and nobody follows it.
  void note_stray(const domain::ComfyMessage& message);

  Observer& observer_;
  base::Journal& journal_;
  std::function<void()> on_stray_;

  std::map<std::string, std::shared_ptr<Execution>, std::less<>> by_prompt_;
  struct Kept {
    domain::ComfyMessage message;
    std::uint64_t stream = 0;
  };
  std::list<Kept> unknown_;
  std::size_t unknown_bytes_ = 0;
  std::set<std::string, std::less<>> unknown_started_;  // not forgotten with the oldest messages
  std::map<std::uint64_t, Running> running_;            // by stream
  std::uint64_t streams_ = 0;
  std::set<Execution*> senders_;
};

}  // namespace renderyard::bridge
