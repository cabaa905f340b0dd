// The model files that a server says it has.
#ifndef RENDERYARD_TESTS_COMFYSIM_MODELS_H_
#define RENDERYARD_TESTS_COMFYSIM_MODELS_H_

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tests/comfysim/generation.h"

namespace comfysim {

// Names only: nothing ever reads such a file. Immutable after construction, so usable from any thread.
class Models {
 public:
  // A few well-known files, then the lists of `more`, each "FOLDER=FILE,FILE" in place of the files of that folder.
  // Throws std::invalid_argument when one is of another form or names a folder that does not exist.
  Models(const Generation& generation, const std::vector<std::string>& more);

  // Folders in the order of GET /models.
  std::vector<std::string> folders() const;

  // The files of a folder, sorted; `clip` and `unet` are the old names of text_encoders and diffusion_models. nullptr
  // when there is no such folder.
  const std::vector<std::string>* files(std::string_view folder) const;

 private:
  std::vector<std::pair<std::string, std::vector<std::string>>> folders_;
};

}  // namespace comfysim

#endif  // RENDERYARD_TESTS_COMFYSIM_MODELS_H_
