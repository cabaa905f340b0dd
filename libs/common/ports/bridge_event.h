// What a bridge tells whoever watches it: plain values, ephemeral like progress. PostgreSQL has the truth.
#pragma once

#include <absl/time/time.h>

#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "libs/common/ports/model.h"

namespace renderyard::ports {

// The connection to an instance has this state now.
struct InstanceNews {
  InstanceId id;
  Epoch owner_epoch;  // of two bridges the greater one speaks of now
  InstanceStatus status = InstanceStatus::kDisconnected;
  int reconnect_attempts = 0;  // failed ones since the last connection
  std::string reason;
  absl::Time at;  // this and all below: wall clock of the bridge
};

// Which execution a piece of news is about.
struct ExecutionRef {
  JobId job_id;
  UserId user_id;
  ExecutionId execution_id;
  Epoch owner_epoch;
  InstanceId instance_id;
  std::string prompt_id;
};

struct ProgressNews {
  Progress progress;
  std::string prompt_id;
};

// ComfyUI began with a node.
struct NodeStarted {
  ExecutionRef execution;
  std::string node_id;  // as in the workflow
  std::string node_class;
  std::string node_title;
  absl::Time at;
};

// The execution is over, and its row says so.
struct ExecutionEnded {
  ExecutionRef execution;
  ExecutionState state = ExecutionState::kFailed;  // completed, failed, cancelled or lost
  std::optional<JobError> error;                   // failed and lost
  std::vector<OutputRow> outputs;                  // completed
  absl::Time at;
};

// What the picture looks like so far.
struct Preview {
  ExecutionRef execution;
  std::string node_id;
  std::string content_type;
  std::shared_ptr<const std::string> image;  // never null
  absl::Time at;
};

using BridgeEvent = std::variant<InstanceNews, ProgressNews, NodeStarted, ExecutionEnded, Preview>;

}  // namespace renderyard::ports
