// Outputs that come only over the WebSocket: a node of class SaveImageWebsocket sends its pictures as binary frames in
// PNG at full size while it runs, and leaves nothing in the history and no file (ComfyUI: websocket_image_save.py).
// They look like previews; they are told by their node. The server keeps no frame for a client that is away, so a
// node's pictures are known to be all only to who heard it from its start to its end on one connection.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "libs/common/domain/comfy_message.h"
#include "libs/common/domain/workflow.h"

namespace renderyard::domain {

// The ids of the nodes that send their pictures over the socket. Nodes made by expansion are not known beforehand:
// their pictures are taken for previews.
std::set<std::string> socket_picture_nodes(const WorkflowInfo& workflow);

// What was heard of one prompt's pictures. Pure value; feed it the messages of the prompt in the order they came,
// frames without a prompt id (binary type 1) with prompt and node filled in by who knows what runs.
class SocketPictures {
 public:
  struct Picture {
    std::string node_id;
    std::string png;
  };

  SocketPictures() = default;
  explicit SocketPictures(std::set<std::string> nodes) : nodes_(std::move(nodes)) {}

  const std::set<std::string>& nodes() const { return nodes_; }
  // stream: which unbroken connection it came on, from 1.
  void apply(const ComfyMessage& message, std::uint64_t stream);

  // Heard and not taken yet, oldest first.
  bool waiting() const { return !waiting_.empty(); }
  const Picture& front() const { return waiting_.front(); }
  void pop();

  // Of a prompt that succeeded: a node of which it is not known that every picture was heard. nullopt: all are.
  std::optional<std::string> incomplete() const;

  // Bound for what waits to be taken, in bytes; a node with a picture beyond it is incomplete.
  static constexpr std::size_t kMostWaiting = std::size_t{256} << 20;

 private:
  struct Node {
    std::uint64_t begun_on = 0;  // stream of its `executing`; 0 = not heard
    bool heard_all = false;
    bool dropped = false;
  };
  void end_nodes(std::uint64_t stream);

  std::set<std::string> nodes_;
  std::map<std::string, Node> heard_;
  std::set<std::string> cached_;
  std::deque<Picture> waiting_;
  std::size_t waiting_bytes_ = 0;
  std::uint64_t start_stream_ = 0;
  std::uint64_t end_stream_ = 0;
  bool says_finished_ = false;  // the server has progress_state, which says when a node has ended
};

// A picture in the artifact store.
struct KeptPicture {
  std::string node_id;
  std::string filename;  // made up: the server gives none
  std::string sha256;
  std::int64_t size_bytes = 0;
};

// The outputs of a prompt (node id -> output) with the pictures in the place of whatever the server says of `nodes`:
// as images of type "websocket" with their sha256 and size.
std::string with_pictures(std::string_view outputs_json, const std::set<std::string>& nodes,
                          const std::vector<KeptPicture>& pictures);

// What with_pictures() put in. Only for outputs that it made: a hash opens the artifact store.
std::vector<KeptPicture> pictures_in(std::string_view outputs_json, const std::set<std::string>& nodes);

}  // namespace renderyard::domain
