renderyard_executable(renderyard-migrate
  SOURCES migrate_main.cc
  LINK renderyard_postgres CLI11::CLI11)
target_compile_definitions(renderyard-migrate PRIVATE RENDERYARD_VERSION="${PROJECT_VERSION}")
