#include "tests/comfysim/ledger.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <fstream>
#include <sstream>
#include <system_error>
#include <utility>

namespace comfysim {

std::int64_t now_us() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::microseconds>(now).count();
}

json::value execution_id_of(const json::value& extra_data) {
  const json::value* ours = member(extra_data, "renderyard");
  const json::value* id = ours == nullptr ? nullptr : member(*ours, "execution_id");
  if (id == nullptr || !(id->is_string() || id->is_number())) return nullptr;
  return *id;
}

Ledger::Ledger(std::filesystem::path file)
    : file_(std::move(file)), descriptor_(::open(file_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644)) {
  if (descriptor_ < 0) throw std::system_error(errno, std::generic_category(), "open " + file_.string());
}

Ledger::~Ledger() {
  ::close(descriptor_);
}

void Ledger::write(std::string_view event, const json::value& prompt_id, const json::value& execution_id,
                   const json::object& more, std::int64_t t_us) {
  json::object line;
  line["t_us"] = t_us == 0 ? now_us() : t_us;
  line["event"] = json::string_view(event.data(), event.size());
  line["prompt_id"] = prompt_id;
  line["execution_id"] = execution_id;
  for (const auto& [key, value] : more) line[key] = value;
  const std::string text = json::serialize(line) + "\n";
  if (::write(descriptor_, text.data(), text.size()) != static_cast<ssize_t>(text.size())) {
    throw std::system_error(errno, std::generic_category(), "write " + file_.string());
  }
}

std::string Ledger::read(std::size_t offset) const {
  std::ifstream in(file_, std::ios::binary);
  in.seekg(static_cast<std::streamoff>(offset));
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

}  // namespace comfysim
