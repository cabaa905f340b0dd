// Generated into the build directory from migrations/*.sql by embed_migrations.cmake.
#pragma once

#include <span>
#include <string_view>
#include <utility>

namespace renderyard::postgres {

// File name and text.
extern const std::span<const std::pair<std::string_view, std::string_view>> kEmbeddedMigrations;

}  // namespace renderyard::postgres
