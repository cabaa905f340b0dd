# renderyard_library(NAME SOURCES… LINK… [OPTIMIZED]): a static library of ours, include root = repository root.
# OPTIMIZED: in debug builds too, as simulations run through it millions of times.
function(renderyard_library name)
  cmake_parse_arguments(ARG "OPTIMIZED" "" "SOURCES;LINK" ${ARGN})
  add_library(${name} STATIC ${ARG_SOURCES})
  target_include_directories(${name} PUBLIC ${PROJECT_SOURCE_DIR})
  target_link_libraries(${name} PUBLIC ${ARG_LINK} PRIVATE renderyard_warnings)
  if(ARG_OPTIMIZED)
    target_compile_options(${name} PRIVATE ${RENDERYARD_OPTIMIZED})
    target_precompile_headers(${name} REUSE_FROM renderyard_precompiled_optimized)
  else()
    target_precompile_headers(${name} REUSE_FROM renderyard_precompiled)
  endif()
endfunction()

# renderyard_test_library(NAME SOURCES… LINK…): what several tests share.
function(renderyard_test_library name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LINK" ${ARGN})
  add_library(${name} STATIC ${ARG_SOURCES})
  target_include_directories(${name} PUBLIC ${PROJECT_SOURCE_DIR})
  target_link_libraries(${name} PUBLIC ${ARG_LINK} GTest::gtest GTest::gmock PRIVATE renderyard_warnings)
  target_precompile_headers(${name} REUSE_FROM renderyard_precompiled_test)
endfunction()

# renderyard_executable(NAME SOURCES… LINK…): goes to <build>/bin.
function(renderyard_executable name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LINK" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR})
  target_link_libraries(${name} PRIVATE ${ARG_LINK} renderyard_warnings)
  target_precompile_headers(${name} REUSE_FROM renderyard_precompiled)
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)
endfunction()

# tests-<label>: builds all tests of a label, and what they start.
foreach(_label unit conformance simulation integration e2e)
  add_custom_target(tests-${_label})
endforeach()

# renderyard_test_properties(CTEST_NAME LABEL TIMEOUT [SANITIZED]): label, timeout and environment of a test. A sanitizer
# build makes a test slower, and marks those that only `scripts/test full` runs under it.
function(renderyard_test_properties name label timeout)
  set(labels ${label})
  if(RENDERYARD_SANITIZE)
    math(EXPR timeout "${timeout} * 4")
    if(label MATCHES "^(integration|e2e)$" AND NOT "SANITIZED" IN_LIST ARGN)
      list(APPEND labels sanitized-full)
    endif()
  endif()
  # scripts/test counts in halves of a processor.
  set(halves 2)
  if("WAITS" IN_LIST ARGN)
    set(halves 1)
  endif()
  set_tests_properties(${name} PROPERTIES LABELS "${labels}" TIMEOUT ${timeout} PROCESSORS ${halves}
    ENVIRONMENT "RENDERYARD_TEST_SOURCE_DIR=${PROJECT_SOURCE_DIR};RENDERYARD_TEST_BINARY_DIR=${CMAKE_BINARY_DIR};TSAN_OPTIONS=suppressions=${PROJECT_SOURCE_DIR}/cmake/tsan-suppressions.txt")
endfunction()

# renderyard_ctest_name(NAME VAR): NAME as CTest shows it, so that the builds of one run can be told apart.
function(renderyard_ctest_name name variable)
  if(RENDERYARD_SANITIZE MATCHES "address")
    set(${variable} ${name}.asan PARENT_SCOPE)
  elseif(RENDERYARD_SANITIZE MATCHES "thread")
    set(${variable} ${name}.tsan PARENT_SCOPE)
  else()
    set(${variable} ${name} PARENT_SCOPE)
  endif()
endfunction()

# renderyard_test(NAME LABEL unit|conformance|simulation|integration|e2e SOURCES… LINK… [TIMEOUT s] [SANITIZED] [WAITS]):
# one GoogleTest binary = one CTest test, with a label by which scripts/test selects it. SANITIZED: runs in sanitizer
# builds always, whatever its label. WAITS: computes little and waits much, so that two share a processor.
function(renderyard_test name)
  cmake_parse_arguments(ARG "SANITIZED;WAITS" "LABEL;TIMEOUT" "SOURCES;LINK" ${ARGN})
  set(kind)
  if(ARG_SANITIZED)
    list(APPEND kind SANITIZED)
  endif()
  if(ARG_WAITS)
    list(APPEND kind WAITS)
  endif()
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 120)
  endif()
  add_executable(${name} ${ARG_SOURCES})
  target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR})
  target_link_libraries(${name} PRIVATE ${ARG_LINK} GTest::gtest GTest::gmock GTest::gtest_main renderyard_warnings)
  target_precompile_headers(${name} REUSE_FROM renderyard_precompiled_test)
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
  renderyard_ctest_name(${name} ctest_name)
  add_test(NAME ${ctest_name} COMMAND ${name})
  renderyard_test_properties(${ctest_name} ${ARG_LABEL} ${ARG_TIMEOUT} ${kind})
  add_dependencies(tests-${ARG_LABEL} ${name})
endfunction()

# renderyard_script_test(NAME SCRIPT LABEL… TIMEOUT s [DEPENDS targets…] [SANITIZED]): a script as a CTest test; it finds the source
# and the build in the environment, as the others do.
function(renderyard_script_test name)
  cmake_parse_arguments(ARG "SANITIZED" "SCRIPT;LABEL;TIMEOUT" "DEPENDS" ${ARGN})
  set(sanitized)
  if(ARG_SANITIZED)
    set(sanitized SANITIZED)
  endif()
  renderyard_ctest_name(${name} ctest_name)
  add_test(NAME ${ctest_name} COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/${ARG_SCRIPT})
  renderyard_test_properties(${ctest_name} ${ARG_LABEL} ${ARG_TIMEOUT} ${sanitized})
  if(ARG_DEPENDS)
    add_dependencies(tests-${ARG_LABEL} ${ARG_DEPENDS})
  endif()
endfunction()
