// Prompts that may leave files under names common to others, one after the other at their instance: from before the
// POST of one until its files are copied no other is sent there, or its bytes could be delivered as this one's.
// (Servers that tell when a prompt ended show such an overwrite only when it comes seconds later, others not at all.)
// docs/adr/0008-one-writer-of-common-names.md.
//
// An execution holds the turn while it is not known that it cannot leave such files; so those that another process
// posted hold it too, however many they are. Thread-safety: on the strand.
#pragma once

#include <absl/status/statusor.h>
#include <absl/time/time.h>

#include <cstdint>
#include <set>
#include <string_view>

#include "libs/common/base/clock.h"
#include "libs/common/base/event.h"
#include "libs/common/base/strand.h"
#include "libs/common/base/task.h"
#include "libs/common/domain/common_names.h"
#include "libs/common/domain/non_output_classes.h"

namespace renderyard::bridge {

class NameTurns {
 public:
  NameTurns(base::Strand& strand, base::Clock& clock) : freed_(strand, clock) {}

  // Held until it is destroyed.
  class Turn {
   public:
    explicit Turn(NameTurns& turns) : turns_(turns) { ++turns_.holders_; }
    ~Turn() {
      if (--turns_.holders_ == 0) turns_.freed_.notify();
    }
    Turn(const Turn&) = delete;
    Turn& operator=(const Turn&) = delete;

   private:
    NameTurns& turns_;
  };

  // Nobody holds it, and nobody waits for it.
  bool free() const { return holders_ == 0 && line_.empty(); }
  // True: nobody holds it, and it belongs to the Turn that must be made at once. The first who came is the first to
  // have it. False: these classes do not need it, or not any more. DEADLINE_EXCEEDED at `deadline`, CANCELLED: it is
  // left to the next.
  base::Task<absl::StatusOr<bool>> wait(domain::NodeClasses classes, absl::Time deadline);

  // By what is known so far, for domain::classes_of_common_names(): a class of which nothing is known may save files.
  bool needed_for(const domain::NodeClasses& classes) const;
  // What the server says of its classes.
  void know(domain::NonOutputClasses non_output);
  // A node of this class left such a file, whatever is said of it.
  void saw_writer(std::string_view node_class);

 private:
  int holders_ = 0;
  std::uint64_t next_place_ = 0;
  std::set<std::uint64_t> line_;  // of those who wait
  base::Event freed_;
  domain::NonOutputClasses non_output_;
  domain::NodeClasses writers_;  // at most kMostWriters
};

}  // namespace renderyard::bridge
