// What all calls of one gRPC server share. Used by call.h.
// Thread-safety: on the strand, except post().
#pragma once

#include <absl/status/status.h>
#include <grpcpp/server_context.h>

#include <boost/asio/post.hpp>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <utility>

#include "libs/common/base/clock.h"
#include "libs/common/base/event.h"
#include "libs/common/base/journal.h"
#include "libs/common/base/strand.h"
#include "libs/common/base/task.h"

namespace renderyard::runtime {

class ServerCore {
 public:
  ServerCore(base::Strand& strand, base::Clock& clock, base::Journal& journal, absl::Duration default_deadline,
             int max_calls);

  base::Strand& strand() { return strand_; }
  base::Clock& clock() { return clock_; }

  // Any thread: runs on the strand, in the order of posting.
  template <class F>
  void post(F work) {
    boost::asio::post(strand_.executor(), std::move(work));
  }

  // Whether a call may begin: UNAVAILABLE, RESOURCE_EXHAUSTED, UNAUTHENTICATED.
  absl::Status admit(const grpc::CallbackServerContext& context) const;
  // When the call has to end, on our clock.
  absl::Time deadline(const grpc::CallbackServerContext& context) const;

  // A call lives from enter() to leave(); `cancel` ends it early.
  std::uint64_t enter(std::function<void()> cancel);
  void leave(std::uint64_t id);
  // UNAVAILABLE while stopping, `status` otherwise: a handler that we cancelled did not fail.
  absl::Status outcome(absl::Status status) const;

  void set_token(std::string token) { token_ = std::move(token); }
  void refuse_new() { draining_ = true; }
  void cancel_all();
  // Until no call lives.
  base::Task<absl::Status> wait_until_idle();

 private:
  base::Strand& strand_;
  base::Clock& clock_;
  base::Journal& journal_;
  absl::Duration default_deadline_;
  std::size_t max_calls_;
  std::string token_;
  bool draining_ = false;
  std::uint64_t next_id_ = 1;
  std::map<std::uint64_t, std::function<void()>> calls_;
  base::Event idle_;
};

}  // namespace renderyard::runtime
