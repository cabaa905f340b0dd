renderyard_test(store_conformance_postgres_test LABEL conformance TIMEOUT 300
  SOURCES postgres_test.cc
  LINK renderyard_store_suite renderyard_testing_postgres)
