#include "tests/integration/bridge/plain_http.h"

#include <absl/strings/ascii.h>
#include <absl/strings/escaping.h>
#include <openssl/evp.h>

#include <array>
#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>
#include <stdexcept>

namespace renderyard::testing {

namespace {

namespace http = boost::beast::http;
using tcp = boost::asio::ip::tcp;

std::string copy(boost::beast::string_view text) {
  return {text.data(), text.size()};
}

PlainAnswer exchange(http::verb method, const std::string& url, const std::string& type, const std::string& body) {
  const std::string rest = url.substr(url.find("//") + 2);
  const std::string authority = rest.substr(0, rest.find('/'));
  const auto colon = authority.rfind(':');
  http::request<http::string_body> request(method, rest.substr(authority.size()), 11);
  request.set(http::field::host, authority);
  request.set(http::field::connection, "close");
  if (!type.empty()) request.set(http::field::content_type, type);
  request.body() = body;
  request.prepare_payload();
  boost::asio::io_context io;
  tcp::socket socket(io);
  socket.connect(tcp::endpoint(boost::asio::ip::make_address(authority.substr(0, colon)),
                               static_cast<std::uint16_t>(std::stoi(authority.substr(colon + 1)))));
  http::write(socket, request);
  boost::beast::flat_buffer buffer;
  http::response<http::string_body> response;
  http::read(socket, buffer, response);
  PlainAnswer answer;
  answer.status = static_cast<int>(response.result_int());
  for (const auto& field : response) {
    answer.headers[absl::AsciiStrToLower(copy(field.name_string()))] = copy(field.value());
  }
  answer.body = response.body();
  return answer;
}

}  // namespace

PlainAnswer get(const std::string& url) {
  return exchange(http::verb::get, url, "", "");
}

PlainAnswer post(const std::string& url, const std::string& type, const std::string& body) {
  return exchange(http::verb::post, url, type, body);
}

void write_output(const std::string& server_url, const std::string& subfolder, const std::string& filename,
                  const std::string& bytes) {
  const std::string line = "\r\n--ry-part\r\nContent-Disposition: form-data; name=";
  std::string form = "--ry-part\r\nContent-Disposition: form-data; name=\"image\"; filename=\"" + filename +
                     "\"\r\nContent-Type: image/png\r\n\r\n" + bytes;
  form += line + "\"type\"\r\n\r\noutput";
  form += line + "\"subfolder\"\r\n\r\n" + subfolder;
  form += line + "\"overwrite\"\r\n\r\ntrue\r\n--ry-part--\r\n";
  const PlainAnswer answer = post(server_url + "/upload/image", "multipart/form-data; boundary=ry-part", form);
  if (answer.status != 200) throw std::runtime_error("the upload was answered with " + std::to_string(answer.status));
}

std::string sha256_hex(const std::string& bytes) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned size = 0;
  EVP_Digest(bytes.data(), bytes.size(), digest.data(), &size, EVP_sha256(), nullptr);
  return absl::BytesToHexString({reinterpret_cast<const char*>(digest.data()), size});
}

}  // namespace renderyard::testing
