#include "libs/common/testing/fake_instance_store.h"

#include <algorithm>
#include <utility>

#include "libs/common/base/status_macros.h"
#include "libs/common/testing/fake_leases.h"

namespace renderyard::testing {

namespace {

const InstanceRecord* find_by_name(Transaction& txn, const std::string& name) {
  for (const auto& [id, instance] : txn.tables().instances) {
    if (!instance.row.removed_at && instance.row.name == name) return &instance;
  }
  return nullptr;
}

using Row = absl::StatusOr<ports::InstanceRow>;

Row put_changed(Transaction& txn, InstanceRecord instance) {
  ++instance.row.config_version;
  RETURN_IF_ERROR(txn.put(instance));
  return txn.database().view(instance);
}

void fit_slots(Transaction& txn, const ports::InstanceRow& row) {
  for (int slot = 0; slot < row.slots; ++slot) {
    if (!txn.tables().slots.contains(SlotKey(row.id, slot))) txn.set_slot(SlotKey(row.id, slot), std::nullopt);
  }
  drop_slots(txn, row.id);
}

std::vector<ports::SecretHeader> sorted(std::vector<ports::SecretHeader> headers) {
  std::sort(headers.begin(), headers.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  return headers;
}

bool followed_though_removed(Transaction& txn, const std::string& api_url) {
  const auto& all = txn.tables().instances;
  return std::any_of(all.begin(), all.end(), [&](const auto& entry) {
    const ports::InstanceRow& row = entry.second.row;
    return row.removed_at && row.api_url == api_url && txn.database().has_live_execution(row.id);
  });
}

Row add_instance(Transaction& txn, const ports::NewInstance& wanted) {
  const InstanceRecord* same_name = find_by_name(txn, wanted.name);
  if (same_name != nullptr && same_name->row.api_url == wanted.api_url && !same_name->row.is_enabled) {
    InstanceRecord again = *same_name;
    again.row.is_enabled = true;
    return put_changed(txn, std::move(again));
  }
  if (followed_though_removed(txn, wanted.api_url)) return ports::still_followed(wanted.api_url);
  if (same_name != nullptr) return ports::already_exists(wanted, same_name->row);
  for (const auto& [id, other] : txn.tables().instances) {
    if (!other.row.removed_at && other.row.api_url == wanted.api_url) return ports::already_exists(wanted, other.row);
  }
  InstanceRecord instance;
  instance.row.id = txn.draw_instance_id();
  instance.row.name = wanted.name;
  instance.row.api_url = wanted.api_url;
  instance.row.ws_url = wanted.ws_url;
  instance.row.slots = wanted.slots;
  instance.row.behind_proxy = wanted.behind_proxy;
  instance.row.unique_prefix = wanted.unique_prefix;
  instance.row.shared_instance = wanted.shared_instance;
  instance.headers = sorted(wanted.headers);
  RETURN_IF_ERROR(txn.put(instance));
  fit_slots(txn, instance.row);
  return txn.database().view(instance);
}

// The instance of this name at another address; the old one is removed.
absl::StatusOr<InstanceRecord> move(Transaction& txn, InstanceRecord old, const ports::InstanceChange& change) {
  if (!old.headers.empty() && !change.headers) return ports::access_is_not_carried_over();
  if (followed_though_removed(txn, *change.api_url)) return ports::still_followed(*change.api_url);
  for (const auto& [id, other] : txn.tables().instances) {
    if (other.row.removed_at || other.row.api_url != *change.api_url) continue;
    ports::NewInstance wanted;
    wanted.api_url = *change.api_url;
    return ports::already_exists(wanted, other.row);
  }
  InstanceRecord moved;
  moved.row = old.row;
  moved.row.id = txn.draw_instance_id();
  moved.row.api_url = *change.api_url;
  moved.row.ws_url = change.ws_url.value_or("");
  moved.row.config_version = 1;
  moved.row.status = ports::InstanceStatus::kDisconnected;
  moved.row.reconnect_attempts = 0;
  moved.row.status_reason.reset();
  moved.row.last_connected_at.reset();
  moved.row.last_disconnected_at.reset();
  old.row.removed_at = txn.now();
  ++old.row.config_version;
  RETURN_IF_ERROR(txn.put(old));
  RETURN_IF_ERROR(txn.put(moved));
  RETURN_IF_ERROR(forget_removed_access(txn, old.row.id));
  return moved;
}

Row change_instance(Transaction& txn, const std::string& name, const ports::InstanceChange& change) {
  const InstanceRecord* found = find_by_name(txn, name);
  if (found == nullptr) return absl::NotFoundError("no such instance");
  InstanceRecord instance = *found;
  if (change.api_url && *change.api_url != instance.row.api_url) {
    ASSIGN_OR_RETURN(instance, move(txn, std::move(instance), change));
  }
  instance.row.slots = change.slots.value_or(instance.row.slots);
  instance.row.behind_proxy = change.behind_proxy.value_or(instance.row.behind_proxy);
  instance.row.unique_prefix = change.unique_prefix.value_or(instance.row.unique_prefix);
  instance.row.shared_instance = change.shared_instance.value_or(instance.row.shared_instance);
  if (change.headers) instance.headers = sorted(*change.headers);
  ++instance.row.config_version;
  RETURN_IF_ERROR(txn.put(instance));
  fit_slots(txn, instance.row);
  return txn.database().view(instance);
}

Row remove_instance(Transaction& txn, const std::string& name) {
  const InstanceRecord* found = find_by_name(txn, name);
  if (found == nullptr) return absl::NotFoundError("no such instance");
  InstanceRecord instance = *found;
  instance.row.removed_at = txn.now();
  ASSIGN_OR_RETURN(const ports::InstanceRow row, put_changed(txn, std::move(instance)));
  RETURN_IF_ERROR(forget_removed_access(txn, row.id));
  return txn.database().view(*txn.database().instance(row.id));
}

}  // namespace

base::Task<Row> FakeInstanceStore::add(ports::NewInstance instance) {
  return write<Row>("add_instance", Draws{},
                    [instance = std::move(instance)](Transaction& txn) { return add_instance(txn, instance); });
}

base::Task<absl::StatusOr<std::vector<ports::InstanceRow>>> FakeInstanceStore::list(bool with_removed) {
  return read<absl::StatusOr<std::vector<ports::InstanceRow>>>("list_instances", [with_removed](Transaction& txn) {
    std::vector<ports::InstanceRow> rows;
    for (const auto& [id, instance] : txn.tables().instances) {
      const bool shown = !instance.row.removed_at || (with_removed && txn.database().has_live_execution(id));
      if (shown) rows.push_back(txn.database().view(instance));
    }
    return rows;
  });
}

base::Task<Row> FakeInstanceStore::get(std::string name) {
  return read<Row>("get_instance", [name = std::move(name)](Transaction& txn) -> Row {
    const InstanceRecord* found = find_by_name(txn, name);
    if (found == nullptr) return absl::NotFoundError("no such instance");
    return txn.database().view(*found);
  });
}

base::Task<absl::StatusOr<std::optional<ports::KnownCapabilities>>> FakeInstanceStore::capabilities(
    ports::InstanceId id) {
  using Result = absl::StatusOr<std::optional<ports::KnownCapabilities>>;
  return read<Result>("capabilities", [id](Transaction& txn) -> Result {
    const InstanceRecord* found = txn.database().instance(id);
    return found == nullptr ? std::nullopt : found->capabilities;
  });
}

base::Task<Row> FakeInstanceStore::change(std::string name, ports::InstanceChange change) {
  return write<Row>("change_instance", Draws{}, [name = std::move(name), change = std::move(change)](Transaction& txn) {
    return change_instance(txn, name, change);
  });
}

base::Task<Row> FakeInstanceStore::set_enabled(std::string name, bool enabled) {
  return write<Row>("set_enabled", Draws{}, [name = std::move(name), enabled](Transaction& txn) -> Row {
    const InstanceRecord* found = find_by_name(txn, name);
    if (found == nullptr) return absl::NotFoundError("no such instance");
    InstanceRecord instance = *found;
    instance.row.is_enabled = enabled;
    return put_changed(txn, std::move(instance));
  });
}

base::Task<Row> FakeInstanceStore::set_draining(std::string name, bool draining) {
  return write<Row>("set_draining", Draws{}, [name = std::move(name), draining](Transaction& txn) -> Row {
    const InstanceRecord* found = find_by_name(txn, name);
    if (found == nullptr) return absl::NotFoundError("no such instance");
    InstanceRecord instance = *found;
    instance.row.is_draining = draining;
    return put_changed(txn, std::move(instance));
  });
}

base::Task<Row> FakeInstanceStore::remove(std::string name) {
  return write<Row>("remove_instance", Draws{},
                    [name = std::move(name)](Transaction& txn) { return remove_instance(txn, name); });
}

base::Task<absl::StatusOr<ports::InstanceRow>> FakeInstanceStore::release(std::string name) {
  return write<absl::StatusOr<ports::InstanceRow>>(
      "release_instance", Draws{}, [name = std::move(name)](Transaction& txn) -> absl::StatusOr<ports::InstanceRow> {
        const InstanceRecord* found = find_by_name(txn, name);
        if (found == nullptr) return absl::NotFoundError("no such instance");
        InstanceRecord instance = *found;
        instance.row.quarantined_at.reset();
        instance.row.quarantine.reset();
        instance.row.quarantined_by.reset();
        instance.row.circuit = {};
        ++instance.row.circuit_version;
        RETURN_IF_ERROR(txn.put(instance));
        return txn.database().view(instance);
      });
}

}  // namespace renderyard::testing
