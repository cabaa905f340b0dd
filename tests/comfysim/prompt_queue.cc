#include "tests/comfysim/prompt_queue.h"

#include <algorithm>

namespace comfysim {
namespace {

constexpr std::size_t kMaximumHistory = 10'000;

using Heap = std::vector<ItemPtr>;

bool before(const PromptItem& a, const PromptItem& b) {
  const double left = a.number.to_number<double>();
  const double right = b.number.to_number<double>();
  if (left != right) return left < right;
  if (a.prompt_id != b.prompt_id) return a.prompt_id < b.prompt_id;
  throw HeapConflict();
}

// heapq._siftdown and heapq._siftup.
void sift_down(Heap& heap, std::size_t start, std::size_t position) {
  const ItemPtr item = heap[position];
  while (position > start) {
    const std::size_t parent = (position - 1) / 2;
    if (!before(*item, *heap[parent])) break;
    heap[position] = heap[parent];
    position = parent;
  }
  heap[position] = item;
}

void sift_up(Heap& heap, std::size_t position) {
  const std::size_t start = position;
  const ItemPtr item = heap[position];
  for (std::size_t child = 2 * position + 1; child < heap.size(); child = 2 * position + 1) {
    if (child + 1 < heap.size() && !before(*heap[child], *heap[child + 1])) ++child;
    heap[position] = heap[child];
    position = child;
  }
  heap[position] = item;
  sift_down(heap, start, position);
}

ItemPtr pop(Heap& heap) {
  ItemPtr last = heap.back();
  heap.pop_back();
  if (heap.empty()) return last;
  std::swap(last, heap[0]);
  try {
    sift_up(heap, 0);
  } catch (const HeapConflict&) {
    std::stable_sort(heap.begin(), heap.end(), [](const ItemPtr& a, const ItemPtr& b) {
      return a->number.to_number<double>() < b->number.to_number<double>();
    });
  }
  return last;
}

}  // namespace

void hide_secrets(json::object& extra_data) {
  extra_data.stable_erase("auth_token_comfy_org");
  extra_data.stable_erase("api_key_comfy_org");
}

json::array PromptItem::to_json() const {
  return json::array{number, json::string(prompt_id), prompt, extra_data, outputs};
}

PromptQueue::PromptQueue(std::function<void(std::size_t)> on_change) : on_change_(std::move(on_change)) {}

void PromptQueue::put(ItemPtr item) {
  const std::lock_guard lock(mutex_);
  heap_.push_back(std::move(item));
  sift_down(heap_, 0, heap_.size() - 1);
  on_change_(remaining_locked());
  not_empty_.notify_one();
}

std::optional<std::pair<std::uint64_t, ItemPtr>> PromptQueue::take() {
  std::unique_lock lock(mutex_);
  not_empty_.wait(lock, [this] { return stopped_ || !heap_.empty(); });
  if (stopped_) return std::nullopt;
  const std::uint64_t task = next_task_++;
  ItemPtr item = pop(heap_);
  running_[task] = item;
  on_change_(remaining_locked());
  return std::pair(task, std::move(item));
}

void PromptQueue::stop() {
  const std::lock_guard lock(mutex_);
  stopped_ = true;
  not_empty_.notify_all();
}

void PromptQueue::task_done(std::uint64_t task, json::object entry) {
  const std::lock_guard lock(mutex_);
  const auto running = running_.find(task);
  if (running == running_.end()) return;
  const std::string id = running->second->prompt_id;
  running_.erase(running);
  if (history_.size() > kMaximumHistory) {
    history_index_.erase(history_.front().first);
    history_.pop_front();
  }
  if (const auto known = history_index_.find(id); known != history_index_.end()) {
    known->second->second = std::move(entry);
  } else {
    history_.emplace_back(id, std::move(entry));
    history_index_[id] = std::prev(history_.end());
  }
  on_change_(remaining_locked());
}

ItemPtr PromptQueue::remove_locked(const std::string& prompt_id) {
  const auto found =
      std::find_if(heap_.begin(), heap_.end(), [&](const ItemPtr& item) { return item->prompt_id == prompt_id; });
  if (found == heap_.end()) return nullptr;
  ItemPtr item = *found;
  // The last one goes by wipe_queue(), which tells the clients once more.
  if (heap_.size() == 1) {
    heap_.clear();
    on_change_(remaining_locked());
  } else {
    heap_.erase(found);
    for (std::size_t i = heap_.size() / 2; i-- > 0;) sift_up(heap_, i);
  }
  on_change_(remaining_locked());
  return item;
}

ItemPtr PromptQueue::remove(const std::string& prompt_id) {
  const std::lock_guard lock(mutex_);
  return remove_locked(prompt_id);
}

std::vector<ItemPtr> PromptQueue::clear() {
  const std::lock_guard lock(mutex_);
  std::vector<ItemPtr> out = std::exchange(heap_, {});
  on_change_(remaining_locked());
  return out;
}

PromptQueue::Cancelled PromptQueue::cancel(const std::string& prompt_id, const std::function<void()>& interrupt,
                                           ItemPtr& item) {
  const std::lock_guard lock(mutex_);
  for (const auto& [task, running] : running_) {
    if (running->prompt_id != prompt_id) continue;
    item = running;
    interrupt();
    return Cancelled::kRunning;
  }
  item = remove_locked(prompt_id);
  return item == nullptr ? Cancelled::kNo : Cancelled::kPending;
}

void PromptQueue::forget(const std::function<void()>& then) {
  const std::lock_guard lock(mutex_);
  heap_.clear();
  running_.clear();
  history_.clear();
  history_index_.clear();
  then();
}

bool PromptQueue::is_running(std::uint64_t task) const {
  const std::lock_guard lock(mutex_);
  return !stopped_ && running_.contains(task);
}

std::size_t PromptQueue::remaining() const {
  const std::lock_guard lock(mutex_);
  return remaining_locked();
}

std::vector<ItemPtr> PromptQueue::running() const {
  const std::lock_guard lock(mutex_);
  std::vector<ItemPtr> out;
  for (const auto& [task, item] : running_) out.push_back(item);
  return out;
}

std::vector<ItemPtr> PromptQueue::pending() const {
  const std::lock_guard lock(mutex_);
  return heap_;
}

json::object PromptQueue::history(std::optional<std::int64_t> max_items, std::int64_t offset) const {
  const std::lock_guard lock(mutex_);
  if (offset < 0 && max_items) offset = static_cast<std::int64_t>(history_.size()) - *max_items;
  json::object out;
  std::int64_t index = 0;
  for (const auto& [id, entry] : history_) {
    if (index++ < offset) continue;
    out[id] = entry;
    if (max_items && static_cast<std::int64_t>(out.size()) >= *max_items) break;
  }
  return out;
}

json::object PromptQueue::history_of(const std::string& prompt_id) const {
  const std::lock_guard lock(mutex_);
  json::object out;
  const auto found = history_index_.find(prompt_id);
  if (found != history_index_.end()) out[prompt_id] = found->second->second;
  return out;
}

void PromptQueue::clear_history() {
  const std::lock_guard lock(mutex_);
  history_.clear();
  history_index_.clear();
}

void PromptQueue::delete_history(const std::string& prompt_id) {
  const std::lock_guard lock(mutex_);
  const auto found = history_index_.find(prompt_id);
  if (found == history_index_.end()) return;
  history_.erase(found->second);
  history_index_.erase(found);
}

}  // namespace comfysim
