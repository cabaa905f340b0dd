// The circuit breaker: whose fault a failure is, as a table over what servers really say, and every state x event.
#include "libs/common/domain/circuit.h"

#include <gtest/gtest.h>

#include <string>

#include "libs/common/domain/error_code.h"
#include "libs/common/domain/quarantine.h"

namespace renderyard::domain {
namespace {

const absl::Time kNow = absl::FromUnixSeconds(1'700'000'000);
const base::JobId kJob{1};

class CircuitTest : public ::testing::Test {
 protected:
  Circuit fault(Circuit before, Blame blame = Blame::kDevice, std::int64_t job = 1, absl::Time now = kNow) {
    return after_fault(std::move(before), blame, "why", base::JobId{job}, now, random_);
  }
  // Three faults of the GPU.
  Circuit opened() { return fault(fault(fault({}))); }

  base::SplitMix random_{7};
};

TEST(BlameTest, IsToldFromTypeAndMessage) {
  struct Case {
    const char* type;
    const char* message;
    Blame blame;
  };
  const Case cases[] = {
      {"torch.cuda.OutOfMemoryError", "CUDA out of memory. Tried to allocate 2.00 GiB", Blame::kMemory},
      {"torch.OutOfMemoryError", "Allocation on device \nThis error means you ran out of memory", Blame::kMemory},
      {"MemoryError", "", Blame::kMemory},
      {"numpy._core._exceptions._ArrayMemoryError", "Unable to allocate 8.00 GiB", Blame::kMemory},
      {"RuntimeError", "CUDA error: out of memory\nCUDA kernel errors might be reported later", Blame::kMemory},
      {"RuntimeError", "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling cublasCreate(handle)", Blame::kMemory},
      {"OSError", "[Errno 12] Cannot allocate memory", Blame::kMemory},
      {"torch.AcceleratorError", "CUDA error: an illegal memory access was encountered", Blame::kDevice},
      {"RuntimeError", "CUDA error: device-side assert triggered", Blame::kDevice},
      {"RuntimeError", "cuDNN error: CUDNN_STATUS_EXECUTION_FAILED", Blame::kDevice},
      {"RuntimeError", "No CUDA GPUs are available", Blame::kDevice},
      {"RuntimeError", "HIP error: invalid device function", Blame::kDevice},
      {"OSError", "[Errno 28] No space left on device", Blame::kDisk},
      {"OSError", "[Errno 30] Read-only file system: 'output/x.png'", Blame::kDisk},
      {"OSError", "[Errno 24] Too many open files: 'x'", Blame::kServer},
      {"RuntimeError", "can't start new thread", Blame::kServer},
      {"ValueError", "Invalid image file", Blame::kWorkflow},
      {"RuntimeError", "mat1 and mat2 shapes cannot be multiplied (77x2048 and 768x320)", Blame::kWorkflow},
      {"FileNotFoundError", "[Errno 2] No such file or directory: 'cuda.safetensors'", Blame::kWorkflow},
      {"KeyError", "'memory'", Blame::kWorkflow},
      {"", "", Blame::kWorkflow},
  };
  for (const Case& c : cases) EXPECT_EQ(blame_of(c.type, c.message), c.blame) << c.type << ": " << c.message;
}

TEST(BlameTest, HasACodeInTheTableOfErrors) {
  EXPECT_EQ(code_of(Blame::kWorkflow), code::kNodeError);
  EXPECT_EQ(code_of(Blame::kMemory), code::kOutOfMemory);
  for (const Blame blame : {Blame::kDevice, Blame::kDisk, Blame::kServer}) {
    EXPECT_EQ(code_of(blame), code::kInstanceFault) << to_string(blame);
    EXPECT_EQ(error_entry(code_of(blame)).code, code::kInstanceFault);
  }
  EXPECT_EQ(error_entry(code::kOutOfMemory).code, code::kOutOfMemory);
}

TEST_F(CircuitTest, OpensAtTheThirdFaultInARow) {
  Circuit circuit = fault({});
  EXPECT_EQ(state_of(circuit, kNow), CircuitState::kClosed);
  EXPECT_EQ(circuit.faults, 1);
  EXPECT_EQ(circuit.reason, "device: why");
  circuit = fault(circuit, Blame::kDisk);
  EXPECT_EQ(state_of(circuit, kNow), CircuitState::kClosed);
  circuit = fault(circuit);
  EXPECT_EQ(state_of(circuit, kNow), CircuitState::kOpen);
  EXPECT_EQ(circuit.faults, 3);
  EXPECT_EQ(circuit.openings, 1);
  ASSERT_TRUE(circuit.open_until);
  EXPECT_GE(*circuit.open_until, kNow + absl::Seconds(15));
  EXPECT_LT(*circuit.open_until, kNow + absl::Seconds(30));
  EXPECT_EQ(state_of(circuit, *circuit.open_until - absl::Milliseconds(1)), CircuitState::kOpen);
  EXPECT_EQ(state_of(circuit, *circuit.open_until), CircuitState::kHalfOpen);
}

TEST_F(CircuitTest, AWorkflowsFaultChangesNothingInAnyState) {
  for (const Circuit& circuit : {Circuit(), fault({}), opened()}) {
    for (const absl::Duration later : {absl::ZeroDuration(), absl::Minutes(1)}) {
      EXPECT_EQ(fault(circuit, Blame::kWorkflow, 9, kNow + later), circuit);
    }
  }
}

TEST_F(CircuitTest, ASuccessForgetsAllInAnyState) {
  EXPECT_EQ(after_success(), Circuit());
  EXPECT_EQ(state_of(after_success(), kNow), CircuitState::kClosed);
}

TEST_F(CircuitTest, OutOfMemoryCountsOncePerJob) {
  Circuit circuit;
  for (int i = 0; i < 10; ++i) circuit = fault(circuit, Blame::kMemory, 1);
  EXPECT_EQ(circuit.faults, 1);
  circuit = fault(fault(circuit, Blame::kMemory, 2), Blame::kMemory, 3);
  EXPECT_EQ(state_of(circuit, kNow), CircuitState::kOpen);
}

TEST_F(CircuitTest, AFaultWhileItIsOpenDoesNotPutOffItsEnd) {
  const Circuit circuit = opened();
  const Circuit after = fault(circuit, Blame::kDevice, 8, kNow + absl::Seconds(5));
  EXPECT_EQ(after.open_until, circuit.open_until);
  EXPECT_EQ(after.openings, 1);
  EXPECT_EQ(after.faults, 4);
}

TEST_F(CircuitTest, AFaultOfTheOneThatWasLetThroughOpensForTwiceAsLong) {
  Circuit circuit = opened();
  absl::Time now = kNow;
  for (int opening = 2; opening <= 12; ++opening) {
    now = *circuit.open_until;
    circuit = fault(circuit, Blame::kDevice, opening, now);
    EXPECT_EQ(circuit.openings, opening);
    ASSERT_TRUE(circuit.open_until);
    EXPECT_GE(*circuit.open_until, now + open_for(opening) / 2) << opening;
    EXPECT_LT(*circuit.open_until, now + open_for(opening)) << opening;
  }
  EXPECT_EQ(open_for(1), absl::Seconds(30));
  EXPECT_EQ(open_for(2), absl::Minutes(1));
  EXPECT_EQ(open_for(12), absl::Minutes(10));
}

TEST_F(CircuitTest, TheReasonIsCutBetweenCharacters) {
  std::string message(299, 'x');
  message += "\xe2\x9c\x93 and more";
  const Circuit circuit = after_fault({}, Blame::kDisk, message, kJob, kNow, random_);
  EXPECT_EQ(circuit.reason, "disk: " + std::string(299, 'x'));
}

TEST(QuarantineTest, ReasonsHaveNamesAndWords) {
  for (const Quarantine reason : kQuarantines) {
    EXPECT_EQ(quarantine_from(to_string(reason)), reason);
    EXPECT_FALSE(describe(reason).empty());
  }
  EXPECT_NE(to_string(Quarantine::kWorkerDead), to_string(Quarantine::kPoisonedAdoption));
  EXPECT_FALSE(quarantine_from("tired"));
}

}  // namespace
}  // namespace renderyard::domain
