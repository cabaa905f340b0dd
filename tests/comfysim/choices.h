// The choices of inputs that depend on the server: model files and uploaded files.
#ifndef RENDERYARD_TESTS_COMFYSIM_CHOICES_H_
#define RENDERYARD_TESTS_COMFYSIM_CHOICES_H_

#include "tests/comfysim/files.h"
#include "tests/comfysim/models.h"
#include "tests/comfysim/pyjson.h"

namespace comfysim {

// The descriptions of nodes are shared by all servers of a process, so they name such lists: an element "$loras" of a
// list stands for the files of that model folder, "$input" for all files of the input folder, "$input/image" and
// "$input/audio" for those whose names say that they are such. Thread-safe; refers to both arguments.
class Choices {
 public:
  Choices(const Models& models, const Files& files) : models_(models), files_(files) {}

  // A copy of (a part of) a description in which the files stand instead of the names. Throws std::out_of_range for a
  // model folder that does not exist.
  json::value fill(const json::value& description) const;

 private:
  void append(std::string_view list, json::array& out) const;

  const Models& models_;
  const Files& files_;
};

}  // namespace comfysim

#endif  // RENDERYARD_TESTS_COMFYSIM_CHOICES_H_
