// Stream<T>: an ordered source of items that ends. The same shape on both ends of a gRPC server stream, in a fake
// network and inside a service. Destroying it ends the subscription. One consumer, on one strand.
#pragma once

#include <absl/status/statusor.h>

#include <memory>
#include <optional>

#include "libs/common/base/task.h"

namespace renderyard::base {

template <class T>
class Stream {
 public:
  virtual ~Stream() = default;
  // The next item; nullopt after a regular end; an error when the stream broke (it is over then) or CANCELLED.
  virtual Task<absl::StatusOr<std::optional<T>>> next() = 0;
};

template <class T>
using StreamPtr = std::unique_ptr<Stream<T>>;

}  // namespace renderyard::base
