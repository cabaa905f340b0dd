# The compiler, the language level, the warnings and the sanitizers.
#
# g++ 12 silently miscompiles many co_await expressions (aggregate temporaries, conditions, lambdas), so only clang is
# accepted; docs/adr/0002-clang-only.md has the evidence.
if(NOT CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
  message(FATAL_ERROR "Renderyard is built with clang (14 or later); this is ${CMAKE_CXX_COMPILER_ID}. Use a preset: cmake --preset dev")
endif()

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
# For all, or some could not share precompiled headers with others.
add_compile_options(-pthread)
add_link_options(-pthread)

# A compiler cache and a fast linker when the machine has them; the build is the same without.
find_program(CCACHE_PROGRAM ccache)
if(CCACHE_PROGRAM)
  # Precompiled headers (Precompiled.cmake) are cached with what they were made of, not with when.
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env CCACHE_SLOPPINESS=pch_defines,time_macros ${CCACHE_PROGRAM})
  add_compile_options("$<$<COMPILE_LANGUAGE:CXX>:SHELL:-Xclang -fno-pch-timestamp>")
endif()
find_program(MOLD_PROGRAM mold)
if(MOLD_PROGRAM)
  add_link_options(-fuse-ld=mold)
endif()
add_link_options(-Wl,--as-needed)

# Debug builds do not optimise what waits more than it computes (adapters, programs, tests): that would be half of their
# compile time and more. Libraries that ask for it are optimised there too (renderyard_library in Targets.cmake).
set(RENDERYARD_OPTIMIZED $<$<CONFIG:Debug>:-O1>)

set(RENDERYARD_SANITIZE "" CACHE STRING "Comma list of sanitizers, as -fsanitize takes it")
if(RENDERYARD_SANITIZE)
  add_compile_options(-fsanitize=${RENDERYARD_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${RENDERYARD_SANITIZE})
  # "function" needs type information across sections that clang 14 cannot emit for coroutines.
  add_compile_options($<$<COMPILE_LANGUAGE:CXX>:-fno-sanitize=function>)
endif()

# Warnings as errors, for our own code only (libraries are SYSTEM includes).
add_library(renderyard_warnings INTERFACE)
target_compile_options(renderyard_warnings INTERFACE
  -Wall -Wextra -Wpedantic -Werror -Wshadow -Wnon-virtual-dtor -Woverloaded-virtual -Wcast-qual -Wextra-semi
  -Wimplicit-fallthrough -Wunused -Wthread-safety -Wno-gnu-zero-variadic-macro-arguments)
