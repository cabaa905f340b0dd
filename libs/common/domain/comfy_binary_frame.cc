// Binary frames of the WebSocket: a big-endian u32 event type, then what the type says (ComfyUI: protocol.py,
// server.py).
#include <cstdint>
#include <optional>

#include "libs/common/domain/comfy_json.h"
#include "libs/common/domain/comfy_message.h"

namespace renderyard::domain {

namespace {

constexpr std::uint32_t kPreview = 1;
constexpr std::uint32_t kText = 3;
constexpr std::uint32_t kPreviewWithMetadata = 4;
constexpr std::uint32_t kPng = 2;

// Takes a big-endian u32 off the front; nullopt when too short.
std::optional<std::uint32_t> take_u32(std::string_view& bytes) {
  if (bytes.size() < 4) return std::nullopt;
  std::uint32_t value = 0;
  for (std::size_t i = 0; i < 4; ++i) value = (value << 8) | static_cast<unsigned char>(bytes[i]);
  bytes.remove_prefix(4);
  return value;
}

// Takes a block with its length in front; nullopt when too short.
std::optional<std::string_view> take_block(std::string_view& bytes) {
  const auto size = take_u32(bytes);
  if (!size || *size > bytes.size()) return std::nullopt;
  const auto block = bytes.substr(0, *size);
  bytes.remove_prefix(*size);
  return block;
}

absl::Status truncated() {
  return absl::InvalidArgumentError("a binary frame that is too short");
}

// What is stored or shown as text must be UTF-8 without NUL.
std::string clean_text(std::string_view bytes) {
  constexpr std::string_view kReplacement = "\xEF\xBF\xBD";
  const bool utf8 = simdjson::validate_utf8(bytes.data(), bytes.size());
  std::string out;
  out.reserve(bytes.size());
  for (const char c : bytes) {
    const bool keep = c != '\0' && (utf8 || static_cast<unsigned char>(c) < 0x80);
    if (keep) {
      out += c;
    } else {
      out += kReplacement;
    }
  }
  return out;
}

}  // namespace

absl::StatusOr<ComfyMessage> parse_binary_frame(std::string_view bytes) {
  const auto type = take_u32(bytes);
  if (!type) return truncated();
  switch (*type) {
    case kPreview: {
      const auto format = take_u32(bytes);
      if (!format) return truncated();
      return PreviewImage{.prompt_id = "",
                          .node_id = "",
                          .content_type = *format == kPng ? "image/png" : "image/jpeg",
                          .data = std::string(bytes)};
    }
    case kText: {
      const auto node = take_block(bytes);
      if (!node) return truncated();
      return TextFrame{.node_id = clean_text(*node), .text = clean_text(bytes)};
    }
    case kPreviewWithMetadata: {
      const auto header = take_block(bytes);
      if (!header) return truncated();
      const auto document = parse_comfy_json(*header);
      if (!document.ok()) return document.status();
      const ComfyValue metadata = document->root();
      // Pictures are shown at the id the user knows, which differs for nodes made by expansion.
      std::string node = metadata["display_node_id"].id_text();
      if (node.empty()) node = metadata["node_id"].id_text();
      return PreviewImage{.prompt_id = metadata["prompt_id"].id_text(),
                          .node_id = std::move(node),
                          .content_type = metadata["image_type"].string_or("image/jpeg"),
                          .data = std::string(bytes)};
    }
    default:
      return UnknownMessage{.type = "binary:" + std::to_string(*type)};
  }
}

}  // namespace renderyard::domain
