// Every option of every service, once. RENDERYARD_<OPTION> is an error when it is not one of these, so that a typing
// error is found at start and yet one environment file may serve all services. A service cannot declare an option that
// is missing here: its start fails, and so does its test.
#pragma once

#include <string_view>

namespace renderyard::runtime {

inline constexpr std::string_view kOptionNames[] = {
    // All services
    "admin-listen",
    "log-level",
    "port-file",
    "service-token-file",
    "shutdown-timeout",
    "tls-ca",
    "tls-cert",
    "tls-key",
    // Several services
    "artifacts-dir",
    "database-connections",
    "database-url",
    "database-url-file",
    "grpc-listen",
    "redis-url",
    "redis-url-file",
    // Bridge
    "bridge-id",
    "comfyui-ca-file",
    "grpc-address",
    "lease-ttl",
    "lock-dir",
    "progress-interval",
    // Dispatcher
    "batch",
    "dispatcher-id",
    "poll-interval",
    "submission-attempts",
    "withdraw-after",
    // Gateway
    "dispatcher-addresses",
    "http-listen",
    "max-body-bytes",
    "max-connections",
};

// Variables with our prefix that other programs of the project read (the command line tool, tests, scripts).
inline constexpr std::string_view kForeignVariables[] = {
    "RENDERYARD_BIN_DIR",
    "RENDERYARD_BRIDGE",
    "RENDERYARD_DISPATCHER",
    "RENDERYARD_GATEWAY",
    "RENDERYARD_JOBS",
    "RENDERYARD_RUN_DIR",
    "RENDERYARD_SANITIZE",
    "RENDERYARD_SIMULATION_SEEDS",
    "RENDERYARD_TEST_BINARY_DIR",
    "RENDERYARD_TEST_SOURCE_DIR",
    "RENDERYARD_TOKEN",
    "RENDERYARD_TOKEN_FILE",
    "RENDERYARD_URL",
};

}  // namespace renderyard::runtime
