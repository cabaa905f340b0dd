// The bytes of HTTP and of WebSocket frames, as far as the meddler reads and writes them.
#pragma once

#include <absl/strings/ascii.h>

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>

#include "tests/integration/bridge/meddler.h"

namespace renderyard::testing::wire {

inline constexpr std::string_view kEndOfHead = "\r\n\r\n";

// The first line, and the headers below it.
inline std::string read_lines(std::string_view head, Meddler::Headers& headers) {
  const std::string line(head.substr(0, head.find("\r\n")));
  std::size_t at = line.size() + 2;
  while (at < head.size()) {
    const std::size_t end = std::min(head.find("\r\n", at), head.size());
    const std::string one(head.substr(at, end - at));
    at = end + 2;
    if (const auto colon = one.find(':'); colon != std::string::npos) {
      headers[absl::AsciiStrToLower(one.substr(0, colon))] =
          std::string(absl::StripAsciiWhitespace(one.substr(colon + 1)));
    }
  }
  return line;
}

inline std::size_t length_in(const Meddler::Headers& headers) {
  const auto found = headers.find("content-length");
  return found == headers.end() ? 0 : std::stoul(found->second);
}

inline std::string text_of(const Meddler::Answer& answer) {
  std::string text = "HTTP/1.1 " + std::to_string(answer.status) + " " + answer.reason + "\r\n";
  for (const auto& [name, value] : answer.more) text += name + ": " + value + "\r\n";
  text += "Content-Type: " + answer.type + "\r\nContent-Length: " + std::to_string(answer.body.size()) +
          "\r\nConnection: close\r\n\r\n";
  return text + answer.body;
}

// nullopt: not a whole answer with its length.
inline std::optional<Meddler::Answer> answer_in(const std::string& text) {
  const auto end = text.find(kEndOfHead);
  if (end == std::string::npos) return std::nullopt;
  Meddler::Answer answer;
  const std::string line = read_lines(std::string_view(text).substr(0, end), answer.more);
  answer.body = text.substr(end + kEndOfHead.size());
  if (!answer.more.contains("content-length") || length_in(answer.more) != answer.body.size()) return std::nullopt;
  answer.status = std::stoi(line.substr(line.find(' ') + 1));
  answer.type = answer.more["content-type"];
  for (const char* name : {"content-length", "content-type", "connection"}) answer.more.erase(name);
  return answer;
}

inline std::string frame(int opcode, std::string_view payload) {
  std::string out(1, static_cast<char>(0x80 | opcode));
  const int bytes = payload.size() < 126 ? 0 : payload.size() < 65536 ? 2 : 8;
  out += static_cast<char>(bytes == 0 ? static_cast<int>(payload.size()) : bytes == 2 ? 126 : 127);
  for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8) out += static_cast<char>((payload.size() >> shift) & 0xFF);
  return out.append(payload);
}

// The size of the frame that `bytes` begin with; 0 = more is needed to know it. Servers do not mask.
inline std::size_t frame_size(std::string_view bytes) {
  if (bytes.size() < 2) return 0;
  const std::size_t small = static_cast<unsigned char>(bytes[1]) & 0x7F;
  const std::size_t more = small == 126 ? 2 : small == 127 ? 8 : 0;
  if (bytes.size() < 2 + more) return 0;
  std::size_t size = more == 0 ? small : 0;
  for (std::size_t i = 0; i < more; ++i) size = (size << 8) | static_cast<unsigned char>(bytes[2 + i]);
  return 2 + more + size;
}

}  // namespace renderyard::testing::wire
