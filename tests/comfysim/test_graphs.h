// Workflows put together piece by piece.
#ifndef RENDERYARD_TESTS_COMFYSIM_TEST_GRAPHS_H_
#define RENDERYARD_TESTS_COMFYSIM_TEST_GRAPHS_H_

#include <cstdint>
#include <string>

#include "tests/comfysim/image.h"
#include "tests/comfysim/pyjson.h"

namespace comfysim::testing {

json::array link(const std::string& id, int slot);

// A workflow; nodes may be replaced and their inputs changed.
class Graph {
 public:
  void add(const std::string& id, const std::string& class_type, json::object inputs);
  void set(const std::string& id, const std::string& input, json::value value);
  // Adds node "out", a SaveImage.
  void save(json::array images);
  const json::value& json() const { return nodes_; }

 private:
  json::value nodes_ = json::object();
};

// Inputs of a KSampler on the nodes of sampling_graph.
json::object sampler_inputs(std::uint64_t seed, double denoise, json::array latent);

// Nodes model, positive, negative, latent (64 x 64, empty), sample (3 steps), decode, out.
Graph sampling_graph(std::uint64_t seed, double denoise, int batch = 1);

// The same on a picture of the input folder.
json::value image_to_image(const std::string& file, std::uint64_t seed, double denoise);

// Mean difference of two pictures of one size, 0..255.
double distance(const Picture& a, const Picture& b);

}  // namespace comfysim::testing

#endif  // RENDERYARD_TESTS_COMFYSIM_TEST_GRAPHS_H_
