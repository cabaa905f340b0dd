// The queue of prompts and the history (execution.PromptQueue of ComfyUI).
#ifndef RENDERYARD_TESTS_COMFYSIM_PROMPT_QUEUE_H_
#define RENDERYARD_TESTS_COMFYSIM_PROMPT_QUEUE_H_

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "tests/comfysim/pyjson.h"

namespace comfysim {

// One accepted prompt. Immutable once queued.
struct PromptItem {
  json::value number;  // int, or float when the client gave it
  std::string prompt_id;
  json::object prompt;
  json::object extra_data;
  json::array outputs;  // ids of the output nodes to run

  // [number, prompt_id, prompt, extra_data, outputs] as /queue and history have it.
  json::array to_json() const;
};

// Takes the tokens for paid nodes out of extra_data.
void hide_secrets(json::object& extra_data);

using ItemPtr = std::shared_ptr<const PromptItem>;

// Two entries of the heap with equal number and id: Python compares on, reaches the prompts and raises TypeError. The
// new entry is in the queue all the same.
struct HeapConflict : std::runtime_error {
  HeapConflict() : std::runtime_error("'<' not supported between instances of 'dict' and 'dict'") {}
};

// A min-heap on (number, prompt_id) laid out as Python's heapq does, the running prompt, and the history. Thread-safe.
class PromptQueue {
 public:
  // `on_change` is called, under the lock, with the number of pending and running prompts each time it may have
  // changed.
  explicit PromptQueue(std::function<void(std::size_t)> on_change);

  // Throws HeapConflict after the entry was put in.
  void put(ItemPtr item);

  // Waits for a prompt and makes it the running one; the first is the task id for `task_done`. nullopt after stop().
  std::optional<std::pair<std::uint64_t, ItemPtr>> take();
  void stop();

  // Moves the running prompt to history in one step. Ignored when the task is not known (forgotten meanwhile).
  void task_done(std::uint64_t task, json::object entry);

  // Removes one pending entry of that id; nullptr when there is none.
  ItemPtr remove(const std::string& prompt_id);
  std::vector<ItemPtr> clear();

  enum class Cancelled { kNo, kPending, kRunning };
  // Removes the pending prompt or calls `interrupt` while the lock guarantees that it still runs. `item` gets it.
  Cancelled cancel(const std::string& prompt_id, const std::function<void()>& interrupt, ItemPtr& item);

  // Drops queue, running prompt and history without a message, as a restart does; `then` runs under the same lock.
  void forget(const std::function<void()>& then);

  // Whether that task of take() is still the running one; false after stop().
  bool is_running(std::uint64_t task) const;

  std::size_t remaining() const;
  std::vector<ItemPtr> running() const;
  // The raw heap array, not sorted.
  std::vector<ItemPtr> pending() const;

  // {id: entry}; `max_items` and `offset` as GET /history takes them.
  json::object history(std::optional<std::int64_t> max_items, std::int64_t offset) const;
  json::object history_of(const std::string& prompt_id) const;
  void clear_history();
  void delete_history(const std::string& prompt_id);

 private:
  ItemPtr remove_locked(const std::string& prompt_id);
  std::size_t remaining_locked() const { return heap_.size() + running_.size(); }

  mutable std::mutex mutex_;
  std::condition_variable not_empty_;
  std::function<void(std::size_t)> on_change_;
  std::vector<ItemPtr> heap_;
  std::map<std::uint64_t, ItemPtr> running_;
  std::uint64_t next_task_ = 0;
  bool stopped_ = false;
  std::list<std::pair<std::string, json::object>> history_;
  std::unordered_map<std::string, std::list<std::pair<std::string, json::object>>::iterator> history_index_;
};

}  // namespace comfysim

#endif  // RENDERYARD_TESTS_COMFYSIM_PROMPT_QUEUE_H_
