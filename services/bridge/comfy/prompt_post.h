// POST /prompt, once: a connection of its own, one request, no redirects, nothing kept alive, nothing ever sent again.
// Says exactly how far it came, because "not accepted" may only be concluded from what is certain.
//
//  kConnectFailed  name unknown, refused, TLS refused, or begin_by or the deadline came before: not a byte of the
//  request
//                  left
//  kNotSent        the connection broke, or the deadline came, before the last byte was handed to the kernel. Without
//  its
//                  last byte no server can accept the request
//  kAnswered       a complete HTTP answer was read (also one that came early and was followed by a reset: 413)
//  kUnclear        everything was handed over and no complete answer came
// Thread-safety: on the strand. The transfer itself runs on the ComfyIo thread.
#pragma once

#include <absl/time/time.h>

#include <memory>
#include <string>

#include "libs/common/base/clock.h"
#include "libs/common/base/strand.h"
#include "libs/common/base/task.h"
#include "libs/common/domain/submission.h"
#include "services/bridge/comfy/comfy_io.h"
#include "services/bridge/comfy/instance_url.h"
#include "services/bridge/comfy/resolver.h"

namespace renderyard::comfy {

class PromptPoster {
 public:
  // ca_file: PEM file of certificates to trust beside the system's; may be empty.
  PromptPoster(ComfyIo& io, Resolver& resolver, base::Strand& strand, base::Clock& clock, std::string ca_file);
  ~PromptPoster();
  PromptPoster(const PromptPoster&) = delete;
  PromptPoster& operator=(const PromptPoster&) = delete;

  // When it returns, the connection is gone, also when the caller was cancelled (then kUnclear, or kConnectFailed when
  // nothing was begun).
  base::Task<domain::PostOutcome> post(InstanceUrl url, std::string body, absl::Time begin_by, absl::Time deadline);

 private:
  struct Settings;
  ComfyIo& io_;
  Resolver& resolver_;
  base::Strand& strand_;
  base::Clock& clock_;
  std::shared_ptr<Settings> settings_;
};

}  // namespace renderyard::comfy
