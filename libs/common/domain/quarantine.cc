#include "libs/common/domain/quarantine.h"

namespace renderyard::domain {

std::string_view to_string(Quarantine reason) {
  switch (reason) {
    case Quarantine::kWorkerDead:
      return "worker_dead";
    case Quarantine::kPoisonedAdoption:
      return "poisoned_adoption";
  }
  return "worker_dead";
}

std::optional<Quarantine> quarantine_from(std::string_view name) {
  for (const Quarantine reason : kQuarantines) {
    if (to_string(reason) == name) return reason;
  }
  return std::nullopt;
}

std::string_view describe(Quarantine reason) {
  switch (reason) {
    case Quarantine::kWorkerDead:
      return "a prompt did not stop when it was told to; ends when the prompt is gone, or restart the server";
    case Quarantine::kPoisonedAdoption:
      return "bridges died again and again after they had adopted an execution; ends when that execution does";
  }
  return {};
}

}  // namespace renderyard::domain
