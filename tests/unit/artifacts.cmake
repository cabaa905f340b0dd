renderyard_test(artifacts_test LABEL unit
  SOURCES artifacts_test.cc
  LINK renderyard_artifacts renderyard_runtime)
