#include "libs/common/runtime/grpc/server_core.h"

#include <absl/strings/str_cat.h>

#include <chrono>
#include <string_view>
#include <vector>

#include "libs/common/base/status_macros.h"
#include "libs/common/runtime/token.h"

namespace renderyard::runtime {

ServerCore::ServerCore(base::Strand& strand, base::Clock& clock, base::Journal& journal,
                       absl::Duration default_deadline, int max_calls)
    : strand_(strand),
      clock_(clock),
      journal_(journal),
      default_deadline_(default_deadline),
      max_calls_(static_cast<std::size_t>(max_calls)),
      idle_(strand, clock) {}

absl::Status ServerCore::admit(const grpc::CallbackServerContext& context) const {
  if (draining_) return absl::UnavailableError("shutting down");
  if (!token_.empty()) {
    const auto& metadata = context.client_metadata();
    const auto found = metadata.find("authorization");
    const bool trusted =
        found != metadata.end() && bears_token(std::string_view(found->second.data(), found->second.size()), token_);
    if (!trusted) return absl::UnauthenticatedError("no or wrong service token");
  }
  if (calls_.size() >= max_calls_) {
    journal_.warning("grpc_overloaded", {{"calls", calls_.size()}});
    return absl::ResourceExhaustedError(absl::StrCat("more than ", max_calls_, " calls at a time"));
  }
  return absl::OkStatus();
}

absl::Time ServerCore::deadline(const grpc::CallbackServerContext& context) const {
  const auto theirs = context.deadline();
  if (theirs == std::chrono::system_clock::time_point::max()) return clock_.now() + default_deadline_;
  return clock_.now() + absl::FromChrono(theirs - std::chrono::system_clock::now());
}

std::uint64_t ServerCore::enter(std::function<void()> cancel) {
  calls_.emplace(next_id_, std::move(cancel));
  return next_id_++;
}

void ServerCore::leave(std::uint64_t id) {
  calls_.erase(id);
  if (calls_.empty()) idle_.notify();
}

absl::Status ServerCore::outcome(absl::Status status) const {
  if (draining_ && absl::IsCancelled(status)) return absl::UnavailableError("shutting down");
  return status;
}

void ServerCore::cancel_all() {
  std::vector<std::uint64_t> ids;
  for (const auto& [id, cancel] : calls_) ids.push_back(id);
  for (const std::uint64_t id : ids) {
    const auto found = calls_.find(id);  // one that ends may end others
    if (found != calls_.end()) found->second();
  }
}

base::Task<absl::Status> ServerCore::wait_until_idle() {
  while (!calls_.empty()) {
    CO_RETURN_IF_ERROR(co_await idle_.wait_until(absl::InfiniteFuture()));
  }
  co_return absl::OkStatus();
}

}  // namespace renderyard::runtime
