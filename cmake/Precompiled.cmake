# Headers of others that most sources include, parsed once per build instead of once per source. A convenience only: each
# source includes what it uses, and clang-tidy reads it without these.
set(RENDERYARD_PRECOMPILED
  <algorithm> <chrono> <cstdint> <deque> <functional> <map> <memory> <optional> <set> <string> <string_view> <utility> <variant> <vector>
  <absl/container/flat_hash_map.h> <absl/status/statusor.h> <absl/strings/str_cat.h> <absl/time/time.h>
  <boost/asio/awaitable.hpp> <boost/asio/co_spawn.hpp>)

# Code of executables is made as that of libraries is, so that both can take the same ones.
set(CMAKE_CXX_COMPILE_OPTIONS_PIE ${CMAKE_CXX_COMPILE_OPTIONS_PIC})

file(WRITE ${CMAKE_BINARY_DIR}/precompiled.cc "")
foreach(_name precompiled precompiled_optimized precompiled_test)
  add_library(renderyard_${_name} OBJECT ${CMAKE_BINARY_DIR}/precompiled.cc)
endforeach()
target_precompile_headers(renderyard_precompiled PRIVATE ${RENDERYARD_PRECOMPILED})
target_compile_options(renderyard_precompiled_optimized PRIVATE ${RENDERYARD_OPTIMIZED})
target_precompile_headers(renderyard_precompiled_optimized PRIVATE ${RENDERYARD_PRECOMPILED})
target_link_libraries(renderyard_precompiled_test PRIVATE GTest::gtest GTest::gmock)
target_precompile_headers(renderyard_precompiled_test PRIVATE ${RENDERYARD_PRECOMPILED} <gmock/gmock.h> <gtest/gtest.h>)
# What scripts/lint needs of these.
add_custom_target(renderyard_precompiled_headers
  DEPENDS renderyard_precompiled renderyard_precompiled_optimized renderyard_precompiled_test)
