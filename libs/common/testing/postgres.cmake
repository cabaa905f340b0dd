# A private PostgreSQL cluster for tests.
renderyard_library(renderyard_testing_postgres
  SOURCES private_postgres.cc
  LINK renderyard_postgres)
