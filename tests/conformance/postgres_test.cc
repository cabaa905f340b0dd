// The store suite on a real PostgreSQL.
#include "tests/conformance/postgres_world.h"

namespace renderyard::conformance {
namespace {

std::unique_ptr<StoreWorld> make_postgres() {
  return std::make_unique<PostgresWorld<>>();
}

INSTANTIATE_TEST_SUITE_P(Postgres, StoreSuite, ::testing::Values(StoreWorldParam{"postgres", &make_postgres}),
                         store_world_name);

}  // namespace
}  // namespace renderyard::conformance
