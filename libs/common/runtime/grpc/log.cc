#include "libs/common/runtime/grpc/log.h"

#include <grpc/support/log.h>

#include <string_view>

#include "libs/common/base/mutex.h"

namespace renderyard::runtime {

namespace {

// gRPC's hook is a plain function, so this is process state.
base::Mutex& log_mutex() {
  static base::Mutex mutex;
  return mutex;
}

base::Journal* log_target = nullptr;

void write(gpr_log_func_args* args) {
  base::MutexLock lock(log_mutex());
  if (log_target == nullptr) return;
  const auto severity = args->severity == GPR_LOG_SEVERITY_ERROR  ? base::Severity::kWarning
                        : args->severity == GPR_LOG_SEVERITY_INFO ? base::Severity::kInfo
                                                                  : base::Severity::kDebug;
  std::string_view file(args->file);
  if (const auto slash = file.rfind('/'); slash != std::string_view::npos) file.remove_prefix(slash + 1);
  log_target->record(severity, "grpc_log",
                     {{"message", args->message}, {"file", file}, {"line", static_cast<std::int64_t>(args->line)}});
}

}  // namespace

void route_grpc_log(base::Journal* journal) {
  base::MutexLock lock(log_mutex());
  log_target = journal;
  gpr_set_log_function(write);
}

}  // namespace renderyard::runtime
