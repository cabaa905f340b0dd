#include "tests/comfysim/file_prefix.h"

#include <array>
#include <cstdio>
#include <ctime>
#include <utility>

namespace comfysim {
namespace {

void replace_all(std::string& text, const std::string& from, const std::string& to) {
  for (std::size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size())) {
    text.replace(at, from.size(), to);
  }
}

std::string two_digits(int value) {
  return (value < 10 ? "0" : "") + std::to_string(value);
}

}  // namespace

std::string fill_prefix(std::string prefix, int width, int height) {
  if (prefix.find('%') == std::string::npos) return prefix;
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  ::localtime_r(&now, &parts);
  const std::array<std::pair<const char*, std::string>, 8> values = {{
      {"%width%", std::to_string(width)},
      {"%height%", std::to_string(height)},
      {"%year%", std::to_string(parts.tm_year + 1900)},
      {"%month%", two_digits(parts.tm_mon + 1)},
      {"%day%", two_digits(parts.tm_mday)},
      {"%hour%", two_digits(parts.tm_hour)},
      {"%minute%", two_digits(parts.tm_min)},
      {"%second%", two_digits(parts.tm_sec)},
  }};
  for (const auto& [name, value] : values) replace_all(prefix, name, value);
  return prefix;
}

}  // namespace comfysim
