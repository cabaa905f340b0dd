// One process's way to the fake ComfyUI servers: the ports over a simulated wire. A request's effect happens at the
// server even when the caller dies or gives up meanwhile. When a process dies the server notices the end of its sockets
// a little later, now and then seconds later.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "libs/common/ports/comfy_instance.h"
#include "libs/common/testing/fake_comfy/fake_comfy.h"
#include "libs/common/testing/sim/process.h"

namespace renderyard::testing {

// The servers by API URL. World level; outlives every process.
using ComfyFleet = std::map<std::string, FakeComfy*>;

class FakeComfyConnector final : public ports::ComfyConnector {
 public:
  FakeComfyConnector(sim::Process& process, const ComfyFleet& fleet) : process_(process), fleet_(fleet) {}
  std::unique_ptr<ports::ComfyInstance> instance(const ports::InstanceRow& row) override;

 private:
  sim::Process& process_;
  const ComfyFleet& fleet_;
};

class FakeComfyInstance final : public ports::ComfyInstance {
 public:
  FakeComfyInstance(sim::Process& process, FakeComfy& server) : process_(process), server_(server) {}

  base::Task<absl::StatusOr<std::unique_ptr<ports::ComfySocket>>> connect(std::string client_id,
                                                                          absl::Time deadline) override;
  void set_access(std::vector<ports::SecretHeader>) override {}  // these servers ask nobody for anything
  base::Task<absl::StatusOr<ports::ComfyAbilities>> probe(absl::Time deadline) override;
  base::Task<absl::StatusOr<domain::ServerDescription>> describe(absl::Time deadline) override;
  base::Task<domain::PostOutcome> post_prompt(std::string body, absl::Time begin_by, absl::Time deadline) override;
  base::Task<absl::StatusOr<domain::QueueListing>> queue(absl::Time deadline) override;
  base::Task<absl::StatusOr<std::optional<domain::HistoryEntry>>> history(std::string prompt_id,
                                                                          absl::Time deadline) override;
  base::Task<absl::StatusOr<std::vector<domain::QueueItem>>> recent_history(int max_items,
                                                                            absl::Time deadline) override;
  base::Task<absl::StatusOr<ports::FetchedFile>> fetch(domain::OutputFile file, ports::ByteSink sink,
                                                       ports::FetchBegun on_begun, absl::Time deadline) override;
  base::Task<absl::StatusOr<ports::FileVersion>> version(domain::OutputFile file, absl::Time deadline) override;
  base::Task<absl::Status> cancel(std::string prompt_id, ports::ComfyAbilities abilities, absl::Time deadline) override;

 private:
  sim::Process& process_;
  FakeComfy& server_;
};

}  // namespace renderyard::testing
