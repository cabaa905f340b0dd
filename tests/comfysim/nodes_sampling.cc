// Samplers: they take their time, report progress, show previews and add a pass to the latent.
#include <algorithm>

#include "tests/comfysim/nodes.h"

namespace comfysim {
namespace {

constexpr int kPreviewDetail = 96;  // previews are painted at this size and scaled up

// What a sampler is to do.
struct Job {
  Scene scene;
  double strength = 1.0;
  std::int64_t steps = 0;  // that are really run
};

std::string settings_of(const std::string& model, const Conditioning& positive, const Conditioning& negative) {
  return model + '\n' + positive.recipe + '\n' + negative.recipe;
}

Latent sample(Latent latent, Job job, NodeHost& host) {
  if (job.steps <= 0) return latent;
  latent.passes.push_back(Pass{std::move(job.scene), job.strength, latent.noise_mask});
  const int longest = std::max(latent.width, latent.height);
  const int width = longest == 0 ? 1 : std::max(1, latent.width * kPreviewDetail / longest);
  const int height = longest == 0 ? 1 : std::max(1, latent.height * kPreviewDetail / longest);
  for (std::int64_t step = 1; step <= job.steps; ++step) {
    host.sleep(static_cast<double>(host.step_ms()) / 1000.0);
    std::optional<Preview> preview;
    if (host.sampler_previews() && longest > 0) {
      const double clarity = static_cast<double>(step) / static_cast<double>(job.steps);
      preview = Preview{to_preview(render(latent, 0, width, height, clarity))};
    }
    host.progress(step, job.steps, preview);
  }
  return latent;
}

NodeOutput k_sampler(const NodeInputs& in, NodeHost& host) {
  const auto& positive = in.linked<Conditioning>("positive");
  const auto& negative = in.linked<Conditioning>("negative");
  Job job;
  job.strength = in.number("denoise");
  job.steps = job.strength <= 0.0 ? 0 : in.integer("steps");
  std::string settings = settings_of(in.linked<Loaded>("model").recipe, positive, negative);
  for (const char* name : {"steps", "cfg", "sampler_name", "scheduler"}) settings += '|' + in.text(name);
  job.scene = Scene{in.seed("seed"), positive.text, negative.text, std::move(settings)};
  return value_out(sample(in.linked<Latent>("latent_image"), std::move(job), host));
}

// Runs the steps from start_at_step to end_at_step; what came before them stays as far as it was done.
NodeOutput k_sampler_advanced(const NodeInputs& in, NodeHost& host) {
  const auto& positive = in.linked<Conditioning>("positive");
  const auto& negative = in.linked<Conditioning>("negative");
  const std::int64_t steps = in.integer("steps");
  const std::int64_t start = std::min(in.integer("start_at_step"), steps);
  const std::int64_t end = std::min(in.integer("end_at_step"), steps);
  Job job;
  job.steps = std::max<std::int64_t>(0, end - start);
  job.strength = 1.0 - static_cast<double>(start) / static_cast<double>(steps);
  std::string settings = settings_of(in.linked<Loaded>("model").recipe, positive, negative);
  for (const char* name : {"steps", "cfg", "sampler_name", "scheduler", "add_noise", "start_at_step", "end_at_step",
                           "return_with_leftover_noise"}) {
    settings += '|' + in.text(name);
  }
  job.scene = Scene{in.seed("noise_seed"), positive.text, negative.text, std::move(settings)};
  return value_out(sample(in.linked<Latent>("latent_image"), std::move(job), host));
}

NodeOutput random_noise(const NodeInputs& in, NodeHost&) {
  return value_out(Noise{in.seed("noise_seed")});
}

NodeOutput basic_guider(const NodeInputs& in, NodeHost&) {
  return value_out(Guider{in.linked<Loaded>("model").recipe, in.linked<Conditioning>("conditioning"), {}, "basic"});
}

NodeOutput cfg_guider(const NodeInputs& in, NodeHost&) {
  return value_out(Guider{in.linked<Loaded>("model").recipe, in.linked<Conditioning>("positive"),
                          in.linked<Conditioning>("negative"), "cfg|" + in.text("cfg")});
}

NodeOutput select_sampler(const NodeInputs& in, NodeHost&) {
  return value_out(SamplerName{in.text("sampler_name")});
}

NodeOutput basic_scheduler(const NodeInputs& in, NodeHost&) {
  Sigmas sigmas;
  sigmas.denoise = in.number("denoise");
  sigmas.steps = sigmas.denoise <= 0.0 ? 0 : in.integer("steps");
  sigmas.settings = in.linked<Loaded>("model").recipe + '|' + in.text("scheduler") + '|' + in.text("steps");
  return value_out(std::move(sigmas));
}

NodeOutput sampler_custom(const NodeInputs& in, NodeHost& host) {
  const auto& guider = in.linked<Guider>("guider");
  const auto& sigmas = in.linked<Sigmas>("sigmas");
  Job job;
  job.strength = sigmas.denoise;
  job.steps = sigmas.steps;
  job.scene = Scene{in.linked<Noise>("noise").seed, guider.positive.text, guider.negative.text,
                    settings_of(guider.model, guider.positive, guider.negative) + '|' + guider.settings + '|' +
                        in.linked<SamplerName>("sampler").name + '|' + sigmas.settings};
  NodeOutput out;
  out.values.assign(2, sample(in.linked<Latent>("latent_image"), std::move(job), host));
  return out;
}

}  // namespace

const NodeFunctions& sampling_node_functions() {
  static const NodeFunctions kFunctions = {
      {"KSampler", k_sampler},
      {"KSamplerAdvanced", k_sampler_advanced},
      {"RandomNoise", random_noise},
      {"BasicGuider", basic_guider},
      {"CFGGuider", cfg_guider},
      {"KSamplerSelect", select_sampler},
      {"BasicScheduler", basic_scheduler},
      {"SamplerCustomAdvanced", sampler_custom},
  };
  return kFunctions;
}

}  // namespace comfysim
