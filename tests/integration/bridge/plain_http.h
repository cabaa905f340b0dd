// One HTTP request over a blocking connection of its own, as anybody may send it. Throws when no whole answer comes.
#pragma once

#include <map>
#include <string>

namespace renderyard::testing {

struct PlainAnswer {
  int status = 0;
  std::map<std::string, std::string> headers;  // names in lower case
  std::string body;
};

// url: http://127.0.0.1:port with what follows.
PlainAnswer get(const std::string& url);
PlainAnswer post(const std::string& url, const std::string& type, const std::string& body);

// Writes a file of a ComfyUI server's outputs, over whatever has its name. As any client of it may.
void write_output(const std::string& server_url, const std::string& subfolder, const std::string& filename,
                  const std::string& bytes);

std::string sha256_hex(const std::string& bytes);

}  // namespace renderyard::testing
