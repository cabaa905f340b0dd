// What a running node may ask of the executor.
#ifndef RENDERYARD_TESTS_COMFYSIM_NODE_HOST_H_
#define RENDERYARD_TESTS_COMFYSIM_NODE_HOST_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "tests/comfysim/files.h"
#include "tests/comfysim/generation.h"
#include "tests/comfysim/image.h"

namespace comfysim {

// A preview picture that goes with a report of progress.
struct Preview {
  Picture picture;
  bool png = false;                              // else JPEG
  std::shared_ptr<const std::string> file = {};  // the picture as a file, when it has been made before
};

// The file of a preview.
std::string encode_preview(const Preview& preview);

// What a running node may ask of the executor. Used by the worker only.
class NodeHost {
 public:
  virtual ~NodeHost() = default;
  virtual Files& files() = 0;
  virtual const Generation& generation() const = 0;
  virtual std::int64_t step_ms() const = 0;
  virtual bool sampler_previews() const = 0;
  virtual PngTexts png_texts() const = 0;
  // Throws when the run is over.
  virtual void sleep(double seconds) = 0;
  // Throws when the prompt was interrupted or the run is over.
  virtual void progress(std::int64_t value, std::int64_t max, const std::optional<Preview>& preview) = 0;
  // Something that is no ordinary exception ends the worker thread; throws.
  virtual void end_worker() = 0;
  virtual void send_text(const std::string& text) = 0;
  // A file of the node is on disk.
  virtual void wrote(const FileName& name, const std::string& bytes) = 0;
};

}  // namespace comfysim

#endif  // RENDERYARD_TESTS_COMFYSIM_NODE_HOST_H_
