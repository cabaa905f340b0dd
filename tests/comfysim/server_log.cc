#include "tests/comfysim/server_log.h"

#include <array>
#include <cstdio>
#include <ctime>

#include "tests/comfysim/ledger.h"

namespace comfysim {
namespace {

constexpr std::size_t kLines = 300;

json::object terminal_size() {
  return json::object{{"cols", 80}, {"rows", 24}};
}

std::string now_text() {
  const std::int64_t now = now_us();
  const auto seconds = static_cast<std::time_t>(now / 1'000'000);
  std::tm parts{};
  ::gmtime_r(&seconds, &parts);
  std::array<char, 40> text{};
  const std::size_t size = std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%S", &parts);
  std::snprintf(text.data() + size, text.size() - size, ".%06d", static_cast<int>(now % 1'000'000));
  return text.data();
}

json::object to_json(const std::string& time, const std::string& text) {
  return json::object{{"t", time}, {"m", text}};
}

}  // namespace

void ServerLog::add(std::string_view text) {
  const std::lock_guard lock(mutex_);
  const Entry& entry = entries_.emplace_back(Entry{now_text(), prefix_ + std::string(text) + "\n"});
  for (const std::string& client : subscribers_) {
    json::value size = nullptr;
    if (!size_told_) size = terminal_size();
    sink_.send(client, "logs", {{"entries", {to_json(entry.time, entry.text)}}, {"size", std::move(size)}});
  }
  size_told_ = size_told_ || !subscribers_.empty();
  if (entries_.size() > kLines) entries_.pop_front();
}

void ServerLog::subscribe(const std::string& client) {
  const std::lock_guard lock(mutex_);
  subscribers_.insert(client);
}

void ServerLog::unsubscribe(const std::string& client) {
  const std::lock_guard lock(mutex_);
  subscribers_.erase(client);
}

std::string ServerLog::text() const {
  const std::lock_guard lock(mutex_);
  std::string out;
  for (const Entry& entry : entries_) out += entry.time + " - " + entry.text;
  return out;
}

json::object ServerLog::raw() const {
  const std::lock_guard lock(mutex_);
  json::array entries;
  for (const Entry& entry : entries_) entries.push_back(to_json(entry.time, entry.text));
  return json::object{{"entries", std::move(entries)}, {"size", terminal_size()}};
}

}  // namespace comfysim
