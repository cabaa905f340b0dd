// multipart/form-data, as uploads come.
#ifndef RENDERYARD_TESTS_COMFYSIM_MULTIPART_H_
#define RENDERYARD_TESTS_COMFYSIM_MULTIPART_H_

#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace comfysim {

struct FormPart {
  std::optional<std::string> filename;  // files have one, plain fields do not
  std::string content;
};

// The parts by name, the first of equal names; empty when `content_type` is no multipart form.
std::map<std::string, FormPart> parse_form(std::string_view content_type, std::string_view body);

}  // namespace comfysim

#endif  // RENDERYARD_TESTS_COMFYSIM_MULTIPART_H_
