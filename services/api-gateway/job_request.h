// The body of POST /api/v1/jobs: its checks, and the job it asks for. Pure.
//
// The workflow is kept byte for byte as it was sent; everything else of `parameters` becomes parameters_json. Nothing
// is read leniently: an unknown field, a doubled key or a value out of range is refused with the field's path and the
// remedy, so that a typing error is not a job without its option.
#pragma once

#include <optional>
#include <string_view>

#include "libs/common/ports/job_store.h"
#include "services/api-gateway/problem.h"

namespace renderyard::gateway {

inline constexpr int kMinUserPriority = -10;
inline constexpr int kMaxUserPriority = 10;
inline constexpr std::size_t kMaxJobTypeChars = 100;
inline constexpr std::size_t kMaxNameChars = 200;
inline constexpr std::size_t kMaxMetadataEntries = 64;
inline constexpr std::size_t kMaxMetadataKeyChars = 100;
inline constexpr std::size_t kMaxMetadataValueChars = 2000;

// `user`, `uid` and `idempotency` of the result are left to the caller. Codes: malformed_json, unstorable_text,
// unknown_field, missing_field, invalid_field, ui_workflow, invalid_workflow.
Answer<ports::NewJob> parse_job_request(std::string_view body);

// The Idempotency-Key header: 1 to 255 printable ASCII characters. nullopt = good.
std::optional<Problem> check_idempotency_key(std::string_view key);

}  // namespace renderyard::gateway
