#include "services/bridge/collecting.h"

#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "libs/common/base/json.h"
#include "libs/common/base/status_macros.h"
#include "libs/common/domain/backoff.h"
#include "libs/common/domain/error_code.h"
#include "libs/common/domain/output_files.h"
#include "libs/common/domain/socket_pictures.h"

namespace renderyard::bridge {

namespace {

using domain::ExecutionState;

class Collector {
 public:
  explicit Collector(ExecutionContext context)
      : context_(std::move(context)),
        execution_(*context_.execution),
        deps_(context_.deps),
        give_up_at_(deps_.clock.now() + context_.config.fetch_budget) {}

  base::Task<absl::Status> run() {
    const std::string outputs_json = execution_.row.heard_outputs.value_or("{}");
    const std::set<std::string> socket_nodes = domain::socket_picture_nodes(execution_.workflow);
    std::vector<ports::OutputRow> rows;
    for (const domain::KeptPicture& picture : domain::pictures_in(outputs_json, socket_nodes)) {
      rows.push_back(row_of({picture.node_id, "images", picture.filename, {}, {}}, {picture.sha256, picture.size_bytes},
                            "image/png"));
      rows.back().n = static_cast<int>(rows.size()) - 1;
    }
    for (domain::OutputFile& file : domain::output_files(outputs_json)) {
      if (file.type == "input") continue;                 // named by the node, not made by it
      if (socket_nodes.contains(file.node_id)) continue;  // stored when it was heard
      auto row = co_await copy(file);
      if (absl::IsCancelled(row.status())) co_return row.status();
      if (!row.ok()) co_return co_await failed(file, row.status());
      row->n = static_cast<int>(rows.size());
      rows.push_back(*std::move(row));
    }
    co_return co_await complete(std::move(rows), outputs_json);
  }

 private:
  // One file into the store, tried again while that can help.
  base::Task<absl::StatusOr<ports::OutputRow>> copy(domain::OutputFile file) {
    int truncated = 0;
    std::optional<ports::FileVersion> first;  // of an attempt that read the file and did not come to its end
    for (int attempt = 1;; ++attempt) {
      auto writer = co_await deps_.artifacts.create();
      absl::Status status = writer.status();
      bool store_away = !status.ok();
      if (status.ok()) {
        store_error_ = absl::OkStatus();
        const absl::Time deadline = deps_.clock.now() + context_.config.fetch_deadline;
        auto sink = sink_into(**writer);
        auto fetched = co_await context_.comfy.fetch(file, std::move(sink), deadline);
        status = fetched.status();
        store_away = !store_error_.ok();
        if (fetched.ok()) {
          if (!first) first = fetched->version;
          status = co_await still_ours(file, fetched->version, *first);
        }
        if (status.ok()) {
          auto blob = co_await (*writer)->finish();
          if (blob.ok()) co_return row_of(file, *blob, fetched->content_type);
          status = blob.status();
          store_away = true;
        }
      }
      if (absl::IsCancelled(status) || overwritten_) co_return status;
      if (absl::IsNotFound(status) && !store_away) co_return status;
      if (absl::IsDataLoss(status) && ++truncated >= 3) co_return status;
      // The store full or away is waited for without end: the render is done and must not be thrown away.
      if (!store_away && deps_.clock.now() >= give_up_at_) co_return status;
      deps_.journal.warning("collecting_waits", {{base::key::kExecution, execution_.row.id},
                                                 {"store_away", store_away},
                                                 {base::key::kReason, status.ToString()}});
      const absl::Duration pause = domain::retry_pause(attempt, deps_.random);
      CO_RETURN_IF_ERROR(co_await deps_.clock.sleep_for(pause));
    }
  }

  // Names on the instance are not ours: what was copied must be what the prompt left there, from the first byte to the
  // last.
  base::Task<absl::Status> still_ours(domain::OutputFile file, ports::FileVersion begun, ports::FileVersion first) {
    if (first.changed_to(begun) || domain::written_after_end(begun.modified_at, execution_.row.prompt_ended_at)) {
      overwritten_ = true;
      co_return absl::FailedPreconditionError("it was written again after the prompt had ended");
    }
    const absl::Time deadline = deps_.clock.now() + context_.config.request_deadline;
    auto now = co_await context_.comfy.version(std::move(file), deadline);
    if (absl::IsNotFound(now.status())) co_return absl::OkStatus();  // deleted since, which changes nothing
    if (!now.ok()) co_return now.status();
    if (!begun.changed_to(*now)) co_return absl::OkStatus();
    overwritten_ = true;
    co_return absl::FailedPreconditionError("it was written again while it was copied");
  }

  absl::AnyInvocable<absl::Status(std::string_view)> sink_into(ports::BlobWriter& writer) {
    return [this, &writer](std::string_view chunk) {
      absl::Status status = writer.write(chunk);
      if (!status.ok()) store_error_ = status;
      return status;
    };
  }

  ports::OutputRow row_of(const domain::OutputFile& file, const ports::StoredBlob& blob,
                          std::string content_type) const {
    ports::OutputRow row;
    row.job_id = execution_.row.job_id;
    row.execution_id = execution_.row.id;
    row.node_id = file.node_id;
    row.kind = file.kind;
    row.filename = file.filename;
    row.content_type = std::move(content_type);
    row.size_bytes = blob.size_bytes;
    row.sha256 = blob.sha256;
    return row;
  }

  base::Task<absl::Status> failed(const domain::OutputFile& file, const absl::Status& why) {
    ports::Advance step =
        failed_with(overwritten_ ? domain::code::kOutputOverwritten : domain::code::kOutputMissing,
                    "output file \"" + file.filename + "\" of node " + file.node_id +
                        (overwritten_ ? " was overwritten: " : " could not be had from the instance: ") +
                        std::string(base::to_std(why.message())),
                    file.node_id);
    auto moved = co_await persist(context_, std::move(step));
    co_return moved.status();
  }

  base::Task<absl::Status> complete(std::vector<ports::OutputRow> rows, const std::string& outputs_json) {
    const std::string result =
        R"({"outputs":)" + outputs_json + R"(,"outputs_from":")" + execution_.outputs_from + "\"}";
    for (int attempt = 1;; ++attempt) {
      auto done = co_await deps_.executions.complete(execution_.row.id, context_.lease.epoch, rows, result);
      if (done.ok()) {
        if (*done) execution_.row.state = ExecutionState::kCompleted;
        break;
      }
      if (absl::IsCancelled(done.status())) co_return done.status();
      if (absl::IsInvalidArgument(done.status())) {
        ports::Advance step =
            failed_with(domain::code::kResultUnstorable, "the database refuses the result of the prompt");
        auto moved = co_await persist(context_, std::move(step));
        co_return moved.status();
      }
      // complete() may be repeated: it is harmless when it happened.
      const absl::Duration pause = domain::retry_pause(attempt, deps_.random);
      CO_RETURN_IF_ERROR(co_await deps_.clock.sleep_for(pause));
    }
    deps_.journal.info(
        "execution_completed",
        {{base::key::kExecution, execution_.row.id}, {base::key::kJob, execution_.row.job_id}, {"files", rows.size()}});
    deps_.hints.send(ports::Topic::kExecutions);
    co_return absl::OkStatus();
  }

  ExecutionContext context_;
  Execution& execution_;
  Deps& deps_;
  absl::Time give_up_at_;
  absl::Status store_error_;
  bool overwritten_ = false;
};

}  // namespace

base::Task<absl::Status> collect(ExecutionContext context) {
  Collector collector(std::move(context));
  co_return co_await collector.run();
}

}  // namespace renderyard::bridge
