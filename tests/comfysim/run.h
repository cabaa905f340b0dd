// The execution of one prompt (execution.PromptExecutor of ComfyUI).
#ifndef RENDERYARD_TESTS_COMFYSIM_RUN_H_
#define RENDERYARD_TESTS_COMFYSIM_RUN_H_

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "tests/comfysim/machine.h"
#include "tests/comfysim/nodes.h"
#include "tests/comfysim/output_cache.h"

namespace comfysim {

// Sends the messages of protocol section 5.2 in their order, fills the history entry, writes the ledger. Lives on the
// worker for the time of one prompt.
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
  const Sid& client() const { return client_; }

 private:
  Files& files() override { return machine_.files; }
  const Generation& generation() const override { return machine_.generation; }
  std::int64_t step_ms() const override { return machine_.options.step_ms; }
  bool sampler_previews() const override;
  PngTexts png_texts() const override;
  void sleep(double seconds) override;
  void progress(std::int64_t value, std::int64_t max, const std::optional<Preview>& preview) override;
  void send_text(const std::string& text) override;
  void wrote(const FileName& name, const std::string& bytes) override;

  void run_all();
  void run_node_of(const std::string& id);
  void reuse(const std::string& id, const NodeOutput& output);
  NodeInputs gather_inputs(const std::string& id) const;
  void check_alive() const;
  void check_interrupt();
  void keep_ui(const std::string& id, const NodeOutput& output);
  void set_progress(const std::string& id, json::value value, json::value max, const char* state);
  void send_progress_state();
  void send_preview(const Preview& preview, bool with_metadata);
  void send_to_client(std::string_view type, json::object data);
  // Sends and keeps for the history; without a client only when `broadcast`.
  void add_message(std::string_view type, json::object data, bool broadcast);
  void fail(const NodeError& error);
  void log(std::string_view event, const json::object& more = {});
  std::string class_of(const std::string& id) const;

  Machine& machine_;
  OutputCache& cache_;
  const ItemPtr item_;
  const std::uint64_t life_;
  const json::value execution_id_;
  Sid client_;
  std::string node_;   // running now
  NodeInputs inputs_;  // ... and what it was given
  int executing_count_ = 0;
  json::array executed_;
  json::array messages_;
  json::object outputs_;
  json::object meta_;
  json::object progress_;
  std::int64_t last_value_ = -1;
  std::chrono::steady_clock::time_point last_report_;
  std::string outcome_;
  std::vector<FileName> written_;
};

}  // namespace comfysim

#endif  // RENDERYARD_TESTS_COMFYSIM_RUN_H_
