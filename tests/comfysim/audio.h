// Sound in memory and its FLAC form.
#ifndef RENDERYARD_TESTS_COMFYSIM_AUDIO_H_
#define RENDERYARD_TESTS_COMFYSIM_AUDIO_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tests/comfysim/image.h"

namespace comfysim {

// 16-bit samples, the channels of one moment side by side.
struct Audio {
  unsigned rate = 44100;  // samples a second
  unsigned channels = 2;
  std::vector<std::int16_t> samples;
};

// Shared and never changed.
using AudioBatch = std::vector<std::shared_ptr<const Audio>>;

// A tune that depends on `seed`, in stereo.
Audio play_tune(std::uint64_t seed, double seconds);

// FLAC with `texts` as comments; throws std::runtime_error when the library refuses.
std::string encode_flac(const Audio& audio, const PngTexts& texts);

// 16-bit FLAC; nullopt when the bytes are no such thing.
std::optional<Audio> decode_flac(std::string_view bytes);

}  // namespace comfysim

#endif  // RENDERYARD_TESTS_COMFYSIM_AUDIO_H_
