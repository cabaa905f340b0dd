// The execution of one prompt (execution.PromptExecutor of ComfyUI).
#ifndef RENDERYARD_TESTS_COMFYSIM_RUN_H_
#define RENDERYARD_TESTS_COMFYSIM_RUN_H_

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "tests/comfysim/machine.h"
#include "tests/comfysim/nodes.h"
#include "tests/comfysim/output_cache.h"
#include "tests/comfysim/run_reporter.h"
#include "tests/comfysim/schedule.h"

namespace comfysim {

// Runs the nodes in the order of the generation and writes the ledger; what is told of it is RunReporter's. Lives on
// the worker for the time of one prompt.
class Run : private NodeHost {
 public:
  // `life` is RunControl::life() at the start; when it moves on the run ends without a trace.
  Run(Machine& machine, OutputCache& cache, ItemPtr item, std::uint64_t life);

  // The history entry; nullopt when the run was cut off silently.
  std::optional<json::object> execute();

  const std::string& prompt_id() const { return item_->prompt_id; }
  const PromptItem& item() const { return *item_; }

  // The files that this run put on disk.
  const std::vector<FileName>& written() const { return written_; }

  // Whose messages these are; no value when the prompt came without client_id.
  const Sid& client() const { return reporter_.client(); }

 private:
  // An async node on its way.
  struct AsyncTask {
    std::string id;
    AsyncWork work;
    std::int64_t step = 0;
    std::chrono::steady_clock::time_point due;
  };

  Files& files() override { return machine_.files; }
  const Generation& generation() const override { return machine_.generation; }
  std::int64_t step_ms() const override { return machine_.options.step_ms; }
  bool sampler_previews() const override;
  PngTexts png_texts() const override;
  void sleep(double seconds) override;
  void progress(std::int64_t value, std::int64_t max, const std::optional<Preview>& preview) override;
  void end_worker() override;
  void send_text(const std::string& text) override;
  void wrote(const FileName& name, const std::string& bytes) override;

  void run_all();
  void run_recursive();
  void run_scheduled();
  // True when the node is done, false when it waits for others.
  bool visit(const std::string& id);
  bool run_node_of(const std::string& id);
  // Node classes see links followed; empty when an ExecutionBlocker is among them, which is passed on then.
  std::optional<NodeInputs> gather_inputs(const std::string& id);
  bool expand(const std::string& id, const Expansion& expansion);
  void start_async(const std::string& id, const NodeOutput& output);
  // Lets the async nodes that are due make their next step; waits for the first.
  void step_async();
  void finish(const std::string& id, NodeOutputPtr output);
  void store(const std::string& id, NodeOutputPtr output);
  NodeOutputPtr find(const std::string& id) const;
  void check_alive() const;
  void check_interrupt();
  void fail(const NodeError& error);
  // What execution_error shows of other nodes.
  json::value current_outputs() const;
  void log(std::string_view event, const json::object& more = {});

  Machine& machine_;
  OutputCache& cache_;
  const ItemPtr item_;
  const std::uint64_t life_;
  const json::value execution_id_;
  Graph graph_;
  RunReporter reporter_;
  std::optional<Schedule> schedule_;              // of the newer executor
  std::map<std::string, NodeOutputPtr> results_;  // of nodes that were made while running
  std::map<std::string, std::vector<Link>> expanded_;
  std::map<std::string, NodeOutputPtr> async_results_;
  std::vector<AsyncTask> async_;
  std::string node_;   // running now
  NodeInputs inputs_;  // ... and what it was given
  int executing_count_ = 0;
  json::array executed_;
  json::array cached_;
  bool success_ = false;
  std::vector<FileName> written_;
};

}  // namespace comfysim

#endif  // RENDERYARD_TESTS_COMFYSIM_RUN_H_
