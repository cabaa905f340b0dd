// Files as aiohttp's FileResponse answers with them.
#ifndef RENDERYARD_TESTS_COMFYSIM_FILE_RESPONSE_H_
#define RENDERYARD_TESTS_COMFYSIM_FILE_RESPONSE_H_

#include <filesystem>

#include "tests/comfysim/http_message.h"

namespace comfysim {

// Adds ETag, Last-Modified and Accept-Ranges of the file to `whole`, whose body is the file, and does what the request
// says of them: 206 or 416 for a Range, 304 for If-None-Match and If-Modified-Since.
HttpResponse file_response(const HttpRequest& request, const std::filesystem::path& file, HttpResponse whole);

}  // namespace comfysim

#endif  // RENDERYARD_TESTS_COMFYSIM_FILE_RESPONSE_H_
