// Compares what was recorded with what comfysim said, but for ids, times and names that must differ.
#ifndef RENDERYARD_TESTS_COMFYSIM_REPLAY_DIFFER_H_
#define RENDERYARD_TESTS_COMFYSIM_REPLAY_DIFFER_H_

#include <map>
#include <string>
#include <vector>

#include "tests/comfysim/pyjson.h"
#include "tests/comfysim/replay/frames.h"

namespace comfysim::replay {

// Which of our ids and file names stands for which recorded one; one to one.
class Names {
 public:
  // Whether `actual` may stand for `recorded`: they are equal, or of one form (UUID, client id made by the server, file
  // name with a counter) and not bound to others yet.
  bool match(const std::string& recorded, const std::string& actual);

  // An id that a request chose stands for itself.
  void keep(const std::string& id);

  // Recorded text with all known names replaced by ours.
  std::string translate(std::string text) const;
  json::value translate(const json::value& value) const;

 private:
  std::map<std::string, std::string> ours_;
  std::map<std::string, std::string> recorded_;
};

// Collects the differences of one scenario.
class Differ {
 public:
  Names& names() { return names_; }
  const std::vector<std::string>& found() const { return found_; }
  void report(std::string difference);

  // `trimmed`: the recorder shortened it, so arrays may go on, objects may have more, "..." stands for anything.
  void compare(const json::value& recorded, const json::value& actual, const std::string& where, bool trimmed = false);
  // Differences that begin with `beginning` are not reported.
  void allow(std::string beginning) { allowed_.push_back(std::move(beginning)); }

  // The server sends a status whenever the queue changes; when requests and worker change it at the same time, the
  // order of status and other messages is chance. Then the two are compared apart. `counted`: the server does not thin
  // out reports, so their number is compared too.
  void compare(const std::vector<Heard>& recorded, const std::vector<Heard>& actual, const std::string& where,
               bool counted);

 private:
  void compare_objects(const json::object& recorded, const json::object& actual, const std::string& where,
                       bool trimmed);
  void compare_arrays(const json::array& recorded, const json::array& actual, const std::string& where, bool trimmed);
  void compare_sets(const json::array& recorded, json::array actual, const std::string& where);
  void compare_reports(const Reports& recorded, const Reports& actual, const std::string& where, bool counted);

  void compare_in_order(const std::vector<Heard>& recorded, const std::vector<Heard>& actual, const std::string& where,
                        bool counted);
  void compare_statuses(const std::vector<Heard>& recorded, const std::vector<Heard>& actual, const std::string& where);

  Names names_;
  std::vector<std::string> allowed_;
  std::vector<std::string> found_;
};

}  // namespace comfysim::replay

#endif  // RENDERYARD_TESTS_COMFYSIM_REPLAY_DIFFER_H_
