#include "tests/simulation/faults.h"

#include <algorithm>
#include <utility>

namespace renderyard::simulation {

namespace {

using PostFault = testing::FakeComfy::PostFault;
using ports::ExecutionState;

struct Weighted {
  FaultKind kind;
  int weight;
};

// How often each is drawn.
constexpr Weighted kTable[] = {
    {FaultKind::kKillBridge, 24},        {FaultKind::kKillDispatcher, 10},     {FaultKind::kKillGateway, 6},
    {FaultKind::kStopBridge, 10},        {FaultKind::kStopDispatcher, 6},      {FaultKind::kStopGateway, 3},
    {FaultKind::kComfyPost, 20},         {FaultKind::kComfyRefuse, 6},         {FaultKind::kComfyDie, 6},
    {FaultKind::kComfyForgetHistory, 3}, {FaultKind::kComfyForgetAll, 3},      {FaultKind::kComfyForgetsEnded, 3},
    {FaultKind::kComfyGapAndForgets, 4}, {FaultKind::kComfyDropSockets, 5},    {FaultKind::kComfyDeaf, 5},
    {FaultKind::kComfyOverwrites, 4},    {FaultKind::kComfyHistoryLag, 4},     {FaultKind::kComfySlow, 3},
    {FaultKind::kDatabaseAway, 6},       {FaultKind::kDatabaseAnswersLost, 8}, {FaultKind::kDatabaseHeld, 6},
    {FaultKind::kCallsLost, 5},          {FaultKind::kStreamsBreak, 5},        {FaultKind::kHintsLost, 6},
    {FaultKind::kArtifactsFull, 3},      {FaultKind::kRedisAway, 1},           {FaultKind::kInstanceDrained, 4},
    {FaultKind::kInstanceDisabled, 4},   {FaultKind::kInstanceMoved, 5},       {FaultKind::kInstanceRemoved, 4},
    {FaultKind::kComfySick, 4},
};

constexpr PostFault kPostFaults[] = {
    PostFault::kRefuseConnection, PostFault::kNotSent,         PostFault::kBusy503,
    PostFault::kReadLate,         PostFault::kReadLate,        PostFault::kLoseAnswer,
    PostFault::kLoseAnswer,       PostFault::kAnswer500Queued, PostFault::kDieOnAccept};

constexpr ExecutionState kTriggers[] = {
    ExecutionState::kAssigned, ExecutionState::kSubmitting, ExecutionState::kSubmitting, ExecutionState::kQueued,
    ExecutionState::kRunning,  ExecutionState::kCollecting, ExecutionState::kCompleted,  ExecutionState::kFailed};

constexpr absl::Duration kGap = absl::Seconds(1);  // without sockets: a node or two

bool is_comfy(FaultKind kind) {
  return kind >= FaultKind::kComfyPost && kind <= FaultKind::kComfySlow;
}

FaultKind draw_kind(base::Random& random) {
  int total = 0;
  for (const Weighted& entry : kTable) total += entry.weight;
  auto left = static_cast<int>(random.below(static_cast<std::uint64_t>(total)));
  for (const Weighted& entry : kTable) {
    left -= entry.weight;
    if (left < 0) return entry.kind;
  }
  return FaultKind::kKillBridge;
}

Role role_of(FaultKind kind) {
  switch (kind) {
    case FaultKind::kKillDispatcher:
    case FaultKind::kStopDispatcher:
      return Role::kDispatcher;
    case FaultKind::kKillGateway:
    case FaultKind::kStopGateway:
      return Role::kGateway;
    default:
      return Role::kBridge;
  }
}

}  // namespace

std::vector<PlannedFault> plan_faults(base::Random& random, std::size_t comfies, absl::Duration span) {
  std::vector<PlannedFault> plan;
  const int count = 8 + static_cast<int>(random.below(9));
  for (int i = 0; i < count; ++i) {
    PlannedFault fault;
    fault.kind = draw_kind(random);
    fault.post = kPostFaults[random.below(std::size(kPostFaults))];
    fault.at = random.jitter(span);
    const bool bound = random.chance(0.6);
    const ExecutionState state = kTriggers[random.below(std::size(kTriggers))];
    // A fault of the next POST has its moment already.
    if (bound && fault.kind != FaultKind::kComfyPost) fault.when_reached = state;
    fault.extra_steps = static_cast<int>(random.below(60));
    fault.lasts = random.chance(0.5) ? random.jitter(absl::Seconds(3)) : random.jitter(absl::Seconds(30));
    fault.comfy = random.below(comfies);
    plan.push_back(fault);
  }
  return plan;
}

Faults::Faults(Park& park, std::vector<PlannedFault> plan, int instances)
    : park_(park), operator_(park, instances), plan_(std::move(plan)) {
  for (std::size_t i = 0; i < park_.comfies().size(); ++i) {
    park_.comfies()[i]->on_post_fault([this, i](PostFault post, const std::string& execution_id) {
      const base::ExecutionId id{std::strtoll(execution_id.c_str(), nullptr, 10)};
      const FaultRecord record{FaultKind::kComfyPost, post, park_.world().now(), park_.world().now(),
                               static_cast<int>(i)};
      const std::string name = to_string(FaultKind::kComfyPost, post);
      park_.world().note("FAULT", name + " execution_id=" + execution_id);
      records_.push_back(record);
      post_faults_.insert_or_assign(id, record);
      const auto* execution = park_.database().execution(id);
      coverage_.count(name, execution == nullptr ? "idle" : std::string(domain::to_string(execution->row.state)));
    });
  }
}

void Faults::start() {
  for (const PlannedFault& fault : plan_) {
    later(fault.at, [this, fault] {
      if (fault.when_reached) {
        armed_.push_back(fault);
      } else {
        pending_.push_back({fault.extra_steps, fault});
      }
    });
  }
}

void Faults::top_up() {
  for (PlannedFault& fault : std::exchange(armed_, {})) pending_.push_back({fault.extra_steps, fault});
  for (int i = static_cast<int>(records_.size() + pending_.size()); i < kLeast; ++i) {
    PlannedFault fault;
    fault.kind = i % 2 == 0 ? FaultKind::kStreamsBreak : FaultKind::kKillDispatcher;
    fault.lasts = absl::Milliseconds(500);
    pending_.push_back({i * 50, fault});
  }
}

void Faults::later(absl::Duration delay, std::function<void()> what) {
  park_.world().after(delay, [this, what = std::move(what)] {
    if (!stopped_) what();
  });
}

void Faults::after_step() {
  for (std::size_t i = 0; i < pending_.size();) {
    if (pending_[i].steps-- > 0) {
      ++i;
      continue;
    }
    const PlannedFault fault = pending_[i].fault;
    pending_.erase(pending_.begin() + static_cast<std::ptrdiff_t>(i));
    apply(fault);
  }
}

void Faults::executions_moved() {
  for (const auto& [id, execution] : park_.database().tables().executions) {
    auto [it, fresh] = last_states_.try_emplace(id, execution.row.state);
    if (!fresh && it->second == execution.row.state) continue;
    it->second = execution.row.state;
    // Its commit came through although whoever asked for it is dead or stopped.
    const sim::Process* bridge = park_.process(Role::kBridge);
    const bool absent = bridge == nullptr || bridge->stopped();
    if (absent && execution.row.state == ExecutionState::kSubmitting) disturbed_.insert(id);
    for (std::size_t i = 0; i < armed_.size() && !stopped_; ++i) {
      if (armed_[i].when_reached != execution.row.state) continue;
      PlannedFault fault = armed_[i];
      armed_.erase(armed_.begin() + static_cast<std::ptrdiff_t>(i));
      fault.comfy = static_cast<std::size_t>(park_.index_of(execution.row.instance_id));
      pending_.push_back({fault.extra_steps, fault});
      break;
    }
  }
}

void Faults::count_states(const std::string& name, int comfy) {
  bool any = false;
  for (const auto& [id, execution] : park_.database().tables().executions) {
    if (comfy >= 0 && park_.index_of(execution.row.instance_id) != comfy) continue;
    if (domain::is_final(execution.row.state)) {
      if (execution.row.settled_at || execution.row.state == ExecutionState::kWithdrawn) continue;
      coverage_.count(name, "unsettled");
    } else {
      coverage_.count(name, std::string(domain::to_string(execution.row.state)));
    }
    any = true;
  }
  if (!any) coverage_.count(name, "idle");
}

void Faults::note_disturbed() {
  for (const auto& [id, execution] : park_.database().tables().executions) {
    if (execution.row.state == ExecutionState::kSubmitting) disturbed_.insert(id);
  }
}

void Faults::note(FaultKind kind, absl::Duration lasts) {
  const absl::Time now = park_.world().now();
  records_.push_back({kind, {}, now, now + lasts, -1});
  count_states(to_string(kind, {}), -1);
  note_disturbed();
}

void Faults::apply(const PlannedFault& fault) {
  if (stopped_) return;
  if (fault.kind <= FaultKind::kStopGateway) {
    apply_process(fault);
  } else if (is_comfy(fault.kind)) {
    apply_comfy(fault);
  } else if (fault.kind >= FaultKind::kInstanceDrained) {
    apply_operator(fault);
  } else {
    apply_outside(fault);
  }
}

void Faults::apply_process(const PlannedFault& fault) {
  const Role role = role_of(fault.kind);
  sim::Process* process = park_.process(role);
  const std::string name = to_string(fault.kind, fault.post);
  if (process == nullptr) return;  // dead already
  const absl::Time now = park_.world().now();
  const bool kill = fault.kind <= FaultKind::kKillGateway;
  if (!kill && process->stopped()) return;
  records_.push_back({fault.kind, fault.post, now, now + fault.lasts, -1});
  count_states(name, -1);
  if (role == Role::kBridge) note_disturbed();
  if (kill) {
    park_.kill(role);
    later(fault.lasts, [this, role] { park_.start(role); });
    return;
  }
  park_.world().note(process->name(), "is stopped");
  park_.world().stop(*process);
  later(absl::Seconds(1) + fault.lasts, [this, process] {
    park_.world().note(process->name(), "goes on");
    park_.world().resume(*process);
  });
}

void Faults::apply_comfy(const PlannedFault& fault) {
  testing::FakeComfy& comfy = *park_.comfies()[fault.comfy];
  if (fault.kind == FaultKind::kComfyPost) {
    comfy.arm(fault.post);  // recorded when it hits a POST
    return;
  }
  const std::string name = to_string(fault.kind, fault.post);
  const absl::Time now = park_.world().now();
  absl::Time until = now;
  if (fault.kind == FaultKind::kComfyDie && !comfy.up()) return;
  count_states(name, static_cast<int>(fault.comfy));
  park_.world().note("FAULT", name + " " + comfy.name());
  switch (fault.kind) {
    case FaultKind::kComfyRefuse:
      until = now + fault.lasts;
      comfy.refuse_connections(true);
      later(fault.lasts, [&comfy] { comfy.refuse_connections(false); });
      break;
    case FaultKind::kComfyDie:
      until = now + fault.lasts;
      comfy.die();
      later(fault.lasts, [&comfy] { comfy.restart(); });
      break;
    case FaultKind::kComfyForgetHistory:
      comfy.forget(false);
      break;
    case FaultKind::kComfyForgetAll:
      comfy.forget(true);
      break;
    case FaultKind::kComfyGapAndForgets:
      comfy.drop_sockets();
      comfy.refuse_connections(true);
      later(std::min(fault.lasts, kGap), [&comfy] { comfy.refuse_connections(false); });
      [[fallthrough]];
    case FaultKind::kComfyForgetsEnded:
      until = now + fault.lasts;
      comfy.forget_ended(true);
      later(fault.lasts, [&comfy] { comfy.forget_ended(false); });
      break;
    case FaultKind::kComfyDropSockets:
      comfy.drop_sockets();
      break;
    case FaultKind::kComfyDeaf:
      comfy.deafen();
      break;
    case FaultKind::kComfyOverwrites: {
      // Copies are late: some by as much as it takes to find the file overwritten before or while it is read.
      const absl::Duration late = testing::FakeComfy::kOverwrittenAfter + fault.lasts / 10;
      until = now + fault.lasts + late;
      comfy.overwrite_ended(true);
      later(fault.lasts, [&comfy] { comfy.overwrite_ended(false); });
      park_.depot().set_condition(testing::ArtifactDepot::Condition::kFull);
      later(late, [this] { park_.depot().set_condition(testing::ArtifactDepot::Condition::kGood); });
      break;
    }
    case FaultKind::kComfyHistoryLag:
      until = now + fault.lasts;
      comfy.settings().history_lag = absl::Seconds(2);
      later(fault.lasts, [&comfy] { comfy.settings().history_lag = absl::Milliseconds(2); });
      break;
    case FaultKind::kComfySick:
      until = now + fault.lasts;
      comfy.sick(true);
      later(fault.lasts, [&comfy] { comfy.sick(false); });
      break;
    case FaultKind::kComfySlow:
      until = now + fault.lasts;
      comfy.slow(20);
      later(fault.lasts, [&comfy] { comfy.slow(1); });
      break;
    default:
      break;
  }
  records_.push_back({fault.kind, fault.post, now, until, static_cast<int>(fault.comfy)});
}

void Faults::apply_outside(const PlannedFault& fault) {
  const std::string name = to_string(fault.kind, fault.post);
  const absl::Time now = park_.world().now();
  records_.push_back({fault.kind, fault.post, now, now + fault.lasts, -1});
  count_states(name, -1);
  park_.world().note("FAULT", name);
  auto& database = park_.database_weather();
  auto& network = park_.network().weather();
  switch (fault.kind) {
    case FaultKind::kDatabaseAway:
      note_disturbed();
      database.away = true;
      later(fault.lasts, [this, &database] {
        database.away = false;
        park_.world().note("FAULT", "database is back");
        park_.hints().reconnect();
      });
      break;
    case FaultKind::kDatabaseAnswersLost:
      database.answer_lost = 0.3;
      later(fault.lasts, [&database] { database.answer_lost = 0; });
      break;
    case FaultKind::kDatabaseHeld:
      database.held = 0.2;
      later(fault.lasts, [&database] { database.held = 0; });
      break;
    case FaultKind::kCallsLost:
      network.lost = 0.3;
      network.unheard = 0.3;
      network.doubled = 0.3;
      network.late = 0.3;
      later(fault.lasts, [&network] { network.lost = network.unheard = network.doubled = network.late = 0; });
      break;
    case FaultKind::kStreamsBreak:
      park_.network().break_streams();
      break;
    case FaultKind::kHintsLost:
      park_.hint_loss() = 0.8;
      later(fault.lasts, [this] { park_.hint_loss() = 0; });
      break;
    case FaultKind::kArtifactsFull:
      park_.depot().set_condition(testing::ArtifactDepot::Condition::kFull);
      later(fault.lasts, [this] { park_.depot().set_condition(testing::ArtifactDepot::Condition::kGood); });
      break;
    case FaultKind::kRedisAway:
      park_.redis().set_away(true);
      later(fault.lasts, [this] { park_.redis().set_away(false); });
      break;
    default:
      break;
  }
}

void Faults::apply_operator(const PlannedFault& fault) {
  static constexpr Deed kDeeds[] = {Deed::kDrain, Deed::kDisable, Deed::kMove, Deed::kRemove};
  const auto deed =
      kDeeds[static_cast<std::size_t>(fault.kind) - static_cast<std::size_t>(FaultKind::kInstanceDrained)];
  if (!operator_.act(deed, fault.comfy)) return;
  const std::string name = to_string(fault.kind, fault.post);
  const absl::Time now = park_.world().now();
  records_.push_back({fault.kind, fault.post, now, now + fault.lasts, static_cast<int>(fault.comfy)});
  count_states(name, static_cast<int>(fault.comfy));
  park_.world().note("FAULT", name + " " + park_.comfies()[fault.comfy]->name());
  later(fault.lasts, [this] { operator_.restore(); });
}

void Faults::stop_all() {
  stopped_ = true;
  armed_.clear();
  pending_.clear();
  park_.world().note("FAULT", "all faults have stopped");
  park_.database_weather().away = false;
  park_.database_weather().answer_lost = 0;
  park_.database_weather().held = 0;
  auto& network = park_.network().weather();
  network.lost = network.unheard = network.doubled = network.late = 0;
  park_.hint_loss() = 0;
  park_.depot().set_condition(testing::ArtifactDepot::Condition::kGood);
  park_.redis().set_away(false);
  for (auto& comfy : park_.comfies()) {
    comfy->disarm();
    comfy->refuse_connections(false);
    comfy->forget_ended(false);
    comfy->overwrite_ended(false);
    comfy->slow(1);
    comfy->sick(false);
    comfy->settings().history_lag = absl::Milliseconds(2);
    comfy->restart();
  }
  for (const Role role : kRoles) {
    if (sim::Process* process = park_.process(role)) park_.world().resume(*process);
    park_.start(role);
  }
  park_.hints().reconnect();
  operator_.restore();
}

}  // namespace renderyard::simulation
