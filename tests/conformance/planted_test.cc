// The store suite on stores with a planted bug: each must be found by the raced cases (the script beside this file asks
// for that). The statements are the real ones but for the planted part.
//
// *_control has the same changed text with the right part in it, which shows that it is the plant that is found.
#include <stdexcept>
#include <string>
#include <utility>

#include "libs/common/adapters/postgres/dispatch_store_sql.h"
#include "libs/common/adapters/postgres/execution_store_sql.h"
#include "libs/common/adapters/postgres/offload.h"
#include "tests/conformance/postgres_world.h"

namespace renderyard::conformance {
namespace {

namespace sql = postgres::sql;
using Advanced = absl::StatusOr<std::optional<ports::Advanced>>;
using Started = absl::StatusOr<std::optional<ports::StartedExecution>>;

// `text` with everything from `first` up to `last` replaced. The statement it was written for must still be there.
std::string replaced(std::string text, std::string_view first, std::string_view last, std::string_view by) {
  const auto from = text.find(first);
  const auto to = from == std::string::npos ? from : text.find(last, from + first.size());
  if (to == std::string::npos) throw std::logic_error("nothing to plant in: " + text);
  return text.replace(from, to - from, by);
}

// advance() as far as a race goes: no errors, no outputs.
constexpr char kMove[] = R"(
WITH moved AS (
  UPDATE comfyui_executions e SET status = $4, comfyui_prompt_id = COALESCE($5, e.comfyui_prompt_id),
    accepted_at = COALESCE(e.accepted_at, clock_timestamp()), started_at = COALESCE(e.started_at, clock_timestamp()),
    ended_at = CASE WHEN $6 OR $4 = 'collecting' THEN COALESCE(e.ended_at, clock_timestamp()) END,
    completed_at = CASE WHEN $6 THEN clock_timestamp() END
  WHERE e.id = $1 AND FENCE AND e.status = ANY ($3::text[])
  RETURNING e.id, e.instance_id, e.slot_no, e.cancel_requested_at),
slot AS (
  UPDATE instance_slots s SET execution_id = NULL
  FROM moved m WHERE $7 AND s.instance_id = m.instance_id AND s.slot_no = m.slot_no AND s.execution_id = m.id)
SELECT cancel_requested_at IS NOT NULL FROM moved)";
constexpr char kFenceByColumn[] = "e.owner_epoch = $2";
constexpr char kFenceBySubquery[] =
    "EXISTS (SELECT FROM instance_leases l WHERE l.instance_id = e.instance_id AND l.epoch = $2)";

template <const char* fence>
class FencedBy final : public postgres::ExecutionStore {
 public:
  FencedBy(postgres::Pool& pool, base::Strand& strand) : ExecutionStore(pool, strand), pool_(pool), strand_(strand) {}

  base::Task<Advanced> advance(ports::Advance step) override {
    static const std::string text = replaced(kMove, "FENCE", " ", fence);
    auto work = [step = std::move(step)](Session& session) -> Advanced {
      std::vector<std::string> from;
      for (const ExecutionState state : step.from) from.emplace_back(domain::to_string(state));
      Params params;
      params.add(step.id).add(step.epoch).array(from).add(domain::to_string(step.to)).maybe(step.comfyui_prompt_id);
      params.add(domain::is_final(step.to)).add(!domain::holds_slot(step.to));
      const pqxx::result result = session.run({"move", text.c_str()}, params);
      if (result.empty()) return std::optional<ports::Advanced>();
      ports::Advanced advanced;
      advanced.cancel_requested = result.front()[0].as<bool>();
      return std::optional<ports::Advanced>(advanced);
    };
    return postgres::offload<Advanced>(pool_, strand_, std::move(work));
  }

 private:
  using ExecutionState = ports::ExecutionState;
  postgres::Pool& pool_;
  base::Strand& strand_;
};

// start() that reads the lease and does not hold it: a takeover may pass between its snapshot and its commit.
class StartedUnlocked final : public postgres::ExecutionStore {
 public:
  StartedUnlocked(postgres::Pool& pool, base::Strand& strand)
      : ExecutionStore(pool, strand), pool_(pool), strand_(strand) {}

  base::Task<Started> start(ports::ExecutionId id, ports::InstanceId instance, ports::Epoch epoch,
                            std::string client_id) override {
    static const std::string text = replaced(sql::kStart.sql, " FOR KEY SHARE", ")", "");
    auto work = [id, instance, epoch, client_id = std::move(client_id)](Session& session) -> Started {
      const Params params = Params().add(id).add(instance).add(epoch).add(client_id);
      if (session.run({"start_unlocked", text.c_str()}, params).empty()) {
        return std::optional<ports::StartedExecution>();
      }
      return std::optional<ports::StartedExecution>(ports::StartedExecution{});
    };
    return postgres::offload<Started>(pool_, strand_, std::move(work));
  }

 private:
  postgres::Pool& pool_;
  base::Strand& strand_;
};

constexpr char kFreeByRow[] = R"(slot AS (
  SELECT s.instance_id, s.slot_no FROM instance_slots s JOIN comfyui_instances i ON i.id = s.instance_id
  WHERE (s.instance_id, s.slot_no) IN (SELECT w.instance_id, w.slot_no FROM wanted w) AND s.execution_id IS NULL
    AND s.slot_no < i.slots FOR UPDATE OF s SKIP LOCKED),
)";
constexpr char kFreeByCounting[] = R"(slot AS (
  SELECT w.instance_id, w.slot_no FROM wanted w JOIN comfyui_instances i ON i.id = w.instance_id
  WHERE (SELECT count(*) FROM comfyui_executions x WHERE x.instance_id = i.id
    AND x.status IN ('assigned', 'submitting', 'queued', 'running')) < i.slots),
)";

template <const char* free>
class SlotsFreeBy final : public postgres::DispatchStore {
 public:
  SlotsFreeBy(postgres::Pool& pool, base::Strand& strand) : DispatchStore(pool, strand), pool_(pool), strand_(strand) {}

  base::Task<absl::StatusOr<std::vector<ports::ClaimedExecution>>> claim(std::vector<ports::Assignment> wanted,
                                                                         std::string claimed_by) override {
    using Claimed = absl::StatusOr<std::vector<ports::ClaimedExecution>>;
    static const std::string text = replaced(sql::kClaim.sql, "slot AS (", "job AS (", free);
    auto work = [wanted = std::move(wanted), claimed_by = std::move(claimed_by)](Session& session) -> Claimed {
      std::vector<std::int64_t> jobs, instances, slots;
      std::vector<std::string> prompts;
      for (const ports::Assignment& assignment : wanted) {
        jobs.push_back(assignment.job_id.value);
        instances.push_back(assignment.instance_id.value);
        slots.push_back(assignment.slot_no);
        prompts.push_back(assignment.client_prompt_id);
      }
      const Params params = Params().array(jobs).array(instances).array(slots).array(prompts).add(claimed_by);
      std::vector<ports::ClaimedExecution> claimed;
      for (const auto& columns : session.run({"claim_planted", text.c_str()}, params)) {
        ports::ClaimedExecution execution;
        execution.execution_id = ports::ExecutionId{columns[0].as<std::int64_t>()};
        execution.job_id = ports::JobId{columns[1].as<std::int64_t>()};
        execution.instance_id = ports::InstanceId{columns[2].as<std::int64_t>()};
        claimed.push_back(execution);
      }
      return claimed;
    };
    return postgres::offload<Claimed>(pool_, strand_, std::move(work));
  }

 private:
  postgres::Pool& pool_;
  base::Strand& strand_;
};

template <class Executions, class Dispatch>
std::unique_ptr<StoreWorld> make() {
  return std::make_unique<PostgresWorld<Executions, Dispatch>>();
}

// Without the unique index, which would refuse the second occupant: the cases must see it by themselves.
template <class Executions, class Dispatch>
std::unique_ptr<StoreWorld> make_without_net() {
  auto world = std::make_unique<PostgresWorld<Executions, Dispatch>>();
  world->admin().run_text("DROP INDEX executions_one_per_slot");
  return world;
}

using Real = postgres::ExecutionStore;
using RealDispatch = postgres::DispatchStore;

INSTANTIATE_TEST_SUITE_P(
    Planted, StoreSuite,
    ::testing::Values(StoreWorldParam{"fence_by_subquery", &make<FencedBy<kFenceBySubquery>, RealDispatch>},
                      StoreWorldParam{"fence_control", &make<FencedBy<kFenceByColumn>, RealDispatch>},
                      StoreWorldParam{"start_unlocked", &make<StartedUnlocked, RealDispatch>},
                      StoreWorldParam{"slots_by_counting", &make<Real, SlotsFreeBy<kFreeByCounting>>},
                      StoreWorldParam{"slots_by_counting_without_net",
                                      &make_without_net<Real, SlotsFreeBy<kFreeByCounting>>},
                      StoreWorldParam{"slots_control", &make_without_net<Real, SlotsFreeBy<kFreeByRow>>},
                      StoreWorldParam{"real", &make<Real, RealDispatch>}),
    store_world_name);

}  // namespace
}  // namespace renderyard::conformance
