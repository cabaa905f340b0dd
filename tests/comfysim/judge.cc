#include "tests/comfysim/judge.h"

#include <algorithm>
#include <optional>
#include <sstream>
#include <utility>

#include "tests/comfysim/files.h"

namespace comfysim {
namespace {

std::string text_of(const json::object& line, std::string_view key) {
  const json::value* value = line.if_contains(json::string_view(key.data(), key.size()));
  return value == nullptr || value->is_null() ? std::string() : python_str(*value);
}

json::object show(const PromptStory& story) {
  json::object out = {{"ledger", story.ledger},
                      {"prompt_id", story.prompt_id},
                      {"execution_id", nullptr},
                      {"accepted_us", story.accepted_us},
                      {"started_us", story.started_us},
                      {"status", nullptr},
                      {"why", nullptr}};
  if (!story.execution_id.empty()) out["execution_id"] = story.execution_id;
  if (!story.status.empty()) out["status"] = story.status;
  if (!story.why.empty()) out["why"] = story.why;
  if (!story.interrupted.empty()) out["interrupted"] = story.interrupted;
  return out;
}

json::array show(const std::vector<PromptStory>& stories) {
  json::array out;
  for (const PromptStory& story : stories) out.push_back(show(story));
  return out;
}

std::string describe(const PromptStory& story) {
  std::string out = "  " + story.prompt_id;
  if (!story.execution_id.empty()) out += " (execution " + story.execution_id + ")";
  out += " in " + story.ledger + ": ";
  out += story.status.empty() ? "no end" : story.status;
  if (!story.why.empty()) out += ", " + story.why;
  if (!story.interrupted.empty()) {
    out += ", by " + text_of(story.interrupted, "by") +
           (story.interrupted.at("targeted") == true ? " (targeted)" : " (not targeted)");
    if (const std::string agent = text_of(story.interrupted, "user_agent"); !agent.empty()) out += " from " + agent;
  }
  return out + "\n";
}

template <class Wanted>
std::vector<PromptStory> choose(const std::vector<PromptStory>& stories, Wanted wanted) {
  std::vector<PromptStory> out;
  std::copy_if(stories.begin(), stories.end(), std::back_inserter(out), wanted);
  return out;
}

}  // namespace

// Follows one ledger line by line; knows which of its prompts wait, and which one runs.
class Judgement::Reader {
 public:
  Reader(Judgement& into, std::string name) : into_(into), name_(std::move(name)) {}

  void line(const json::object& line) {
    const std::string event = text_of(line, "event");
    if (event == "boot") cut("the server was started again", true);
    if (event == "post") ++into_.posts_;
    if (event == "refused") ++into_.refused_[text_of(line, "reason")];
    if (event == "accepted") accept(line).accepted_us = line.at("t_us").as_int64();
    if (event == "started") start(line);
    if (event == "deleted") remove(line);
    if (event == "fault") strike(line);
    if (!running_) return;
    PromptStory& story = into_.stories_[*running_];
    if (event == "file") ++story.files;
    if (event == "interrupted") {
      for (const char* key : {"by", "targeted", "user_agent"}) {
        if (const json::value* value = line.if_contains(key)) story.interrupted[key] = *value;
      }
    }
    if (event == "ended") {
      story.status = text_of(line, "status");
      running_.reset();
    }
  }

 private:
  PromptStory& accept(const json::object& line) {
    waiting_.push_back(into_.stories_.size());
    PromptStory story;
    story.ledger = name_;
    story.prompt_id = text_of(line, "prompt_id");
    story.execution_id = text_of(line, "execution_id");
    return into_.stories_.emplace_back(std::move(story));
  }

  // Takes the oldest waiting prompt of that id out of those that wait.
  std::optional<std::size_t> take(const std::string& prompt_id) {
    const auto found = std::find_if(waiting_.begin(), waiting_.end(),
                                    [&](std::size_t index) { return into_.stories_[index].prompt_id == prompt_id; });
    if (found == waiting_.end()) return std::nullopt;
    const std::size_t index = *found;
    waiting_.erase(found);
    return index;
  }

  void start(const json::object& line) {
    std::optional<std::size_t> index = take(text_of(line, "prompt_id"));
    if (!index) {
      accept(line);
      index = take(text_of(line, "prompt_id"));
    }
    running_ = index;
    into_.stories_[*index].started_us = line.at("t_us").as_int64();
  }

  void remove(const json::object& line) {
    const std::optional<std::size_t> index = take(text_of(line, "prompt_id"));
    if (!index) return;
    into_.stories_[*index].status = "deleted";
    into_.stories_[*index].why = text_of(line, "by");
  }

  void strike(const json::object& line) {
    const std::string kind = text_of(line, "fault");
    if (kind == "forget") cut("fault forget", true);
    if (kind == "die") cut("fault die", true);
    if (kind == "worker_death") cut("fault worker_death", false);
  }

  // What runs, and what waits too when `all`, has no end any more.
  void cut(const std::string& why, bool all) {
    if (running_) into_.stories_[*running_].why = why;
    if (!all) return;
    for (const std::size_t index : waiting_) into_.stories_[index].why = why;
    running_.reset();
    waiting_.clear();
  }

  Judgement& into_;
  const std::string name_;
  std::vector<std::size_t> waiting_;
  std::optional<std::size_t> running_;
};

void Judgement::read(const std::filesystem::path& file) {
  const std::optional<std::string> text = read_file(file);
  if (!text) throw UnreadableLedger(file.string() + ": cannot be read");
  read(file.string(), *text);
}

void Judgement::read(const std::string& name, std::string_view text) {
  Reader reader(*this, name);
  ++ledgers_;
  for (std::size_t number = 1; !text.empty(); ++number) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    const std::optional<json::value> value = parse_json(line);
    const json::value* time = value ? member(*value, "t_us") : nullptr;
    if (time == nullptr || !time->is_int64() || member(*value, "event") == nullptr) {
      throw UnreadableLedger(name + ":" + std::to_string(number) + ": not a line of a ledger");
    }
    reader.line(value->get_object());
  }
}

std::vector<Twice> Judgement::executed_twice() const {
  std::map<std::pair<std::string, std::string>, std::vector<PromptStory>> runs;
  for (const PromptStory& story : stories_) {
    if (story.started_us == 0) continue;
    runs[{"prompt_id", story.prompt_id}].push_back(story);
    if (!story.execution_id.empty()) runs[{"execution_id", story.execution_id}].push_back(story);
  }
  std::vector<Twice> out;
  for (auto& [key, same] : runs) {
    if (same.size() < 2) continue;
    std::stable_sort(same.begin(), same.end(),
                     [](const PromptStory& a, const PromptStory& b) { return a.started_us < b.started_us; });
    out.push_back({key.first, key.second, std::move(same)});
  }
  return out;
}

std::vector<PromptStory> Judgement::never_finished() const {
  return choose(stories_, [](const PromptStory& story) { return story.started_us != 0 && story.status.empty(); });
}

std::vector<PromptStory> Judgement::interrupted() const {
  return choose(stories_, [](const PromptStory& story) { return story.status == "interrupted"; });
}

std::vector<PromptStory> Judgement::accepted_never_started() const {
  return choose(stories_, [](const PromptStory& story) { return story.started_us == 0 && story.status.empty(); });
}

std::size_t Judgement::count(std::string_view status) const {
  return static_cast<std::size_t>(std::count_if(stories_.begin(), stories_.end(),
                                                [&](const PromptStory& story) { return story.status == status; }));
}

json::object Judgement::to_json() const {
  json::array twice;
  for (const Twice& entry : executed_twice()) {
    twice.push_back({{"kind", entry.kind}, {"id", entry.id}, {"runs", show(entry.runs)}});
  }
  std::size_t files = 0;
  for (const PromptStory& story : stories_) files += story.files;
  json::object refusals;
  for (const auto& [reason, number] : refused_) refusals[reason] = number;
  const auto deleted = choose(stories_, [](const PromptStory& story) { return story.status == "deleted"; });
  return json::object{{"ledgers", ledgers_},
                      {"posts", posts_},
                      {"accepted", stories_.size()},
                      {"success", count("success")},
                      {"error", count("error")},
                      {"files", files},
                      {"executed_twice", std::move(twice)},
                      {"never_finished", show(never_finished())},
                      {"interrupted", show(interrupted())},
                      {"accepted_never_started", show(accepted_never_started())},
                      {"deleted", show(deleted)},
                      {"refused", std::move(refusals)}};
}

std::string Judgement::to_text() const {
  std::ostringstream out;
  const auto row = [&out](std::string_view name, std::size_t number) {
    out << name << std::string(24 - name.size(), ' ') << number << "\n";
  };
  std::size_t refusals = 0;
  for (const auto& [reason, number] : refused_) refusals += number;
  const std::vector<Twice> twice = executed_twice();
  row("ledgers", ledgers_);
  row("posts", posts_);
  row("refused", refusals);
  for (const auto& [reason, number] : refused_) out << "  " << number << " " << reason << "\n";
  row("accepted", stories_.size());
  row("success", count("success"));
  row("error", count("error"));
  row("interrupted", count("interrupted"));
  for (const PromptStory& story : interrupted()) out << describe(story);
  row("deleted", count("deleted"));
  row("never finished", never_finished().size());
  for (const PromptStory& story : never_finished()) out << describe(story);
  row("accepted, never started", accepted_never_started().size());
  for (const PromptStory& story : accepted_never_started()) out << describe(story);
  row("executed twice", twice.size());
  for (const Twice& entry : twice) {
    out << " " << entry.kind << " " << entry.id << "\n";
    for (const PromptStory& run : entry.runs) out << describe(run);
  }
  return out.str();
}

}  // namespace comfysim
