#include "services/bridge/comfy/comfy_io.h"

#include "libs/common/runtime/passes.h"

namespace renderyard::comfy {

ComfyIo::ComfyIo() : work_(context_.get_executor()), thread_([this] { runtime::run_in_passes(context_); }) {}

ComfyIo::~ComfyIo() {
  stop();
}

void ComfyIo::stop() {
  work_.reset();
  context_.stop();
  if (thread_.joinable()) thread_.join();
}

}  // namespace renderyard::comfy
