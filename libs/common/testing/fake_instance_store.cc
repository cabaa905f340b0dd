#include "libs/common/testing/fake_instance_store.h"

#include <utility>

#include "libs/common/base/status_macros.h"

namespace renderyard::testing {

namespace {

const InstanceRecord* find_by_name(Transaction& txn, const std::string& name) {
  for (const auto& [id, instance] : txn.tables().instances) {
    if (!instance.row.removed_at && instance.row.name == name) return &instance;
  }
  return nullptr;
}

absl::StatusOr<ports::InstanceRow> put_enabled(Transaction& txn, InstanceRecord instance, bool enabled) {
  instance.row.is_enabled = enabled;
  RETURN_IF_ERROR(txn.put(instance));
  return txn.database().view(instance);
}

absl::StatusOr<ports::InstanceRow> add_instance(Transaction& txn, const ports::NewInstance& wanted) {
  const InstanceRecord* same_name = find_by_name(txn, wanted.name);
  if (same_name != nullptr && same_name->row.api_url == wanted.api_url && !same_name->row.is_enabled) {
    return put_enabled(txn, *same_name, true);
  }
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
  RETURN_IF_ERROR(txn.put(instance));
  for (int slot = 0; slot < wanted.slots; ++slot) txn.set_slot(SlotKey(instance.row.id, slot), std::nullopt);
  return txn.database().view(instance);
}

}  // namespace

base::Task<absl::StatusOr<ports::InstanceRow>> FakeInstanceStore::add(ports::NewInstance instance) {
  return write<absl::StatusOr<ports::InstanceRow>>(
      "add_instance", Draws{},
      [instance = std::move(instance)](Transaction& txn) { return add_instance(txn, instance); });
}

base::Task<absl::StatusOr<std::vector<ports::InstanceRow>>> FakeInstanceStore::list() {
  return read<absl::StatusOr<std::vector<ports::InstanceRow>>>("list_instances", [](Transaction& txn) {
    std::vector<ports::InstanceRow> rows;
    for (const auto& [id, instance] : txn.tables().instances) {
      if (!instance.row.removed_at) rows.push_back(txn.database().view(instance));
    }
    return rows;
  });
}

base::Task<absl::StatusOr<ports::InstanceRow>> FakeInstanceStore::set_enabled(std::string name, bool enabled) {
  return write<absl::StatusOr<ports::InstanceRow>>(
      "set_enabled", Draws{},
      [name = std::move(name), enabled](Transaction& txn) -> absl::StatusOr<ports::InstanceRow> {
        const InstanceRecord* found = find_by_name(txn, name);
        if (found == nullptr) return absl::NotFoundError("no such instance");
        return put_enabled(txn, *found, enabled);
      });
}

}  // namespace renderyard::testing
