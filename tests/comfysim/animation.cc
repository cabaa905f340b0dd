#include "tests/comfysim/animation.h"

#include <webp/encode.h>
#include <webp/mux.h>

#include <memory>
#include <stdexcept>
#include <utility>
#include <vector>

#include "tests/comfysim/png_chunk.h"

namespace comfysim {
namespace {

constexpr std::size_t kPngSignature = 8;
constexpr std::size_t kChunkFrame = 12;  // length, type and checksum around the content

struct Deleter {
  void operator()(WebPAnimEncoder* encoder) const { WebPAnimEncoderDelete(encoder); }
};

// A frame of the WebP library; frees what the library allocates.
class WebpFrame {
 public:
  explicit WebpFrame(const Picture& picture) {
    if (WebPPictureInit(&picture_) == 0) throw std::runtime_error("WebP of another version");
    picture_.use_argb = 1;
    picture_.width = picture.width;
    picture_.height = picture.height;
    if (WebPPictureImportRGB(&picture_, picture.rgb.data(), picture.width * 3) == 0) {
      throw std::runtime_error("WebP does not take this picture");
    }
  }
  ~WebpFrame() { WebPPictureFree(&picture_); }
  WebpFrame(const WebpFrame&) = delete;
  WebpFrame& operator=(const WebpFrame&) = delete;
  WebPPicture* get() { return &picture_; }

 private:
  WebPPicture picture_{};
};

// Type and content of the chunks of a PNG we have written.
std::vector<std::pair<std::string, std::string>> chunks_of(const std::string& png) {
  std::vector<std::pair<std::string, std::string>> out;
  for (std::size_t at = kPngSignature; at + kChunkFrame <= png.size();) {
    std::uint32_t size = 0;
    for (std::size_t i = 0; i < 4; ++i) size = (size << 8) | static_cast<std::uint8_t>(png[at + i]);
    out.emplace_back(png.substr(at + 4, 4), png.substr(at + 8, size));
    at += kChunkFrame + size;
  }
  return out;
}

std::string big_endian_16(int value) {
  return {static_cast<char>((value >> 8) & 0xff), static_cast<char>(value & 0xff)};
}

std::string frame_control(std::uint32_t sequence, const Picture& frame, int frame_ms) {
  const std::string none(4, '\0');
  // Offset 0,0; delay as a fraction; the frame replaces all that was there.
  return big_endian_32(sequence) + big_endian_32(static_cast<std::uint32_t>(frame.width)) +
         big_endian_32(static_cast<std::uint32_t>(frame.height)) + none + none + big_endian_16(frame_ms) +
         big_endian_16(1000) + std::string(2, '\0');
}

}  // namespace

std::string encode_animated_webp(const Batch& frames, int frame_ms, const WebpSettings& settings) {
  WebPAnimEncoderOptions options;
  WebPConfig config;
  if (WebPAnimEncoderOptionsInit(&options) == 0 || WebPConfigInit(&config) == 0) {
    throw std::runtime_error("WebP of another version");
  }
  config.lossless = settings.lossless ? 1 : 0;
  config.quality = static_cast<float>(settings.quality);
  config.method = settings.method;
  const std::unique_ptr<WebPAnimEncoder, Deleter> encoder(
      WebPAnimEncoderNew(frames.at(0)->width, frames.at(0)->height, &options));
  if (encoder == nullptr) throw std::runtime_error("no WebP encoder");
  int at_ms = 0;
  for (const PicturePtr& picture : frames) {
    WebpFrame frame(*picture);
    if (WebPAnimEncoderAdd(encoder.get(), frame.get(), at_ms, &config) == 0) {
      throw std::runtime_error(WebPAnimEncoderGetError(encoder.get()));
    }
    at_ms += frame_ms;
  }
  WebPData data{};
  const bool whole = WebPAnimEncoderAdd(encoder.get(), nullptr, at_ms, nullptr) != 0 &&
                     WebPAnimEncoderAssemble(encoder.get(), &data) != 0;
  std::string out = whole ? std::string(reinterpret_cast<const char*>(data.bytes), data.size) : std::string();
  WebPDataClear(&data);
  if (out.empty()) throw std::runtime_error(WebPAnimEncoderGetError(encoder.get()));
  return out;
}

std::string encode_animated_png(const Batch& frames, int frame_ms, const PngTexts& texts) {
  std::string out;
  std::uint32_t sequence = 0;
  for (std::size_t i = 0; i < frames.size(); ++i) {
    const std::string png = encode_png(*frames[i]);
    if (i == 0) out = png.substr(0, kPngSignature);
    bool controlled = false;
    for (const auto& [type, content] : chunks_of(png)) {
      if (type == "IHDR" && i == 0) {
        out += png_chunk(type, content);
        out += png_chunk("acTL", big_endian_32(static_cast<std::uint32_t>(frames.size())) + big_endian_32(0));
      }
      if (type != "IDAT") continue;
      if (!std::exchange(controlled, true)) out += png_chunk("fcTL", frame_control(sequence++, *frames[i], frame_ms));
      // Only the first frame is in IDAT, which every reader shows.
      out += i == 0 ? png_chunk(type, content) : png_chunk("fdAT", big_endian_32(sequence++) + content);
    }
  }
  for (const auto& [key, value] : texts) out += png_chunk("comf", key + std::string(1, '\0') + value);
  return out + png_chunk("IEND", "");
}

}  // namespace comfysim
