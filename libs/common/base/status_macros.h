// Early return on error inside coroutines (CO_…) and plain functions. ASSIGN_… is three statements: always in braces.
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <utility>

#define RENDERYARD_CAT_INNER(a, b) a##b
#define RENDERYARD_CAT(a, b) RENDERYARD_CAT_INNER(a, b)

#define CO_RETURN_IF_ERROR(...)               \
  do {                                        \
    absl::Status status_tmp_ = (__VA_ARGS__); \
    if (!status_tmp_.ok()) {                  \
      co_return status_tmp_;                  \
    }                                         \
  } while (false)

#define ASSIGN_OR_CO_RETURN_INNER(tmp, lhs, ...) \
  auto tmp = (__VA_ARGS__);                      \
  if (!tmp.ok()) {                               \
    co_return std::move(tmp).status();           \
  }                                              \
  lhs = *std::move(tmp)

#define ASSIGN_OR_CO_RETURN(lhs, ...) \
  ASSIGN_OR_CO_RETURN_INNER(RENDERYARD_CAT(statusor_tmp_, __LINE__), lhs, __VA_ARGS__)

#define RETURN_IF_ERROR(...)                  \
  do {                                        \
    absl::Status status_tmp_ = (__VA_ARGS__); \
    if (!status_tmp_.ok()) {                  \
      return status_tmp_;                     \
    }                                         \
  } while (false)

#define ASSIGN_OR_RETURN_INNER(tmp, lhs, ...) \
  auto tmp = (__VA_ARGS__);                   \
  if (!tmp.ok()) {                            \
    return std::move(tmp).status();           \
  }                                           \
  lhs = *std::move(tmp)

#define ASSIGN_OR_RETURN(lhs, ...) ASSIGN_OR_RETURN_INNER(RENDERYARD_CAT(statusor_tmp_, __LINE__), lhs, __VA_ARGS__)
