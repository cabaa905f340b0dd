// ports::ProgressCache in Redis (requirement P1): key comfyui:job:{promptId}, a JSON object with promptId, type,
// userId, characterId (when there is one), status, progress, startedAt, clientId, and executionId, ownerEpoch,
// clusterEpoch, by which a reader knows whether the value speaks of what it means; each save sets the TTL anew.
//
// Nothing waits for Redis: writes go to a backlog that keeps the latest of each prompt, at most `max_backlog` prompts,
// the oldest are dropped; at most `max_in_flight` commands are unanswered. A connection that gives no answer for
// `command_timeout` is closed; reconnecting backs off with jitter, for ever. One journal line per change of state.
// Errors of load(): UNAVAILABLE, DEADLINE_EXCEEDED. A value that is not ours, or damaged, is no value.
// Thread-safety: on the strand.
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <absl/time/time.h>

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "libs/common/adapters/redis/redis_link.h"
#include "libs/common/adapters/redis/redis_url.h"
#include "libs/common/base/clock.h"
#include "libs/common/base/event.h"
#include "libs/common/base/journal.h"
#include "libs/common/base/random.h"
#include "libs/common/base/strand.h"
#include "libs/common/ports/progress_cache.h"

namespace renderyard::redis {

// For metrics and health; each may be left out. Called on the strand.
struct RedisObserver {
  std::function<void(bool connected)> on_state = {};
  std::function<void()> on_dropped = {};
};

class RedisProgressCache final : public ports::ProgressCache {
 public:
  struct Deps {
    base::Strand& strand;
    base::Clock& clock;
    base::Random& random;
    base::Journal& journal;
  };
  struct Config {
    RedisUrl url;
    absl::Duration ttl = absl::Seconds(7200);
    absl::Duration connect_timeout = absl::Seconds(2);
    absl::Duration command_timeout = absl::Seconds(1);
    absl::Duration first_backoff = absl::Milliseconds(200);
    absl::Duration max_backoff = absl::Seconds(10);
    std::size_t max_backlog = 1024;
    std::size_t max_in_flight = 128;
  };
  RedisProgressCache(Deps deps, Config config, RedisObserver observer = {});
  ~RedisProgressCache() override;
  RedisProgressCache(const RedisProgressCache&) = delete;
  RedisProgressCache& operator=(const RedisProgressCache&) = delete;

  // Keeps the connection until stop(); OK then.
  base::Task<absl::Status> run();
  void stop();
  bool connected() const { return connected_; }

  void save(ports::CachedProgress progress) override;
  void erase(std::string prompt_id) override;
  base::Task<absl::StatusOr<std::optional<ports::CachedProgress>>> load(std::string prompt_id) override;

 private:
  using Words = std::vector<std::string>;

  base::Task<absl::Status> connect();
  base::Task<absl::StatusOr<std::vector<std::string>>> resolve();
  base::Task<absl::Status> connect_to(std::string address);
  base::Task<absl::StatusOr<Reply>> ask(Words words);
  void enqueue(const std::string& prompt_id, Words words);
  void flush();
  void send(const Words& words, RedisLink::OnReply on_reply);
  void watch_answers();
  void set_connected(bool connected, std::string_view reason);

  Deps deps_;
  Config config_;
  RedisObserver observer_;
  std::shared_ptr<RedisLink> link_;
  base::Event changed_;  // lost, or stop()
  bool stopping_ = false;
  bool connected_ = false;
  bool said_away_ = false;
  absl::Duration backoff_;

  std::map<std::string, Words> backlog_;  // by prompt id; its entry in order_ exists once
  std::deque<std::string> order_;         // oldest first
  std::size_t in_flight_ = 0;
  absl::Time last_answer_;
  bool watching_ = false;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace renderyard::redis
