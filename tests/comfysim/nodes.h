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

// The test nodes of the recordings and SimSlow.
const NodeFunctions& test_node_functions();

// Scales to the size of previews, keeping the aspect.
Picture to_preview(const Picture& picture);

PicturePtr share(Picture picture);

NodeOutput images_out(Batch images);

}  // namespace comfysim

#endif  // RENDERYARD_TESTS_COMFYSIM_NODES_H_
