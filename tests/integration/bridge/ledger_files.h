// The files that a server's ledger says were written for an execution: what the bridge collected is held against them.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "libs/common/domain/comfy_json.h"
#include "tests/integration/bridge/bridge_lab.h"

namespace renderyard::testing {

struct LedgerFile {
  std::string node_id;
  std::string filename;
  std::string subfolder;
  std::string type;
  std::string sha256;
  std::int64_t size_bytes = 0;
};

inline std::vector<LedgerFile> ledger_files(BridgeLab& lab, ports::ExecutionId execution) {
  std::vector<LedgerFile> files;
  const std::string text = lab.http("/_sim/ledger");
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    const auto line = domain::parse_comfy_json(text.substr(at, end - at));
    at = end + 1;
    if (!line.ok() || line->root()["event"].string_or("") != "file") continue;
    const domain::ComfyValue root = line->root();
    if (root["execution_id"].id_text() != to_string(execution)) continue;
    files.push_back({root["node_id"].id_text(), root["filename"].string_or(""), root["subfolder"].string_or(""),
                     root["type"].string_or(""), root["sha256"].string_or(""),
                     static_cast<std::int64_t>(root["size"].number().value_or(-1))});
  }
  return files;
}

}  // namespace renderyard::testing
