#include "libs/common/adapters/redis/redis_cache.h"

#include <absl/strings/str_cat.h>

#include <algorithm>
#include <boost/asio/ip/tcp.hpp>
#include <utility>

#include "libs/common/adapters/redis/cached_value.h"
#include "libs/common/base/group.h"
#include "libs/common/base/status_macros.h"

namespace renderyard::redis {

namespace {
using boost::asio::ip::tcp;
}

RedisProgressCache::RedisProgressCache(Deps deps, Config config, RedisObserver observer)
    : deps_(deps),
      config_(std::move(config)),
      observer_(std::move(observer)),
      changed_(deps.strand, deps.clock),
      backoff_(config_.first_backoff),
      last_answer_(deps.clock.now()) {}

RedisProgressCache::~RedisProgressCache() {
  *alive_ = false;
  if (link_) link_->on_lost({});
}

base::Task<absl::Status> RedisProgressCache::run() {
  while (!stopping_) {
    absl::Status status =
        co_await base::with_deadline(deps_.strand, deps_.clock, connect(), deps_.clock.now() + config_.connect_timeout);
    if (status.ok()) {
      backoff_ = config_.first_backoff;
      set_connected(true, "");
      flush();
      while (!stopping_ && link_->open()) {
        CO_RETURN_IF_ERROR(co_await changed_.wait_until(absl::InfiniteFuture()));
      }
      status = absl::UnavailableError("redis: the connection was lost");
    }
    if (link_) link_->close();
    link_.reset();
    if (stopping_) {
      connected_ = false;
      break;
    }
    set_connected(false, std::string_view(status.message().data(), status.message().size()));
    // Half of it sure, half by chance: never at once, never all replicas together.
    const absl::Time until = deps_.clock.now() + backoff_ / 2 + deps_.random.jitter(backoff_ / 2);
    backoff_ = std::min(backoff_ * 2, config_.max_backoff);
    while (!stopping_ && deps_.clock.now() < until) {
      status = co_await changed_.wait_until(until);
      if (absl::IsCancelled(status)) co_return status;
    }
  }
  co_return absl::OkStatus();
}

void RedisProgressCache::stop() {
  stopping_ = true;
  changed_.notify();
}

base::Task<absl::StatusOr<std::vector<std::string>>> RedisProgressCache::resolve() {
  using R = absl::StatusOr<std::vector<std::string>>;
  auto resolver = std::make_shared<tcp::resolver>(deps_.strand.executor());
  auto start = [this, resolver](base::Completer<R> completer) {
    resolver->async_resolve(config_.url.host, std::to_string(config_.url.port),
                            [completer, resolver](boost::system::error_code error, tcp::resolver::results_type found) {
                              std::vector<std::string> addresses;
                              for (const auto& entry : found) {
                                addresses.push_back(entry.endpoint().address().to_string());
                              }
                              if (error || addresses.empty()) {
                                completer.complete(absl::UnavailableError(absl::StrCat("redis: ", error.message())));
                              } else {
                                completer.complete(std::move(addresses));
                              }
                            });
  };
  co_return co_await base::suspend<R>(deps_.strand, start);
}

base::Task<absl::Status> RedisProgressCache::connect_to(std::string address) {
  link_ = std::make_shared<RedisLink>(deps_.strand.executor());
  auto start = [this, &address](base::Completer<absl::Status> completer) {
    link_->connect(address, config_.url.port,
                   [completer](absl::Status status) { completer.complete(std::move(status)); });
  };
  co_return co_await base::suspend<absl::Status>(deps_.strand, start);
}

base::Task<absl::Status> RedisProgressCache::connect() {
  ASSIGN_OR_CO_RETURN(const std::vector<std::string> addresses, co_await resolve());
  absl::Status connected;
  for (const std::string& address : addresses) {
    connected = co_await connect_to(address);
    if (connected.ok() || absl::IsCancelled(connected)) break;
  }
  CO_RETURN_IF_ERROR(connected);
  link_->on_lost([this, alive = alive_] {
    if (*alive) changed_.notify();
  });
  in_flight_ = 0;
  if (!config_.url.password.empty()) {
    Words auth = {"AUTH"};
    if (!config_.url.user.empty()) auth.push_back(config_.url.user);
    auth.push_back(config_.url.password);
    const absl::StatusOr<Reply> reply = co_await ask(std::move(auth));
    // Redis's own words are left out: nothing of an AUTH command belongs in a log.
    if (!reply.ok()) co_return absl::UnavailableError("redis: user or password is wrong");
  }
  Words select = {"SELECT", std::to_string(config_.url.database)};
  const absl::StatusOr<Reply> selected = co_await ask(std::move(select));
  co_return selected.status();
}

base::Task<absl::StatusOr<Reply>> RedisProgressCache::ask(Words words) {
  using R = absl::StatusOr<Reply>;
  auto start = [this, &words](base::Completer<R> completer) {
    send(words, [completer](R reply) { completer.complete(std::move(reply)); });
  };
  co_return co_await base::suspend<R>(deps_.strand, start);
}

void RedisProgressCache::send(const Words& words, RedisLink::OnReply on_reply) {
  if (in_flight_ == 0) last_answer_ = deps_.clock.now();
  ++in_flight_;
  link_->command(words, [this, alive = alive_, link = std::weak_ptr<RedisLink>(link_),
                         on_reply = std::move(on_reply)](absl::StatusOr<Reply> reply) mutable {
    on_reply(std::move(reply));
    if (!*alive || link.expired() || link.lock() != link_) return;
    --in_flight_;
    last_answer_ = deps_.clock.now();
    flush();
  });
  watch_answers();
}

void RedisProgressCache::watch_answers() {
  if (watching_) return;
  watching_ = true;
  deps_.clock.call_at(last_answer_ + config_.command_timeout, [this, alive = alive_] {
    if (!*alive) return;
    watching_ = false;
    if (in_flight_ == 0 || !link_ || !link_->open()) return;
    if (deps_.clock.now() >= last_answer_ + config_.command_timeout) {
      link_->close();  // what was in flight gets UNAVAILABLE
      changed_.notify();
    } else {
      watch_answers();
    }
  });
}

void RedisProgressCache::save(ports::CachedProgress progress) {
  Words words = {"SET", cache_key(progress.prompt_id), to_json(progress), "EX",
                 std::to_string(absl::ToInt64Seconds(config_.ttl))};
  enqueue(progress.prompt_id, std::move(words));
}

void RedisProgressCache::erase(std::string prompt_id) {
  enqueue(prompt_id, {"DEL", cache_key(prompt_id)});
}

void RedisProgressCache::enqueue(const std::string& prompt_id, Words words) {
  const auto [entry, fresh] = backlog_.insert_or_assign(prompt_id, std::move(words));
  if (fresh) order_.push_back(entry->first);
  if (order_.size() > config_.max_backlog) {
    backlog_.erase(order_.front());
    order_.pop_front();
    if (observer_.on_dropped) observer_.on_dropped();
  }
  flush();
}

void RedisProgressCache::flush() {
  while (connected_ && link_ && link_->open() && !order_.empty() && in_flight_ < config_.max_in_flight) {
    const auto entry = backlog_.extract(order_.front());
    order_.pop_front();
    send(entry.mapped(), [](const absl::StatusOr<Reply>&) {});  // lost ones are not repeated: the next save is near
  }
}

base::Task<absl::StatusOr<std::optional<ports::CachedProgress>>> RedisProgressCache::load(std::string prompt_id) {
  if (!connected_ || !link_ || !link_->open()) co_return absl::UnavailableError("redis: not connected");
  // What waits to be written is the latest.
  if (const auto waiting = backlog_.find(prompt_id); waiting != backlog_.end()) {
    if (waiting->second.front() == "DEL") co_return std::optional<ports::CachedProgress>();
    co_return from_json(waiting->second[2]);
  }
  if (in_flight_ >= config_.max_in_flight) co_return absl::UnavailableError("redis: too many commands at a time");
  Words words = {"GET", cache_key(prompt_id)};
  ASSIGN_OR_CO_RETURN(const Reply reply, co_await ask(std::move(words)));
  if (!reply.text) co_return std::optional<ports::CachedProgress>();
  std::optional<ports::CachedProgress> progress = from_json(*reply.text);
  if (progress && progress->prompt_id != prompt_id) progress.reset();
  co_return progress;
}

void RedisProgressCache::set_connected(bool connected, std::string_view reason) {
  connected_ = connected;
  if (connected) {
    said_away_ = false;
    deps_.journal.info("redis_connected", {{"host", config_.url.host}, {"port", config_.url.port}});
  } else if (!std::exchange(said_away_, true)) {
    deps_.journal.warning("redis_away", {{"host", config_.url.host}, {base::key::kReason, reason}});
  } else {
    return;
  }
  if (observer_.on_state) observer_.on_state(connected);
}

}  // namespace renderyard::redis
