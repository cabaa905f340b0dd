// Workflows for the tests of the bridge against comfysim. Text in ComfyUI's API format.
#pragma once

#include <string>

namespace renderyard::testing {

inline std::string node(int id, const std::string& class_type, const std::string& inputs) {
  return "\"" + std::to_string(id) + R"(":{"class_type":")" + class_type + R"(","inputs":{)" + inputs + "}}";
}

// 1: `count` pictures of one colour.
inline std::string pictures(int count, int color) {
  return node(
      1, "EmptyImage",
      R"("width":64,"height":48,"batch_size":)" + std::to_string(count) + R"(,"color":)" + std::to_string(color));
}

// 3: saved as a file of the server.
inline std::string simple_graph(int color) {
  return "{" + pictures(1, color) + "," + node(2, "ImageInvert", R"("image":["1",0])") + "," +
         node(3, "SaveImage", R"("images":["2",0],"filename_prefix":"pic")") + "}";
}

// 3: saved under a name that it has in common with every other such graph: no text stands where the prefix does.
inline std::string common_name_graph(int color) {
  return "{" + pictures(1, color) + "," + node(2, "ImageInvert", R"("image":["1",0])") + "," +
         node(3, "SaveImage", R"("images":["2",0],"filename_prefix":7)") + "}";
}

// The same in the middle of a graph, where releases allow it; the picture is only shown in the end.
inline std::string common_name_inside_graph(int color) {
  return "{" + pictures(1, color) + "," + node(2, "SaveImage", R"("images":["1",0],"filename_prefix":7)") + "," +
         node(3, "PreviewImage", R"("images":["2",0])") + "}";
}

// 2 takes `seconds` in 100 steps, looks at interrupts in each, and shows previews of this kind (none, JPEG, PNG).
inline std::string slow_node(double seconds, int salt, const std::string& preview = "none") {
  return node(2, "BridgeSlow",
              R"("image":["1",0],"seconds":)" + std::to_string(seconds) + R"(,"steps":100,"preview":")" + preview +
                  R"(","salt":)" + std::to_string(salt));
}

inline std::string slow_graph(double seconds, int salt) {
  return "{" + pictures(1, 7) + "," + slow_node(seconds, salt) + "," +
         node(3, "SaveImage", R"("images":["2",0],"filename_prefix":"slow")") + "}";
}

}  // namespace renderyard::testing
