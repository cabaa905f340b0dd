// Fault × state reached: how often each kind of fault met an execution in each state.
#pragma once

#include <map>
#include <string>
#include <utility>

namespace renderyard::simulation {

class Coverage {
 public:
  void count(const std::string& fault, const std::string& state) { ++counts_[{fault, state}]; }
  void add(const Coverage& other) {
    for (const auto& [key, n] : other.counts_) counts_[key] += n;
  }
  int at(const std::string& fault, const std::string& state) const {
    auto it = counts_.find({fault, state});
    return it == counts_.end() ? 0 : it->second;
  }
  // A table for people: one row per fault, one column per state.
  std::string table() const;

 private:
  std::map<std::pair<std::string, std::string>, int> counts_;
};

}  // namespace renderyard::simulation
