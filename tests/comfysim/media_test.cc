// Moving pictures and sound: the files are what they say they are.
#include <gtest/gtest.h>
#include <webp/demux.h>

#include <memory>
#include <string>
#include <vector>

#include "tests/comfysim/animation.h"
#include "tests/comfysim/audio.h"
#include "tests/comfysim/digest.h"
#include "tests/comfysim/png_chunk.h"
#include "tests/comfysim/test_fixture.h"
#include "tests/comfysim/test_graphs.h"

namespace comfysim::testing {
namespace {

// Frames of an animated WebP and when each ends.
struct Movie {
  std::vector<Picture> frames;
  std::vector<int> ends_ms;
};

Movie decode_movie(const std::string& bytes) {
  const WebPData data{reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()};
  const std::unique_ptr<WebPAnimDecoder, void (*)(WebPAnimDecoder*)> decoder(WebPAnimDecoderNew(&data, nullptr),
                                                                             WebPAnimDecoderDelete);
  Movie out;
  WebPAnimInfo info{};
  if (decoder == nullptr || WebPAnimDecoderGetInfo(decoder.get(), &info) == 0) return out;
  std::uint8_t* pixels = nullptr;
  int end_ms = 0;
  while (WebPAnimDecoderGetNext(decoder.get(), &pixels, &end_ms) != 0) {
    out.frames.push_back(
        from_rgba(pixels, static_cast<int>(info.canvas_width), static_cast<int>(info.canvas_height), true));
    out.ends_ms.push_back(end_ms);
  }
  return out;
}

Picture plain(std::uint8_t value) {
  Picture out(16, 12);
  std::fill(out.rgb.begin(), out.rgb.end(), value);
  return out;
}

class MediaTest : public ComfysimTest {
 protected:
  // What node "out" of the graph shows.
  json::object output_of(const json::value& graph) {
    WebSocketClient socket(port(), kSocket);
    const Reply reply = submit(graph, ++runs_);
    EXPECT_EQ(reply.status, 200U) << reply.body;
    socket.until_done();
    const json::object entry = history(runs_);
    EXPECT_EQ(entry.at("status").at("status_str"), "success") << dump_json(entry);
    return entry.at("outputs").at("out").as_object();
  }

  Reply read(const json::value& file) {
    return get(port(), "/view?filename=" + python_str(file.at("filename")) +
                           "&subfolder=" + python_str(file.at("subfolder")) + "&type=" + python_str(file.at("type")));
  }

  Graph movie_graph(int pictures) {
    Graph graph = sampling_graph(1, 1.0, pictures);
    graph.add("out", "SaveAnimatedWEBP",
              {{"images", link("decode", 0)},
               {"filename_prefix", "movie"},
               {"fps", 8.0},
               {"lossless", true},
               {"quality", 80},
               {"method", "fastest"}});
    return graph;
  }

  Graph sound_graph(int seed) {
    Graph graph = sampling_graph(static_cast<std::uint64_t>(seed), 1.0);
    graph.add("latent", "EmptyLatentAudio", {{"seconds", 1.5}, {"batch_size", 1}});
    graph.add("decode", "VAEDecodeAudio", {{"samples", link("sample", 0)}, {"vae", link("model", 2)}});
    graph.add("out", "SaveAudio", {{"audio", link("decode", 0)}, {"filename_prefix", "audio/tune"}});
    return graph;
  }

  int runs_ = 0;
};

TEST_F(MediaTest, AnAnimatedWebpHoldsAllPictures) {
  const json::object output = output_of(movie_graph(4).json());
  EXPECT_EQ(
      dump_json(output),
      R"({"images": [{"filename": "movie_00001_.webp", "subfolder": "", "type": "output"}], "animated": [true]})");
  const Reply reply = read(output.at("images").at(0));
  EXPECT_EQ(reply.headers.at("content-type"), "image/webp");
  const Movie movie = decode_movie(reply.body);
  ASSERT_EQ(movie.frames.size(), 4U);
  EXPECT_EQ(movie.ends_ms, (std::vector<int>{125, 250, 375, 500}));
  // Lossless, so each frame is exactly what SaveImage writes.
  Graph still = sampling_graph(1, 1.0, 4);
  const json::array stills = output_of(still.json()).at("images").as_array();
  for (std::size_t i = 0; i < 4; ++i) EXPECT_EQ(movie.frames[i].rgb, decode_png(read(stills[i]).body)->rgb) << i;
}

TEST_F(MediaTest, OnePictureIsAnimatedOnlyForOlderServers) {
  EXPECT_FALSE(output_of(movie_graph(1).json()).contains("animated"));
  options_.generation = &generation_0_3_64();
  start();
  EXPECT_TRUE(output_of(movie_graph(1).json()).contains("animated"));
}

TEST_F(MediaTest, AnAnimatedPngHoldsAllPictures) {
  Graph graph = movie_graph(3);
  graph.add("out", "SaveAnimatedPNG",
            {{"images", link("decode", 0)}, {"filename_prefix", "movie"}, {"fps", 10.0}, {"compress_level", 4}});
  const json::object output = output_of(graph.json());
  EXPECT_TRUE(output.contains("animated"));
  const std::string png = read(output.at("images").at(0)).body;
  EXPECT_TRUE(decode_png(png));
  EXPECT_NE(png.find("comfprompt"), std::string::npos);
}

TEST(AnimationTest, EachFrameOfAnAnimatedPngIsWhole) {
  const Batch frames = {std::make_shared<const Picture>(plain(10)), std::make_shared<const Picture>(plain(200))};
  const std::string png = encode_animated_png(frames, 40, {});
  EXPECT_EQ(decode_png(png)->rgb, frames[0]->rgb);
  const std::size_t control = png.find("acTL");
  ASSERT_NE(control, std::string::npos);
  EXPECT_EQ(png.substr(control + 4, 4), big_endian_32(2));
  // The second frame: its data, after the sequence number, in a PNG of its own.
  const std::size_t data = png.find("fdAT");
  ASSERT_NE(data, std::string::npos);
  std::size_t size = 0;
  for (std::size_t i = data - 4; i < data; ++i) size = (size << 8) | static_cast<std::uint8_t>(png[i]);
  const std::string second =
      png.substr(0, 33) + png_chunk("IDAT", png.substr(data + 8, size - 4)) + png_chunk("IEND", "");
  const std::optional<Picture> decoded = decode_png(second);
  ASSERT_TRUE(decoded);
  EXPECT_EQ(decoded->rgb, frames[1]->rgb);
}

TEST_F(MediaTest, SoundIsFlacAndDependsOnTheSeed) {
  const json::object output = output_of(sound_graph(1).json());
  EXPECT_EQ(dump_json(output),
            R"({"audio": [{"filename": "tune_00001_.flac", "subfolder": "audio", "type": "output"}]})");
  const Reply reply = read(output.at("audio").at(0));
  EXPECT_EQ(reply.headers.at("content-type"), "audio/flac");
  const std::optional<Audio> sound = decode_flac(reply.body);
  ASSERT_TRUE(sound);
  EXPECT_EQ(sound->rate, 44100U);
  EXPECT_EQ(sound->channels, 2U);
  EXPECT_EQ(sound->samples.size(), 2U * 66150U);
  EXPECT_GT(*std::max_element(sound->samples.begin(), sound->samples.end()), 2000);
  EXPECT_NE(reply.body.find("prompt="), std::string::npos);
  const std::optional<Audio> other = decode_flac(read(output_of(sound_graph(2).json()).at("audio").at(0)).body);
  ASSERT_TRUE(other);
  EXPECT_NE(other->samples, sound->samples);
}

TEST_F(MediaTest, AnUploadedSoundComesBackUnchanged) {
  const Audio tune = play_tune(5, 0.5);
  write_file(folder_.path() / "input" / "in.flac", encode_flac(tune, {}));
  Graph graph;
  graph.add("load", "LoadAudio", {{"audio", "in.flac"}});
  graph.add("out", "PreviewAudio", {{"audio", link("load", 0)}});
  const json::value file = output_of(graph.json()).at("audio").at(0);
  EXPECT_EQ(file.at("type"), "temp");
  EXPECT_EQ(decode_flac(read(file).body)->samples, tune.samples);
}

TEST(AudioTest, WhatIsNoSoundIsNotDecoded) {
  const std::string flac = encode_flac(play_tune(1, 0.2), {});
  EXPECT_TRUE(decode_flac(flac));
  EXPECT_FALSE(decode_flac("RIFF and so on"));
  EXPECT_FALSE(decode_flac(flac.substr(0, 30)));
}

TEST(ImageTest, EachFormBringsThePictureBack) {
  Picture picture = plain(90);
  EXPECT_EQ(decode_image(encode_png(picture))->rgb, picture.rgb);
  EXPECT_LT(distance(*decode_image(encode_jpeg(picture, 90)), picture), 2.0);
  EXPECT_LT(distance(*decode_image(encode_webp(picture, 90)), picture), 2.0);
  EXPECT_TRUE(decode_image(encode_webp(picture, 90))->alpha.empty());
  picture.alpha.assign(16 * 12, 7);
  EXPECT_EQ(decode_image(encode_png(picture))->alpha, picture.alpha);
  EXPECT_EQ(decode_image(encode_webp(picture, 90))->alpha, picture.alpha);
  EXPECT_FALSE(decode_image("RIFF....WEBPVP8 and so on"));
  EXPECT_FALSE(decode_image(encode_jpeg(picture, 90).substr(0, 20)));
}

}  // namespace
}  // namespace comfysim::testing
