// Media types by the endings of file names, as Python's mimetypes has them.
#ifndef RENDERYARD_TESTS_COMFYSIM_MEDIA_TYPE_H_
#define RENDERYARD_TESTS_COMFYSIM_MEDIA_TYPE_H_

#include <string_view>

namespace comfysim {

// "image/png" for "a.png"; "application/octet-stream" for what is not known.
std::string_view media_type(std::string_view file_name);

}  // namespace comfysim

#endif  // RENDERYARD_TESTS_COMFYSIM_MEDIA_TYPE_H_
