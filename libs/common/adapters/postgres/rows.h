// From result columns to the rows of the ports.
#pragma once

#include "libs/common/adapters/postgres/reader.h"
#include "libs/common/ports/model.h"

namespace renderyard::postgres {

// RENDERYARD_EXECUTION_COLUMNS.
ports::ExecutionRow read_execution(Reader& reader);
// RENDERYARD_INSTANCE_COLUMNS.
ports::InstanceRow read_instance(Reader& reader);
// id, job_id, seq, user_id, type, execution_id, data, created_at.
ports::JobEvent read_event(Reader& reader);
// code, message, node_id, node_class; nullopt when code is NULL.
std::optional<ports::JobError> read_error(Reader& reader);

}  // namespace renderyard::postgres
