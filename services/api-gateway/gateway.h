// The api-gateway's logic: who may do what with which job, and the live feeds. No HTTP here: http/ and ws/ are one door
// to it, the simulation's clients are another. Runs on ports only.
//
// Rights: users see and cancel their own jobs, admins all. What is not visible is `not_found`; cancelling another
// user's job is `forbidden`. Thread-safety: on the strand. Ownership: the ports outlive the gateway, feeds are not read
// after it is gone.
#pragma once

#include <absl/functional/any_invocable.h>
#include <absl/status/status.h>
#include <absl/time/time.h>

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "libs/common/base/clock.h"
#include "libs/common/base/group.h"
#include "libs/common/base/journal.h"
#include "libs/common/base/random.h"
#include "libs/common/base/strand.h"
#include "libs/common/ports/artifact_store.h"
#include "libs/common/ports/hints.h"
#include "libs/common/ports/job_store.h"
#include "libs/common/ports/peers.h"
#include "services/api-gateway/auth_cache.h"
#include "services/api-gateway/event_hub.h"
#include "services/api-gateway/feed.h"
#include "services/api-gateway/problem.h"
#include "services/api-gateway/progress_hub.h"
#include "services/api-gateway/subscription.h"

namespace renderyard::gateway {

struct Deps {
  base::Strand& strand;
  base::Clock& clock;
  base::Random& random;
  base::Journal& journal;
  ports::JobStore& store;
  ports::BridgeClient& bridges;
  ports::DispatcherClient& dispatchers;
  ports::Hints& hints;
  ports::ArtifactStore& artifacts;
};

struct Config {
  std::vector<std::string> dispatcher_addresses;   // at least one
  std::size_t max_body_bytes = 100 * 1024 * 1024;  // of a request
  absl::Duration auth_ttl = absl::Seconds(1);      // how long a revoked token may still work
  std::size_t auth_entries = 4096;
  Subscription::Config feed;
  EventHub::Config events;  // addresses are taken from above
  ProgressHub::Config progress;
};

// A job as a path names it: its number or its UUID.
using JobRef = std::variant<ports::JobId, std::string>;
// nullopt when the text can be neither.
std::optional<JobRef> parse_job_ref(std::string_view text);

struct Submitted {
  ports::JobId id;
  std::string body;       // JSON object of the job, without parameters
  bool replayed = false;  // the Idempotency-Key was seen before with the same body
};

struct ListRequest {
  std::optional<ports::JobStatus> status;
  std::optional<ports::JobId> before;
  int limit = 100;
  int offset = 0;
};

struct OpenOutput {
  ports::OutputRow row;
  std::unique_ptr<ports::BlobReader> blob;
};

class Gateway {
 public:
  Gateway(Deps deps, Config config);

  // Runs until stop(); OK then.
  base::Task<absl::Status> run();
  // Ends run() and all feeds (with `unavailable`: reconnect with the last position).
  void stop();

  const Config& config() const { return config_; }

  // unauthenticated, unavailable.
  base::Task<Answer<ports::User>> authenticate(std::string token);

  // The job is durable when this answers. unavailable: it may have been stored all the same; with an Idempotency-Key
  // the same request can be repeated safely.
  base::Task<Answer<Submitted>> submit(ports::User user, std::string body, std::optional<std::string> idempotency_key);
  // JSON texts of the answers.
  base::Task<Answer<std::string>> get(ports::User user, JobRef job);
  base::Task<Answer<std::string>> list(ports::User user, ListRequest request);
  base::Task<Answer<std::string>> outputs(ports::User user, JobRef job);
  base::Task<Answer<OpenOutput>> open_output(ports::User user, JobRef job, int n);
  // The wish is durable; it may come too late all the same. Repeatable. already_ended: completed or failed.
  base::Task<Answer<ports::CancelOutcome>> cancel(ports::User user, JobRef job);

  // forbidden: "all" is for admins.
  Answer<std::shared_ptr<Subscription>> subscribe(ports::User user, SubscribeRequest request);

  // For /healthz: {"status":"ok"|"degraded","parts":{…}}.
  std::string health() const;
  // Called when the lifecycle events can be followed (true) and when no dispatcher answers any more (false).
  void on_following_events(absl::AnyInvocable<void(bool)> observer) { events_.on_following(std::move(observer)); }

 private:
  base::Task<Answer<ports::JobRow>> find(JobRef job);
  base::Task<Answer<ports::JobRow>> find_visible(ports::User user, JobRef job);
  base::Task<Answer<Submitted>> store_job(ports::NewJob job);
  base::Task<Answer<Submitted>> answer_replay(ports::JobId id);
  Problem store_problem(std::string_view what, const absl::Status& status) const;
  void add_progress(ports::JobRow& row) const;

  Deps deps_;
  Config config_;
  AuthCache auth_;
  EventHub events_;
  ProgressHub progress_;
  base::Group group_;
  bool stopped_ = false;
  std::vector<std::weak_ptr<Subscription>> feeds_;
};

}  // namespace renderyard::gateway
