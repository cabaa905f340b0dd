renderyard_test(store_conformance_postgres_test LABEL conformance TIMEOUT 300
  SOURCES postgres_test.cc
  LINK renderyard_store_suite renderyard_testing_postgres)

# Run by its script only: most of its cases are there to fail.
add_executable(store_planted_postgres planted_test.cc)
target_include_directories(store_planted_postgres PRIVATE ${PROJECT_SOURCE_DIR})
target_link_libraries(store_planted_postgres PRIVATE renderyard_store_suite renderyard_testing_postgres GTest::gtest_main
  renderyard_warnings)
set_target_properties(store_planted_postgres PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
renderyard_script_test(planted_in_sql_test SCRIPT planted_in_sql_test LABEL conformance TIMEOUT 600 DEPENDS store_planted_postgres)
