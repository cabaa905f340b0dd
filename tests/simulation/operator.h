// The person who manages the instances: takes them out of service, moves and removes them while work lives on them, and
// brings all of them back in the end. Works through a process of its own that never dies.
#pragma once

#include <cstddef>
#include <string>

#include "tests/simulation/park.h"

namespace renderyard::simulation {

enum class Deed { kDrain, kDisable, kMove, kRemove };

class Operator {
 public:
  // `instances`: how many the park has.
  Operator(Park& park, int instances);

  // To the instance that is at this server now; false when there is none.
  bool act(Deed deed, std::size_t comfy);
  // Every instance is in service again, however long it takes.
  void restore();

 private:
  struct Office;
  base::Task<absl::Status> perform(Deed deed, std::string name);
  base::Task<absl::Status> bring_back(std::string name);
  base::Task<absl::Status> add_anywhere(std::string name);

  Park& park_;
  const int instances_;
  sim::Process& process_;
  Office& office_;
};

}  // namespace renderyard::simulation
