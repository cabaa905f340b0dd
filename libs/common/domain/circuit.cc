#include "libs/common/domain/circuit.h"

#include <absl/strings/ascii.h>
#include <absl/strings/match.h>

#include <algorithm>
#include <utility>

#include "libs/common/domain/error_code.h"

namespace renderyard::domain {

namespace {

struct Sign {
  enum class In { kType, kMessage };
  In in;
  std::string_view part;  // lower case
  Blame blame;
};

using In = Sign::In;

// The first that matches counts: "CUDA error: out of memory" is about memory. exception_type is a Python class, with
// its module for all but built-in ones (torch.cuda.OutOfMemoryError, torch.OutOfMemoryError since 2.5).
constexpr Sign kSigns[] = {
    {In::kType, "outofmemoryerror", Blame::kMemory},
    {In::kType, "memoryerror", Blame::kMemory},
    {In::kMessage, "out of memory", Blame::kMemory},
    {In::kMessage, "allocation on device", Blame::kMemory},
    {In::kMessage, "not enough memory", Blame::kMemory},
    {In::kMessage, "cannot allocate memory", Blame::kMemory},
    {In::kMessage, "can't allocate memory", Blame::kMemory},
    {In::kMessage, "unable to allocate", Blame::kMemory},
    {In::kMessage, "status_alloc_failed", Blame::kMemory},  // CUBLAS_, CUDNN_
    {In::kType, "torch.acceleratorerror", Blame::kDevice},
    {In::kMessage, "cuda error", Blame::kDevice},
    {In::kMessage, "cuda driver", Blame::kDevice},
    {In::kMessage, "cuda-capable device", Blame::kDevice},
    {In::kMessage, "no cuda gpus are available", Blame::kDevice},
    {In::kMessage, "not compiled with cuda", Blame::kDevice},
    {In::kMessage, "device-side assert", Blame::kDevice},
    {In::kMessage, "illegal memory access", Blame::kDevice},
    {In::kMessage, "no kernel image is available", Blame::kDevice},
    {In::kMessage, "cublas_status_", Blame::kDevice},
    {In::kMessage, "cudnn_status_", Blame::kDevice},
    {In::kMessage, "cudnn error", Blame::kDevice},
    {In::kMessage, "nccl error", Blame::kDevice},
    {In::kMessage, "nvml", Blame::kDevice},
    {In::kMessage, "hip error", Blame::kDevice},
    {In::kMessage, "mps backend", Blame::kDevice},
    {In::kMessage, "no space left on device", Blame::kDisk},
    {In::kMessage, "[errno 28]", Blame::kDisk},
    {In::kMessage, "[errno 122]", Blame::kDisk},  // quota
    {In::kMessage, "read-only file system", Blame::kDisk},
    {In::kMessage, "[errno 5] input/output error", Blame::kDisk},
    {In::kMessage, "too many open files", Blame::kServer},
    {In::kMessage, "can't start new thread", Blame::kServer},
};

constexpr std::size_t kMostReason = 300;  // bytes

// At most kMostReason of it, no character cut in two.
std::string_view beginning_of(std::string_view message) {
  if (message.size() <= kMostReason) return message;
  std::size_t end = kMostReason;
  while (end > 0 && (static_cast<unsigned char>(message[end]) & 0xC0U) == 0x80U) --end;
  return message.substr(0, end);
}

}  // namespace

Blame blame_of(std::string_view exception_type, std::string_view message) {
  const std::string type = absl::AsciiStrToLower(absl::string_view(exception_type.data(), exception_type.size()));
  const std::string text = absl::AsciiStrToLower(absl::string_view(message.data(), message.size()));
  for (const Sign& sign : kSigns) {
    const std::string& where = sign.in == In::kType ? type : text;
    if (where.find(sign.part) != std::string::npos) return sign.blame;
  }
  return Blame::kWorkflow;
}

std::string_view code_of(Blame blame) {
  switch (blame) {
    case Blame::kWorkflow:
      return code::kNodeError;
    case Blame::kMemory:
      return code::kOutOfMemory;
    case Blame::kDevice:
    case Blame::kDisk:
    case Blame::kServer:
      return code::kInstanceFault;
  }
  return code::kNodeError;
}

std::string_view to_string(Blame blame) {
  switch (blame) {
    case Blame::kWorkflow:
      return "workflow";
    case Blame::kMemory:
      return "memory";
    case Blame::kDevice:
      return "device";
    case Blame::kDisk:
      return "disk";
    case Blame::kServer:
      return "server";
  }
  return "workflow";
}

CircuitState state_of(const Circuit& circuit, absl::Time now) {
  if (!circuit.open_until) return CircuitState::kClosed;
  return now < *circuit.open_until ? CircuitState::kOpen : CircuitState::kHalfOpen;
}

std::string_view to_string(CircuitState state) {
  switch (state) {
    case CircuitState::kClosed:
      return "closed";
    case CircuitState::kOpen:
      return "open";
    case CircuitState::kHalfOpen:
      return "half_open";
  }
  return "closed";
}

Circuit after_success() {
  return {};
}

Circuit after_fault(Circuit before, Blame blame, std::string_view message, base::JobId job, absl::Time now,
                    base::Random& random) {
  if (blame == Blame::kWorkflow) return before;
  if (blame == Blame::kMemory && job == before.last_job) return before;
  const CircuitState state = state_of(before, now);
  Circuit after = std::move(before);
  ++after.faults;
  after.last_job = job;
  after.reason = std::string(to_string(blame)) + ": " + std::string(beginning_of(message));
  const bool opens =
      state == CircuitState::kHalfOpen || (state == CircuitState::kClosed && after.faults >= kFaultsToOpen);
  if (!opens) return after;
  ++after.openings;
  const absl::Duration longest = open_for(after.openings);
  after.open_until = now + longest / 2 + random.jitter(longest / 2);
  return after;
}

absl::Duration open_for(int opening) {
  const int doublings = std::clamp(opening - 1, 0, 10);
  return std::min(absl::Seconds(30) * (1 << doublings), absl::Minutes(10));
}

}  // namespace renderyard::domain
