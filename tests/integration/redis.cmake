renderyard_test(redis_test LABEL integration
  SOURCES redis_cache_test.cc redis_server.cc
  LINK renderyard_redis renderyard_runtime)
