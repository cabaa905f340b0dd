#include "tests/comfysim/test_graphs.h"

#include <cmath>
#include <utility>

namespace comfysim::testing {

json::array link(const std::string& id, int slot) {
  return json::array{json::string(id), slot};
}

void Graph::add(const std::string& id, const std::string& class_type, json::object inputs) {
  nodes_.as_object()[id] = {{"class_type", class_type}, {"inputs", std::move(inputs)}};
}

void Graph::set(const std::string& id, const std::string& input, json::value value) {
  nodes_.at(id).at("inputs").as_object()[input] = std::move(value);
}

void Graph::save(json::array images) {
  add("out", "SaveImage", {{"images", std::move(images)}, {"filename_prefix", "graph/out"}});
}

json::object sampler_inputs(std::uint64_t seed, double denoise, json::array latent) {
  return {{"seed", seed},
          {"steps", 3},
          {"cfg", 8.0},
          {"sampler_name", "euler"},
          {"scheduler", "normal"},
          {"denoise", denoise},
          {"model", link("model", 0)},
          {"positive", link("positive", 0)},
          {"negative", link("negative", 0)},
          {"latent_image", std::move(latent)}};
}

Graph sampling_graph(std::uint64_t seed, double denoise, int batch) {
  Graph graph;
  graph.add("model", "CheckpointLoaderSimple", {{"ckpt_name", "v1-5-pruned-emaonly.safetensors"}});
  graph.add("positive", "CLIPTextEncode", {{"text", "a lake"}, {"clip", link("model", 1)}});
  graph.add("negative", "CLIPTextEncode", {{"text", "blurry"}, {"clip", link("model", 1)}});
  graph.add("latent", "EmptyLatentImage", {{"width", 64}, {"height", 64}, {"batch_size", batch}});
  graph.add("sample", "KSampler", sampler_inputs(seed, denoise, link("latent", 0)));
  graph.add("decode", "VAEDecode", {{"samples", link("sample", 0)}, {"vae", link("model", 2)}});
  graph.save(link("decode", 0));
  return graph;
}

json::value image_to_image(const std::string& file, std::uint64_t seed, double denoise) {
  Graph graph = sampling_graph(seed, denoise);
  graph.add("load", "LoadImage", {{"image", file}});
  graph.add("latent", "VAEEncode", {{"pixels", link("load", 0)}, {"vae", link("model", 2)}});
  return graph.json();
}

double distance(const Picture& a, const Picture& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.rgb.size(); ++i)
    sum += std::abs(static_cast<int>(a.rgb[i]) - static_cast<int>(b.rgb.at(i)));
  return sum / static_cast<double>(a.rgb.size());
}

}  // namespace comfysim::testing
