// Holds a running prompt to its job's limits of running and of silence (domain/limits.h). When one has passed, that is
// written first and the server is asked to stop the prompt next; what comes of it is seen like any other end. A prompt
// that does not stop within Config::stop_grace is given up, and its instance gets no new work while it is there.
// Thread-safety: on the strand. The context outlives the watch.
#pragma once

#include <absl/status/status.h>
#include <absl/time/time.h>

#include "libs/common/domain/limits.h"
#include "services/bridge/execution_context.h"

namespace renderyard::bridge {

class LimitWatch {
 public:
  explicit LimitWatch(ExecutionContext& context);

  // Looks whether a limit has passed, and writes signs of life while silence counts. An error of the store is tried
  // again at look_at(). CANCELLED when the worker ends.
  base::Task<absl::Status> look();
  // By the local clock: when look() is due again.
  absl::Time look_at() const { return look_at_; }

  // A limit has passed, and the database knows: the prompt is to be stopped.
  bool passed() const { return passed_ != domain::PassedLimit::kNone; }
  // It was to be stopped, and has had its time to.
  bool overdue() const;
  ports::JobError error() const;

 private:
  domain::RunFacts facts() const;
  Connection* its_socket() const;
  void keep_sign();
  void listen_anew();
  void stop_by_grace();

  ExecutionContext& context_;
  Execution& execution_;
  base::Clock& clock_;
  domain::PassedLimit passed_ = domain::PassedLimit::kNone;
  absl::Time begun_;  // this process does not know who listened before
  absl::Time look_at_ = absl::InfinitePast();
  absl::Time give_up_at_ = absl::InfiniteFuture();
  absl::Time sign_kept_ = absl::InfinitePast();      // of last_heard_at, in the database
  absl::Time listened_anew_ = absl::InfinitePast();  // the socket was opened again, for the silence since then
};

}  // namespace renderyard::bridge
