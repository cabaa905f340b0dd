// Why an instance is in quarantine: no new work is placed there, what lives there is followed on. Set by the bridge
// that has its lease; lifted by itself when its cause is gone, or by an operator. Pure.
#pragma once

#include <array>
#include <optional>
#include <string_view>

namespace renderyard::domain {

enum class Quarantine {
  kWorkerDead,        // a prompt did not stop when it was told to: its worker still runs it, or is dead
  kPoisonedAdoption,  // an execution there was adopted again and again by bridges that did not live on
};
inline constexpr std::array kQuarantines = {Quarantine::kWorkerDead, Quarantine::kPoisonedAdoption};

// comfyui_instances.quarantine_reason.
std::string_view to_string(Quarantine reason);
std::optional<Quarantine> quarantine_from(std::string_view name);
// For people: what it means and what ends it.
std::string_view describe(Quarantine reason);

// Adoptions of one execution, each within kAdoptionGap after the one before, that make it poisoned: the adopter is
// likely to die of its messages. The database counts them (executions.adoption_run).
inline constexpr int kPoisonedRun = 3;
inline constexpr int kAdoptionGapSecs = 300;

}  // namespace renderyard::domain
