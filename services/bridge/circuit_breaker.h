// The circuit of one instance as its bridge counts it (domain/circuit.h). The next state is computed here and written
// in the transaction that ends the execution, so that placement never sees the free slot without it. Thread-safety: on
// the strand.
#pragma once

#include <absl/time/time.h>

#include <string_view>
#include <utility>

#include "libs/common/base/random.h"
#include "libs/common/domain/circuit.h"
#include "libs/common/ports/execution_store.h"

namespace renderyard::bridge {

class CircuitBreaker {
 public:
  explicit CircuitBreaker(base::Random& random) : random_(random) {}

  // The row as it was read just now. An operator may have reset the circuit; otherwise what was counted here stands,
  // the row may be older than that.
  void read(const ports::InstanceRow& row) {
    if (known_ && row.circuit_version == version_) return;
    known_ = true;
    circuit_ = row.circuit;
    version_ = row.circuit_version;
  }

  // A success has something to forget: ports::ExecutionStore::close_circuit() at version(), then closed().
  bool counts() const { return circuit_ != domain::after_success(); }
  int version() const { return version_; }
  void closed() { circuit_ = domain::after_success(); }
  // now: the database's clock.
  void failed(domain::Blame blame, std::string_view message, base::JobId job, absl::Time now, ports::Advance& step) {
    domain::Circuit next = domain::after_fault(circuit_, blame, message, job, now, random_);
    if (next == circuit_) return;
    circuit_ = next;
    step.circuit = std::move(next);
    step.circuit_version = version_;
  }

 private:
  base::Random& random_;
  domain::Circuit circuit_;
  int version_ = 0;
  bool known_ = false;
};

}  // namespace renderyard::bridge
