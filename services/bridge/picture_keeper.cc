#include "services/bridge/picture_keeper.h"

#include <absl/strings/str_format.h>

#include <algorithm>
#include <utility>

#include "libs/common/base/group.h"
#include "libs/common/base/status_macros.h"
#include "libs/common/domain/backoff.h"

namespace renderyard::bridge {

absl::Time PictureKeeper::due() const {
  return context_.execution->pictures.waiting() ? next_try_ : absl::InfiniteFuture();
}

base::Task<absl::Status> PictureKeeper::keep() {
  base::Clock& clock = context_.deps.clock;
  while (context_.execution->pictures.waiting() && clock.now() >= next_try_) {
    const absl::Status status = co_await keep_one();
    if (absl::IsCancelled(status)) co_return status;
    if (status.ok()) {
      failures_ = 0;
      tell_held_up(context_, {});
      continue;
    }
    next_try_ = clock.now() + domain::retry_pause(++failures_, context_.deps.random);
    context_.deps.journal.warning("collecting_waits", {{base::key::kExecution, context_.execution->row.id},
                                                       {"store_away", true},
                                                       {base::key::kReason, status.ToString()}});
    tell_held_up(context_, store_trouble(status));
  }
  co_return absl::OkStatus();
}

base::Task<absl::Status> PictureKeeper::keep_all() {
  while (context_.execution->pictures.waiting()) {
    CO_RETURN_IF_ERROR(co_await keep());
    const absl::Time next = due();
    if (next == absl::InfiniteFuture()) break;
    CO_RETURN_IF_ERROR(co_await context_.deps.clock.sleep_until(next));
  }
  co_return absl::OkStatus();
}

base::Task<absl::StatusOr<ports::StoredBlob>> PictureKeeper::store(std::string png) {
  ASSIGN_OR_CO_RETURN(const std::unique_ptr<ports::BlobWriter> writer, co_await context_.deps.artifacts.create());
  CO_RETURN_IF_ERROR(co_await writer->write(std::move(png)));
  co_return co_await writer->finish();
}

base::Task<absl::Status> PictureKeeper::keep_one() {
  domain::SocketPictures& pictures = context_.execution->pictures;
  std::string png = pictures.front().png;
  base::Task<absl::StatusOr<ports::StoredBlob>> storing = store(std::move(png));
  const absl::Time deadline = context_.deps.clock.now() + context_.config.store_patience;
  ASSIGN_OR_CO_RETURN(ports::StoredBlob blob, co_await base::with_deadline(context_.deps.strand, context_.deps.clock,
                                                                           std::move(storing), deadline));
  domain::KeptPicture kept;
  kept.node_id = pictures.front().node_id;
  kept.filename = absl::StrFormat("websocket_%05d.png", ++numbers_[kept.node_id]);
  kept.sha256 = std::move(blob.sha256);
  kept.size_bytes = blob.size_bytes;
  context_.deps.observer.collected(blob.size_bytes);
  kept_.push_back(std::move(kept));
  pictures.pop();
  co_return absl::OkStatus();
}

std::string PictureKeeper::outputs_with(std::string_view outputs_json) const {
  const domain::SocketPictures& pictures = context_.execution->pictures;
  if (pictures.nodes().empty()) return std::string(outputs_json);
  return domain::with_pictures(outputs_json, pictures.nodes(), kept_);
}

}  // namespace renderyard::bridge
