#include "tests/simulation/door.h"

#include <memory>
#include <utility>

#include "libs/common/domain/error_code.h"
#include "libs/common/testing/sim/exchange.h"
#include "services/api-gateway/gateway.h"

namespace renderyard::simulation {

namespace {

using JobAnswer = absl::StatusOr<base::JobId>;

constexpr absl::Duration kClientTimeout = absl::Seconds(10);

absl::Status status_of(const gateway::Problem& problem) {
  const std::string text = problem.code + ": " + problem.detail;
  if (problem.http_status() == 503) return absl::UnavailableError(text);
  if (problem.http_status() == 409) return absl::FailedPreconditionError(text);
  return absl::InvalidArgumentError(text);
}

// In the gateway's process.
base::Task<absl::Status> handle_submit(gateway::Gateway& gateway, std::string body, std::string key,
                                       std::function<void(JobAnswer)> answer) {
  std::string token = Park::kToken;
  auto user = co_await gateway.authenticate(std::move(token));
  if (!user.ok()) {
    answer(status_of(user.problem()));
    co_return absl::OkStatus();
  }
  std::optional<std::string> idempotency_key;
  if (!key.empty()) idempotency_key = std::move(key);
  auto submitted = co_await gateway.submit(*std::move(user), std::move(body), std::move(idempotency_key));
  if (submitted.ok()) {
    answer(submitted->id);
  } else {
    answer(status_of(submitted.problem()));
  }
  co_return absl::OkStatus();
}

base::Task<absl::Status> handle_cancel(gateway::Gateway& gateway, base::JobId job,
                                       std::function<void(JobAnswer)> answer) {
  std::string token = Park::kToken;
  auto user = co_await gateway.authenticate(std::move(token));
  if (!user.ok()) {
    answer(status_of(user.problem()));
    co_return absl::OkStatus();
  }
  gateway::JobRef ref(job);
  auto outcome = co_await gateway.cancel(*std::move(user), std::move(ref));
  if (outcome.ok()) {
    answer(job);
  } else {
    answer(status_of(outcome.problem()));
  }
  co_return absl::OkStatus();
}

// A WebSocket connection as the gateway's process holds it: the token first, then the feed.
class Session final : public base::Stream<gateway::FeedMessage> {
 public:
  Session(gateway::Gateway& gateway, std::string since) : gateway_(gateway), since_(std::move(since)) {}

  base::Task<absl::StatusOr<std::optional<gateway::FeedMessage>>> next() override {
    if (!feed_) {
      std::string token = Park::kToken;
      auto user = co_await gateway_.authenticate(std::move(token));
      if (!user.ok()) co_return status_of(user.problem());
      gateway::SubscribeRequest request;
      if (!since_.empty()) request.since = since_;
      auto feed = gateway_.subscribe(*std::move(user), std::move(request));
      if (!feed.ok()) co_return status_of(feed.problem());
      feed_ = *std::move(feed);
    }
    co_return co_await feed_->next();
  }

 private:
  gateway::Gateway& gateway_;
  std::string since_;
  std::shared_ptr<gateway::Subscription> feed_;
};

}  // namespace

base::Task<absl::StatusOr<base::JobId>> Door::request(Handler handler) {
  auto start = [this, handler](sim::Reply<JobAnswer> reply) {
    sim::SimNetwork& network = park_.network();
    sim::Process* server = park_.process(Role::kGateway);
    sim::World& world = park_.world();
    const auto answer = [&network, &world, reply](JobAnswer job_answer) {
      world.after(network.latency(), [reply, job_answer] { reply(job_answer); });
    };
    const bool lost = network.random().chance(network.weather().lost);
    if (lost || server == nullptr) {
      answer(absl::UnavailableError("connection refused"));
      return;
    }
    const bool unheard = network.random().chance(network.weather().unheard);
    world.after(network.latency(), [this, server, handler, answer, unheard] {
      if (!server->alive()) {
        answer(absl::UnavailableError("connection refused"));
        return;
      }
      server->at_death([answer] { answer(absl::UnavailableError("connection reset")); });
      server->deliver([this, server, handler, answer, unheard] {
        auto heard = [answer, unheard](JobAnswer job_answer) {
          answer(unheard ? JobAnswer(absl::UnavailableError("answer lost")) : std::move(job_answer));
        };
        server->spawn(handler(*park_.gateway(), std::move(heard)));
      });
    });
  };
  const absl::Time deadline = client_.clock().now() + kClientTimeout;
  co_return co_await sim::exchange<JobAnswer>(client_, deadline, std::move(start));
}

base::Task<absl::StatusOr<base::JobId>> Door::submit(PlannedJob job) {
  std::string limits;
  const auto limit = [&limits](const char* name, const std::optional<int>& secs) {
    if (secs) limits += std::string(limits.empty() ? "" : ",") + "\"" + name + "\":" + std::to_string(*secs);
  };
  limit("wait_secs", job.wait_secs);
  limit("run_secs", job.run_secs);
  limit("silence_secs", job.silence_secs);
  if (!limits.empty()) limits = ",\"limits\":{" + limits + "}";
  const std::string body = R"({"job_type":"image_generation","priority":)" + std::to_string(job.priority) +
                           R"(,"parameters":{"workflow":)" + job.workflow + limits + "}}";
  Handler handler = [body, key = job.idempotency_key](gateway::Gateway& gateway, Answered answer) {
    return handle_submit(gateway, body, key, std::move(answer));
  };
  co_return co_await request(std::move(handler));
}

base::Task<absl::Status> Door::cancel(base::JobId job) {
  Handler handler = [job](gateway::Gateway& gateway, Answered answer) {
    return handle_cancel(gateway, job, std::move(answer));
  };
  auto done = co_await request(std::move(handler));
  co_return done.status();
}

base::StreamPtr<gateway::FeedMessage> Door::watch(std::string since) {
  sim::Process* server = park_.process(Role::kGateway);
  auto open = [this, since] { return std::make_unique<Session>(*park_.gateway(), since); };
  return park_.network().stream<gateway::FeedMessage>(client_, server, std::move(open));
}

}  // namespace renderyard::simulation
