// A gateway's feeds on a simulated clock, with jobs, dispatchers and readers that a test moves by hand.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "libs/common/base/group.h"
#include "libs/common/domain/error_code.h"
#include "services/api-gateway/event_hub.h"
#include "services/api-gateway/progress_hub.h"
#include "services/api-gateway/subscription.h"
#include "tests/unit/gateway_world.h"

namespace renderyard::gateway {

using testing::sim::Process;
using testing::sim::World;
using Kind = FeedMessage::Kind;
namespace code = domain::code;
namespace type = ports::event_type;

constexpr ports::UserId kAnna{1};
constexpr ports::UserId kBert{2};

// What one subscriber got.
struct Reader {
  std::vector<FeedMessage> messages;
  bool ended = false;
  bool paused = false;

  std::vector<std::int64_t> event_ids() const {
    std::vector<std::int64_t> ids;
    for (const FeedMessage& message : messages) {
      if (message.kind == Kind::kEvent) ids.push_back(message.position->id);
    }
    return ids;
  }
  std::vector<int> percents() const {
    std::vector<int> percents;
    for (const FeedMessage& message : messages) {
      if (message.kind == Kind::kProgress) percents.push_back(message.percent);
    }
    return percents;
  }
  std::string error() const {
    return messages.empty() || !messages.back().problem ? "" : messages.back().problem->code;
  }
};

class Stage {
 public:
  explicit Stage(std::uint64_t seed = 11)
      : world_(seed),
        process_(world_.start("gateway")),
        jobs_(process_.make<HandJobs>(process_.clock())),
        dispatchers_(process_.make<HandDispatchers>(process_.strand(), process_.clock(), jobs_)),
        bridges_(process_.make<HandBridges>(process_.strand(), process_.clock())),
        resume_(process_.make<base::Event>(process_.strand(), process_.clock())) {}

  // The hubs run in `group`, or as roots of the process.
  void start(base::Group* group = nullptr) {
    EventHub::Config hub;
    hub.addresses = {"d1", "d2"};
    events_ = &process_.make<EventHub>(
        EventHub::Deps{process_.strand(), process_.clock(), process_.random(), process_.journal(), dispatchers_}, hub);
    progress_ = &process_.make<ProgressHub>(
        ProgressHub::Deps{process_.strand(), process_.clock(), process_.random(), process_.journal(), jobs_, bridges_},
        ProgressHub::Config());
    events_->on_event([this](const ports::JobEvent& event) {
      if (ends_job(event.type)) progress_->job_ended(event.job_id);
    });
    if (group != nullptr) {
      group->spawn_isolated(events_->run());
      group->spawn_isolated(progress_->run());
      return;
    }
    process_.spawn(events_->run());
    process_.spawn(progress_->run());
  }

  struct Feed {
    std::shared_ptr<Subscription> subscription;
    std::shared_ptr<Reader> reader;
    Reader* operator->() const { return reader.get(); }
  };

  Feed subscribe(ports::UserId user, SubscribeRequest request, ports::Role role = ports::Role::kUser,
                 bool paused = false) {
    ports::User who;
    who.id = user;
    who.role = role;
    Feed feed;
    feed.subscription = std::make_shared<Subscription>(
        Subscription::Deps{process_.strand(), process_.clock(), jobs_, *events_, *progress_}, feed_config_, who,
        std::move(request));
    feed.reader = std::make_shared<Reader>();
    feed.reader->paused = paused;
    process_.spawn(read(feed.subscription, feed.reader, &resume_));
    return feed;
  }
  Feed since(ports::UserId user, std::int64_t id) {
    SubscribeRequest request;
    request.since = Position{kEpoch, id}.text();
    return subscribe(user, request);
  }
  void go_on(Feed& feed) {
    feed.reader->paused = false;
    resume_.notify();
  }

  void pass(absl::Duration time) { world_.run_to(world_.now() + time); }

  World world_;
  Process& process_;
  HandJobs& jobs_;
  HandDispatchers& dispatchers_;
  HandBridges& bridges_;
  base::Event& resume_;
  EventHub* events_ = nullptr;
  ProgressHub* progress_ = nullptr;
  Subscription::Config feed_config_;

 private:
  static base::Task<absl::Status> read(std::shared_ptr<Subscription> subscription, std::shared_ptr<Reader> reader,
                                       base::Event* resume) {
    for (;;) {
      while (reader->paused) {
        const absl::Time never = absl::InfiniteFuture();
        const absl::Status status = co_await resume->wait_until(never);
        if (!status.ok()) co_return status;
      }
      auto message = co_await subscription->next();
      if (!message.ok()) co_return message.status();
      if (!message->has_value()) break;
      reader->messages.push_back(**message);
    }
    reader->ended = true;
    co_return absl::OkStatus();
  }
};

}  // namespace renderyard::gateway
