#include "cli/outputs.h"

#include <absl/strings/str_cat.h>
#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string_view>
#include <system_error>

namespace renderyard::cli {

namespace {

namespace json = boost::json;

struct Listed {
  std::int64_t n = 0;
  std::int64_t size = 0;
  std::string filename, sha256, url;
};

absl::StatusOr<std::vector<Listed>> parse_list(const std::string& body) {
  boost::system::error_code failed;
  const json::value value = json::parse(body, failed);
  const absl::Status strange = absl::InternalError("the gateway's list of outputs could not be understood");
  if (failed || !value.is_object() || !value.as_object().contains("outputs")) return strange;
  std::vector<Listed> outputs;
  try {
    for (const json::value& item : value.at("outputs").as_array()) {
      Listed output;
      output.n = item.at("n").to_number<std::int64_t>();
      output.size = item.at("size_bytes").to_number<std::int64_t>();
      output.filename = item.at("filename").as_string().c_str();
      output.sha256 = item.at("sha256").as_string().c_str();
      output.url = item.at("url").as_string().c_str();
      outputs.push_back(std::move(output));
    }
  } catch (const std::exception&) {
    return strange;
  }
  return outputs;
}

// A name without directories and without what a shell or a terminal would trip over.
std::string safe_name(std::string_view filename) {
  std::string out;
  for (const char c : filename.substr(filename.find_last_of("/\\") + 1)) {
    const auto byte = static_cast<unsigned char>(c);
    out += byte < 0x20 || c == ':' || c == '"' ? '_' : c;
  }
  return out.empty() ? "output" : out;
}

class Hash {
 public:
  Hash() : context_(EVP_MD_CTX_new(), &EVP_MD_CTX_free) { EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr); }
  void add(std::string_view data) { EVP_DigestUpdate(context_.get(), data.data(), data.size()); }
  std::string hex() {
    std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
    unsigned int size = 0;
    EVP_DigestFinal_ex(context_.get(), digest.data(), &size);
    constexpr std::string_view kHex = "0123456789abcdef";
    std::string out;
    for (unsigned int i = 0; i < size; ++i) {
      out += kHex[digest[i] >> 4];
      out += kHex[digest[i] & 15];
    }
    return out;
  }

 private:
  std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context_;
};

absl::Status fetch_one(HttpClient& http, const Listed& output, const std::string& path) {
  const std::string temporary = path + ".part";
  std::ofstream file(temporary, std::ios::binary | std::ios::trunc);
  Hash hash;
  std::int64_t size = 0;
  const auto answer = http.download(output.url, [&](std::string_view piece) {
    file.write(piece.data(), static_cast<std::streamsize>(piece.size()));
    hash.add(piece);
    size += static_cast<std::int64_t>(piece.size());
    return file.good();
  });
  file.close();
  absl::Status status = answer.status();
  if (answer.ok()) status = to_status(*answer);
  if (status.ok() && !file) status = absl::InternalError(absl::StrCat(temporary, " could not be written"));
  if (status.ok() && (size != output.size || hash.hex() != output.sha256)) {
    status = absl::DataLossError(absl::StrCat(path, ": what came is not what the gateway announced"));
  }
  std::error_code failed;
  if (status.ok()) {
    std::filesystem::rename(temporary, path, failed);
    if (failed) status = absl::InternalError(absl::StrCat(path, ": ", failed.message()));
  }
  if (!status.ok()) std::filesystem::remove(temporary, failed);
  return status;
}

}  // namespace

absl::StatusOr<std::vector<std::string>> fetch_outputs(HttpClient& http, const std::string& job,
                                                       const std::string& directory) {
  const auto answer = http.get(absl::StrCat("/api/v1/jobs/", job, "/outputs"));
  if (!answer.ok()) return answer.status();
  const absl::Status listed = to_status(*answer);
  if (!listed.ok()) return listed;
  const auto outputs = parse_list(answer->body);
  if (!outputs.ok()) return outputs.status();
  std::error_code failed;
  std::filesystem::create_directories(directory, failed);
  if (failed) return absl::InternalError(absl::StrCat(directory, ": ", failed.message()));
  std::vector<std::string> paths;
  for (const Listed& output : *outputs) {
    const std::string name = absl::StrCat(job, "-", output.n, "-", safe_name(output.filename));
    const std::string path = (std::filesystem::path(directory) / name).string();
    const absl::Status status = fetch_one(http, output, path);
    if (!status.ok()) return status;
    paths.push_back(path);
  }
  return paths;
}

}  // namespace renderyard::cli
