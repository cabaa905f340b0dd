#include "tests/comfysim/audio.h"

#include <FLAC/metadata.h>
#include <FLAC/stream_decoder.h>
#include <FLAC/stream_encoder.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <numbers>
#include <stdexcept>

#include "tests/comfysim/digest.h"

namespace comfysim {
namespace {

constexpr double kNoteSeconds = 0.25;
constexpr double kLoudness = 9000.0;
constexpr unsigned kBlock = 4096;  // samples handed over at once

struct Deleter {
  void operator()(FLAC__StreamEncoder* encoder) const { FLAC__stream_encoder_delete(encoder); }
  void operator()(FLAC__StreamDecoder* decoder) const { FLAC__stream_decoder_delete(decoder); }
  void operator()(FLAC__StreamMetadata* metadata) const { FLAC__metadata_object_delete(metadata); }
};

// A file in memory, for the encoder goes back to write the header.
struct Sink {
  std::string bytes;
  std::size_t at = 0;
};

FLAC__StreamEncoderWriteStatus write_sink(const FLAC__StreamEncoder*, const FLAC__byte* data, std::size_t size,
                                          std::uint32_t, std::uint32_t, void* to) {
  auto& sink = *static_cast<Sink*>(to);
  sink.bytes.resize(std::max(sink.bytes.size(), sink.at + size));
  std::memcpy(&sink.bytes[sink.at], data, size);
  sink.at += size;
  return FLAC__STREAM_ENCODER_WRITE_STATUS_OK;
}

FLAC__StreamEncoderSeekStatus seek_sink(const FLAC__StreamEncoder*, FLAC__uint64 to_byte, void* to) {
  static_cast<Sink*>(to)->at = static_cast<std::size_t>(to_byte);
  return FLAC__STREAM_ENCODER_SEEK_STATUS_OK;
}

FLAC__StreamEncoderTellStatus tell_sink(const FLAC__StreamEncoder*, FLAC__uint64* at, void* to) {
  *at = static_cast<Sink*>(to)->at;
  return FLAC__STREAM_ENCODER_TELL_STATUS_OK;
}

struct Source {
  std::string_view rest;
  Audio audio;
  bool good = true;
};

FLAC__StreamDecoderReadStatus read_source(const FLAC__StreamDecoder*, FLAC__byte* to, std::size_t* size, void* from) {
  auto& source = *static_cast<Source*>(from);
  *size = std::min(*size, source.rest.size());
  std::memcpy(to, source.rest.data(), *size);
  source.rest.remove_prefix(*size);
  return *size == 0 ? FLAC__STREAM_DECODER_READ_STATUS_END_OF_STREAM : FLAC__STREAM_DECODER_READ_STATUS_CONTINUE;
}

FLAC__StreamDecoderWriteStatus take_frame(const FLAC__StreamDecoder*, const FLAC__Frame* frame,
                                          const FLAC__int32* const* channels, void* to) {
  auto& source = *static_cast<Source*>(to);
  if (frame->header.bits_per_sample != 16) {
    source.good = false;
    return FLAC__STREAM_DECODER_WRITE_STATUS_ABORT;
  }
  source.audio.rate = frame->header.sample_rate;
  source.audio.channels = frame->header.channels;
  for (unsigned i = 0; i < frame->header.blocksize; ++i) {
    for (unsigned channel = 0; channel < frame->header.channels; ++channel) {
      source.audio.samples.push_back(static_cast<std::int16_t>(channels[channel][i]));
    }
  }
  return FLAC__STREAM_DECODER_WRITE_STATUS_CONTINUE;
}

void note_error(const FLAC__StreamDecoder*, FLAC__StreamDecoderErrorStatus, void* to) {
  static_cast<Source*>(to)->good = false;
}

}  // namespace

Audio play_tune(std::uint64_t seed, double seconds) {
  // Of the pentatonic scale, so that any sequence sounds well. Semitones above the lowest tone.
  static constexpr std::array<int, 10> kScale = {0, 2, 4, 7, 9, 12, 14, 16, 19, 21};
  Audio out;
  Random random(seed);
  const double lowest = 110.0 * std::pow(2.0, random.between(0.0, 1.0));
  const auto total = static_cast<std::size_t>(seconds * out.rate);
  const auto note = static_cast<std::size_t>(kNoteSeconds * out.rate);
  out.samples.reserve(total * out.channels);
  double frequency = lowest;
  double side = 0.5;
  for (std::size_t i = 0; i < total; ++i) {
    if (i % note == 0) {
      frequency = lowest * std::pow(2.0, kScale[random.next() % kScale.size()] / 12.0);
      side = random.unit();
    }
    const double fading = 1.0 - static_cast<double>(i % note) / static_cast<double>(note);
    const double angle = 2.0 * std::numbers::pi * frequency * static_cast<double>(i) / out.rate;
    const double value = kLoudness * fading * std::sin(angle);
    out.samples.push_back(static_cast<std::int16_t>(value * side));
    out.samples.push_back(static_cast<std::int16_t>(value * (1.0 - side)));
  }
  return out;
}

std::string encode_flac(const Audio& audio, const PngTexts& texts) {
  const std::unique_ptr<FLAC__StreamEncoder, Deleter> encoder(FLAC__stream_encoder_new());
  const std::unique_ptr<FLAC__StreamMetadata, Deleter> comments(
      FLAC__metadata_object_new(FLAC__METADATA_TYPE_VORBIS_COMMENT));
  if (encoder == nullptr || comments == nullptr) throw std::runtime_error("no FLAC encoder");
  for (const auto& [key, value] : texts) {
    FLAC__StreamMetadata_VorbisComment_Entry entry;
    if (FLAC__metadata_object_vorbiscomment_entry_from_name_value_pair(&entry, key.c_str(), value.c_str()) != 0) {
      FLAC__metadata_object_vorbiscomment_append_comment(comments.get(), entry, false);
    }
  }
  FLAC__StreamMetadata* blocks = comments.get();
  FLAC__stream_encoder_set_metadata(encoder.get(), &blocks, 1);
  FLAC__stream_encoder_set_channels(encoder.get(), audio.channels);
  FLAC__stream_encoder_set_bits_per_sample(encoder.get(), 16);
  FLAC__stream_encoder_set_sample_rate(encoder.get(), audio.rate);
  Sink sink;
  if (FLAC__stream_encoder_init_stream(encoder.get(), write_sink, seek_sink, tell_sink, nullptr, &sink) !=
      FLAC__STREAM_ENCODER_INIT_STATUS_OK) {
    throw std::runtime_error("FLAC does not take this sound");
  }
  std::vector<FLAC__int32> block;
  for (std::size_t at = 0; at < audio.samples.size();) {
    const std::size_t end = std::min(audio.samples.size(), at + std::size_t{kBlock} * audio.channels);
    block.assign(audio.samples.begin() + static_cast<std::ptrdiff_t>(at),
                 audio.samples.begin() + static_cast<std::ptrdiff_t>(end));
    const auto moments = static_cast<unsigned>((end - at) / audio.channels);
    if (FLAC__stream_encoder_process_interleaved(encoder.get(), block.data(), moments) == 0) {
      throw std::runtime_error("cannot encode as FLAC");
    }
    at = end;
  }
  if (FLAC__stream_encoder_finish(encoder.get()) == 0) throw std::runtime_error("cannot encode as FLAC");
  return std::move(sink.bytes);
}

std::optional<Audio> decode_flac(std::string_view bytes) {
  if (!bytes.starts_with("fLaC")) return std::nullopt;
  const std::unique_ptr<FLAC__StreamDecoder, Deleter> decoder(FLAC__stream_decoder_new());
  Source source{bytes, {}, true};
  if (decoder == nullptr ||
      FLAC__stream_decoder_init_stream(decoder.get(), read_source, nullptr, nullptr, nullptr, nullptr, take_frame,
                                       nullptr, note_error, &source) != FLAC__STREAM_DECODER_INIT_STATUS_OK) {
    return std::nullopt;
  }
  const bool whole = FLAC__stream_decoder_process_until_end_of_stream(decoder.get()) != 0;
  if (!whole || !source.good || source.audio.samples.empty()) return std::nullopt;
  return std::move(source.audio);
}

}  // namespace comfysim
