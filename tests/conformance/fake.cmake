# An object library: a static one would leave out the cases, nobody refers to them by name.
add_library(renderyard_store_suite OBJECT
  store_suite.cc cancel_cases.cc dispatch_cases.cc event_cases.cc execution_cases.cc fitness_cases.cc instance_cases.cc job_cases.cc
  lease_cases.cc limit_cases.cc operator_cases.cc raced_cases.cc raced_fence_cases.cc raced_small_cases.cc
  settle_cases.cc told_cases.cc)
target_include_directories(renderyard_store_suite PUBLIC ${PROJECT_SOURCE_DIR})
target_link_libraries(renderyard_store_suite PUBLIC renderyard_ports GTest::gtest GTest::gmock Boost::json absl::strings
  PRIVATE renderyard_warnings)
target_precompile_headers(renderyard_store_suite REUSE_FROM renderyard_precompiled_test)

renderyard_test(store_conformance_fake_test LABEL conformance
  SOURCES fake_test.cc
  LINK renderyard_store_suite renderyard_testing_fakes)
