#include "services/bridge/collecting.h"

#include <algorithm>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "libs/common/base/event.h"
#include "libs/common/base/group.h"
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
  Collector(ExecutionContext context, std::optional<ports::Advance> succeeded)
      : context_(std::move(context)),
        execution_(*context_.execution),
        deps_(context_.deps),
        succeeded_(std::move(succeeded)),
        copied_(deps_.strand, deps_.clock),
        give_up_at_(deps_.clock.now() + context_.config.fetch_budget) {
    if (succeeded_) {
      execution_.row.heard_outputs = succeeded_->heard_outputs;
      execution_.row.prompt_ended_at = succeeded_->prompt_ended_at;
    }
    list_outputs();
    learn_writers();
    keep_turn_by_files(context_, in_danger());
  }

  base::Task<absl::Status> run() {
    base::Group beside(deps_.strand);
    if (succeeded_) beside.spawn_isolated(say_collecting());
    const absl::Status copied = co_await copy_all();
    copied_.notify();
    CO_RETURN_IF_ERROR(co_await beside.join());
    CO_RETURN_IF_ERROR(said_);
    if (absl::IsCancelled(copied)) co_return copied;
    if (not_ours_ || domain::is_final(execution_.row.state)) co_return absl::OkStatus();
    if (!copied.ok()) co_return co_await failed(copied);
    co_return co_await complete();
  }

 private:
  void list_outputs() {
    const std::string outputs_json = execution_.row.heard_outputs.value_or("{}");
    const std::set<std::string> socket_nodes = domain::socket_picture_nodes(execution_.workflow);
    for (const domain::KeptPicture& picture : domain::pictures_in(outputs_json, socket_nodes)) {
      add(row_of({picture.node_id, "images", picture.filename, {}, {}}, {picture.sha256, picture.size_bytes},
                 "image/png"));
    }
    has_pictures_ = !rows_.empty();
    for (domain::OutputFile& file : domain::output_files(outputs_json)) {
      if (file.type == "input") continue;                 // named by the node, not made by it
      if (socket_nodes.contains(file.node_id)) continue;  // stored when it was heard
      files_.push_back(std::move(file));
    }
  }

  // What else writes like them is known from now on.
  void learn_writers() {
    const std::string id = to_string(execution_.row.id);
    for (const domain::OutputFile& file : files_) {
      const domain::WorkflowNode* node = domain::node_behind(execution_.workflow, file.node_id);
      if (node != nullptr && domain::overwritable(file, id)) context_.name_turns.saw_writer(node->class_type);
    }
  }

  // May the slot's next prompt write over one of our files?
  bool in_danger() const {
    const std::string id = to_string(execution_.row.id);
    return std::any_of(files_.begin(), files_.end(),
                       [&](const domain::OutputFile& file) { return domain::overwritable(file, id); });
  }

  // Copying that is not over within a moment is shown, and the slot freed meanwhile; but not while a file is there that
  // the slot's next prompt may write over. Pictures of the socket are known to this process alone until it is written.
  base::Task<absl::Status> say_collecting() {
    const absl::Duration quietly = has_pictures_ ? absl::ZeroDuration() : context_.config.collect_quietly;
    const absl::Time deadline = deps_.clock.now() + quietly;
    const absl::Status rested = co_await copied_.wait_until(deadline);
    if (!absl::IsDeadlineExceeded(rested)) co_return rested;
    if (!has_pictures_ && in_danger()) {
      ports::HeardWrite heard;
      heard.end = succeeded_->heard_end;
      heard.outputs = succeeded_->heard_outputs;
      heard.whole = true;
      heard.prompt_ended_at = succeeded_->prompt_ended_at;
      // Only so that a history wiped meanwhile costs nothing if we die; the copying is what counts.
      co_return co_await deps_.executions.record_heard(execution_.row.id, context_.lease.epoch, std::move(heard));
    }
    auto moved = co_await persist(context_, *std::move(succeeded_));
    said_ = moved.status();
    not_ours_ = moved.ok() && !*moved;
    // What was told of the prompt before is forgotten with this step; what holds its outputs up is not over.
    if (moved.ok() && *moved && !execution_.held_up_by.empty()) report_progress(context_);
    co_return absl::OkStatus();
  }

  base::Task<absl::Status> copy_all() {
    for (domain::OutputFile& file : files_) {
      auto row = co_await copy(file);
      if (!row.ok()) {
        failed_file_ = std::move(file);
        co_return row.status();
      }
      add(*std::move(row));
    }
    co_return absl::OkStatus();
  }

  void add(ports::OutputRow row) {
    row.n = static_cast<int>(rows_.size());
    rows_.push_back(std::move(row));
  }

  // One file into the store, tried again while that can help.
  base::Task<absl::StatusOr<ports::OutputRow>> copy(domain::OutputFile file) {
    int missing = 0;
    const absl::Time lost_at = deps_.clock.now() + context_.config.truncated_patience;
    first_version_.reset();
    for (int attempt = 1;; ++attempt) {
      store_error_ = absl::OkStatus();
      auto row = co_await copy_once(file);
      if (row.ok()) {
        tell_held_up(context_, {});
        co_return row;
      }
      const absl::Status& status = row.status();
      const bool store_away = !store_error_.ok();
      if (absl::IsCancelled(status) || overwritten_) co_return status;
      if (not_ours_ || !said_.ok() || execution_.given_up()) co_return absl::CancelledError("not ours any more");
      // Once it may be a proxy whose server is just being started.
      if (absl::IsNotFound(status) && !store_away && ++missing >= 2) co_return status;
      // A line that breaks, or a server that promises more than it has.
      if (absl::IsDataLoss(status) && attempt >= 3 && deps_.clock.now() >= lost_at) co_return status;
      // The store full or away is waited for without end: the render is done and must not be thrown away.
      if (!store_away && deps_.clock.now() >= give_up_at_) co_return status;
      deps_.journal.warning("collecting_waits", {{base::key::kExecution, execution_.row.id},
                                                 {"store_away", store_away},
                                                 {base::key::kReason, status.ToString()}});
      tell_held_up(context_, store_away ? store_trouble(store_error_)
                                        : std::string("outputs wait: the instance does not deliver them"));
      const absl::Duration pause = domain::retry_pause(attempt, deps_.random);
      CO_RETURN_IF_ERROR(co_await deps_.clock.sleep_for(pause));
    }
  }

  base::Task<absl::StatusOr<ports::OutputRow>> copy_once(const domain::OutputFile& file) {
    ASSIGN_OR_CO_RETURN(const std::unique_ptr<ports::BlobWriter> writer, co_await of_store(deps_.artifacts.create()));
    const absl::Time deadline = deps_.clock.now() + context_.config.fetch_deadline;
    domain::OutputFile wanted = file;
    ports::ByteSink sink = sink_into(*writer);
    ports::FetchBegun begun = [this](const ports::FileVersion& version) {
      if (!first_version_) first_version_ = version;
    };
    ASSIGN_OR_CO_RETURN(ports::FetchedFile fetched,
                        co_await context_.comfy.fetch(std::move(wanted), std::move(sink), std::move(begun), deadline));
    if (!first_version_) first_version_ = fetched.version;
    CO_RETURN_IF_ERROR(co_await still_ours(file, fetched.version, *first_version_));
    ASSIGN_OR_CO_RETURN(const ports::StoredBlob blob, co_await of_store(writer->finish()));
    deps_.observer.collected(blob.size_bytes);
    co_return row_of(file, blob, std::move(fetched.content_type));
  }

  // What the store answers, in time. Only one that does nothing for long is called away, however slow it is.
  template <class T>
  base::Task<absl::StatusOr<T>> of_store(base::Task<absl::StatusOr<T>> call) {
    const absl::Time deadline = deps_.clock.now() + context_.config.store_patience;
    absl::StatusOr<T> answer = co_await base::with_deadline(deps_.strand, deps_.clock, std::move(call), deadline);
    if (!answer.ok() && !absl::IsCancelled(answer.status())) store_error_ = answer.status();
    co_return answer;
  }

  ports::ByteSink sink_into(ports::BlobWriter& writer) {
    return [this, &writer](std::string chunk) { return write(writer, std::move(chunk)); };
  }

  base::Task<absl::Status> write(ports::BlobWriter& writer, std::string chunk) {
    const absl::Time deadline = deps_.clock.now() + context_.config.store_patience;
    base::Task<absl::Status> writing = writer.write(std::move(chunk));
    const absl::Status status = co_await base::with_deadline(deps_.strand, deps_.clock, std::move(writing), deadline);
    if (!status.ok() && !absl::IsCancelled(status)) store_error_ = status;
    co_return status;
  }

  // Names on the instance are not ours: what was copied must be what the prompt left there, from the first byte to the
  // last.
  base::Task<absl::Status> still_ours(domain::OutputFile file, ports::FileVersion begun, ports::FileVersion first) {
    if (first.changed_to(begun) || domain::written_after_end(begun.modified_at, execution_.row.prompt_ended_at)) {
      overwritten_ = true;
      co_return absl::FailedPreconditionError("it was written again after the prompt had ended");
    }
    if (!domain::overwritable(file, to_string(execution_.row.id))) co_return absl::OkStatus();
    const absl::Time deadline = deps_.clock.now() + context_.config.request_deadline;
    auto now = co_await context_.comfy.version(std::move(file), deadline);
    if (absl::IsNotFound(now.status())) co_return absl::OkStatus();  // deleted since, which changes nothing
    if (!now.ok()) co_return now.status();
    if (!begun.changed_to(*now)) co_return absl::OkStatus();
    overwritten_ = true;
    co_return absl::FailedPreconditionError("it was written again while it was copied");
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

  base::Task<absl::Status> failed(absl::Status why) {
    ports::Advance step =
        failed_with(overwritten_ ? domain::code::kOutputOverwritten : domain::code::kOutputMissing,
                    "output file \"" + failed_file_.filename + "\" of node " + failed_file_.node_id +
                        (overwritten_ ? " was overwritten: " : " could not be had from the instance: ") +
                        std::string(base::to_std(why.message())),
                    failed_file_.node_id);
    step.started = true;
    auto moved = co_await persist(context_, std::move(step));
    co_return moved.status();
  }

  base::Task<absl::Status> complete() {
    const std::string result = R"({"outputs":)" + execution_.row.heard_outputs.value_or("{}") + R"(,"outputs_from":")" +
                               execution_.outputs_from + "\"}";
    // As in persist(): from this write on nobody shall hear progress of it.
    context_.outlets.forget(execution_.row.id);
    for (int attempt = 1;; ++attempt) {
      auto done = co_await deps_.executions.complete(execution_.row.id, context_.lease.epoch, rows_, result);
      if (done.ok() && *done) break;
      if (done.ok()) {
        deps_.journal.warning("fence_lost", {{base::key::kExecution, execution_.row.id},
                                             {base::key::kEpoch, context_.lease.epoch},
                                             {base::key::kState, domain::to_string(ExecutionState::kCompleted)}});
        co_return absl::OkStatus();
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
    execution_.row.state = ExecutionState::kCompleted;
    execution_.outputs = rows_;
    deps_.journal.info("execution_completed", {{base::key::kExecution, execution_.row.id},
                                               {base::key::kJob, execution_.row.job_id},
                                               {"files", rows_.size()}});
    deps_.hints.send(ports::Topic::kExecutions);
    co_return absl::OkStatus();
  }

  ExecutionContext context_;
  Execution& execution_;
  Deps& deps_;
  std::optional<ports::Advance> succeeded_;
  base::Event copied_;
  absl::Status said_;                      // of writing `collecting`
  bool not_ours_ = false;                  // its fence did not hold
  std::vector<ports::OutputRow> rows_;     // stored
  bool has_pictures_ = false;              // of the socket
  std::vector<domain::OutputFile> files_;  // to be copied
  domain::OutputFile failed_file_;         // that the copying ended at
  absl::Time give_up_at_;
  absl::Status store_error_;                         // of the attempt under way
  std::optional<ports::FileVersion> first_version_;  // of the file's first attempt that brought a byte of it
  bool overwritten_ = false;
};

}  // namespace

base::Task<absl::Status> collect(ExecutionContext context, std::optional<ports::Advance> succeeded) {
  Collector collector(std::move(context), std::move(succeeded));
  co_return co_await collector.run();
}

}  // namespace renderyard::bridge
