// What each node class does.
#ifndef RENDERYARD_TESTS_COMFYSIM_NODES_H_
#define RENDERYARD_TESTS_COMFYSIM_NODES_H_

#include <map>
#include <string>
#include <string_view>

#include "tests/comfysim/node_host.h"
#include "tests/comfysim/node_inputs.h"
#include "tests/comfysim/values.h"

namespace comfysim {

// Runs one node; throws NodeError when it fails and whatever the host throws.
using NodeFunction = NodeOutput (*)(const NodeInputs&, NodeHost&);

// By class.
using NodeFunctions = std::map<std::string, NodeFunction, std::less<>>;

// The function of a class; throws std::out_of_range when there is none.
NodeFunction node_function(std::string_view class_type);

const NodeFunctions& image_node_functions();      // pictures to pictures
const NodeFunctions& file_node_functions();       // pictures from and to files and sockets
const NodeFunctions& loader_node_functions();     // models and what is done to them
const NodeFunctions& latent_node_functions();     // latents and the way from and to pictures
const NodeFunctions& sampling_node_functions();   // samplers and their parts
const NodeFunctions& animation_node_functions();  // moving pictures
const NodeFunctions& audio_node_functions();      // sound

// The test nodes of the recordings and SimSlow.
const NodeFunctions& test_node_functions();

// Scales to the size of previews, keeping the aspect.
Picture to_preview(const Picture& picture);

PicturePtr share(Picture picture);

// One value in slot 0.
template <class T>
NodeOutput value_out(T value) {
  NodeOutput out;
  out.values.emplace_back(std::move(value));
  return out;
}
NodeOutput images_out(Batch images);

// The bytes of a file an input names ("sub/name.png [temp]"); throws NodeError when it cannot be read.
std::string read_input(const std::string& name, NodeHost& host);

// Writes the next file of a prefix, with %width% and such filled in, and returns it as `executed` names it. Throws
// NodeError when the prefix leads out of the folder.
json::object write_output(NodeHost& host, const std::string& prefix, const std::string& type, const std::string& ending,
                          const std::string& bytes, int width = 0, int height = 0);

// The prefix of files in temp: "ComfyUI_temp_" and five letters, the same as long as the process lives.
std::string temporary_prefix();

}  // namespace comfysim

#endif  // RENDERYARD_TESTS_COMFYSIM_NODES_H_
