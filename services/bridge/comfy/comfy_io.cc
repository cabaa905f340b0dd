#include "services/bridge/comfy/comfy_io.h"

namespace renderyard::comfy {

ComfyIo::ComfyIo() : work_(context_.get_executor()), thread_([this] { context_.run(); }) {}

ComfyIo::~ComfyIo() {
  stop();
}

void ComfyIo::stop() {
  work_.reset();
  context_.stop();
  if (thread_.joinable()) thread_.join();
}

}  // namespace renderyard::comfy
