// The graphs people use run through the server and make files that depend on what they were given.
#include "tests/comfysim/nodes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "tests/comfysim/node_defs.h"
#include "tests/comfysim/test_fixture.h"
#include "tests/comfysim/test_graphs.h"

namespace comfysim::testing {
namespace {

using ::testing::ElementsAre;

Picture gradient(int width, int height) {
  Picture out(width, height);
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      std::uint8_t* pixel = out.pixel(x, y);
      pixel[0] = static_cast<std::uint8_t>(x * 255 / width);
      pixel[1] = static_cast<std::uint8_t>(y * 255 / height);
      pixel[2] = 40;
    }
  }
  return out;
}

class NodesTest : public ComfysimTest {
 protected:
  // Runs a graph; its events.
  std::vector<Event> run(const json::value& graph) {
    const Reply reply = submit(graph, ++runs_);
    EXPECT_EQ(reply.status, 200U) << reply.body;
    std::vector<Event> events = socket_->until_done();
    EXPECT_EQ(history(runs_).at("status").at("status_str"), "success") << dump_json(history(runs_));
    return events;
  }

  // Runs a graph whose node "out" saves; the files as the history names them.
  json::array files_of(const json::value& graph, const char* key = "images") {
    run(graph);
    return history(runs_).at("outputs").at("out").at(key).as_array();
  }

  std::string read(const json::value& file) {
    const Reply reply = get(port(), "/view?filename=" + python_str(file.at("filename")) + "&subfolder=" +
                                        python_str(file.at("subfolder")) + "&type=" + python_str(file.at("type")));
    EXPECT_EQ(reply.status, 200U);
    return reply.body;
  }

  // The first picture that a graph saves.
  Picture picture_of(const json::value& graph) {
    const std::optional<Picture> picture = decode_image(read(files_of(graph).at(0)));
    EXPECT_TRUE(picture);
    return picture.value_or(Picture(1, 1));
  }

  void give(const std::string& name, const std::string& bytes) { write_file(folder_.path() / "input" / name, bytes); }

  void SetUp() override {
    ComfysimTest::SetUp();
    socket_ = std::make_unique<WebSocketClient>(port(), kSocket);
    give("in.png", encode_png(gradient(64, 48)));
    give("other.png", encode_png(Picture(64, 48)));
  }

  std::unique_ptr<WebSocketClient> socket_;
  int runs_ = 0;
};

TEST_F(NodesTest, EveryDescribedClassCanRun) {
  for (const Generation* generation : {&generation_0_33_0(), &generation_0_3_64(), &generation_2024_06_30()}) {
    const NodeDefs described(*generation);
    for (const auto& [name, definition] : described.all()) {
      EXPECT_NO_THROW(node_function({name.data(), name.size()})) << name;
    }
  }
}

TEST_F(NodesTest, EveryReleaseTakesWhatItKnows) {
  for (const Generation* generation : {&generation_0_33_0(), &generation_0_3_64(), &generation_2024_06_30()}) {
    options_.generation = generation;
    start();
    const auto status = [&](const json::value& graph) { return submit(graph, ++runs_).status; };
    EXPECT_EQ(status(image_to_image("in.png", 1, 0.5)), 200U) << generation->name;
    Graph graph = sampling_graph(1, 1.0);
    graph.add("second", "KSampler", sampler_inputs(2, 0.5, link("sample", 0)));
    graph.add("out", "SaveAnimatedWEBP",
              {{"images", link("decode", 0)},
               {"filename_prefix", "movie"},
               {"fps", 8.0},
               {"lossless", true},
               {"quality", 80},
               {"method", "default"}});
    EXPECT_EQ(status(graph.json()), 200U) << generation->name;
    // A choice is looked at in both forms in which a description may have it.
    graph.set("out", "method", "no such method");
    EXPECT_EQ(status(graph.json()), 400U) << generation->name;
    graph = sampling_graph(1, 1.0);
    graph.add("guided", "FluxGuidance", {{"conditioning", link("positive", 0)}, {"guidance", 3.5}});
    graph.set("sample", "positive", link("guided", 0));
    EXPECT_EQ(status(graph.json()), generation->models_route ? 200U : 400U) << generation->name;
  }
}

TEST_F(NodesTest, ImageToImageKeepsSomeOfThePicture) {
  const Picture source = gradient(64, 48);
  EXPECT_EQ(picture_of(image_to_image("in.png", 1, 0.0)).rgb, source.rgb);
  const Picture light = picture_of(image_to_image("in.png", 1, 0.3));
  const Picture strong = picture_of(image_to_image("in.png", 1, 0.9));
  EXPECT_EQ(light.width, 64);
  EXPECT_EQ(light.height, 48);
  EXPECT_GT(distance(light, source), 0.0);
  EXPECT_LT(distance(light, source), distance(strong, source));
  EXPECT_EQ(picture_of(image_to_image("in.png", 1, 0.3)).rgb, light.rgb);
  EXPECT_NE(picture_of(image_to_image("in.png", 2, 0.3)).rgb, light.rgb);
  EXPECT_NE(picture_of(image_to_image("other.png", 1, 0.3)).rgb, light.rgb);
}

TEST_F(NodesTest, InpaintingChangesOnlyWhatIsMasked) {
  Picture holed = gradient(64, 64);
  holed.alpha.assign(64 * 64, 255);
  for (int y = 0; y < 64; ++y) std::fill_n(&holed.alpha[holed.index(32, y)], 32, std::uint8_t{0});
  give("holed.png", encode_png(holed));
  Graph graph = sampling_graph(7, 1.0);
  graph.add("load", "LoadImage", {{"image", "holed.png"}});
  graph.add("latent", "VAEEncodeForInpaint",
            {{"pixels", link("load", 0)}, {"vae", link("model", 2)}, {"mask", link("load", 1)}, {"grow_mask_by", 4}});
  const Picture out = picture_of(graph.json());
  EXPECT_TRUE(std::equal(out.pixel(0, 10), out.pixel(27, 10), holed.pixel(0, 10)));
  EXPECT_FALSE(std::equal(out.pixel(34, 10), out.pixel(60, 10), holed.pixel(34, 10)));

  // The same by a mask of a colour channel, half of which is white.
  Picture white(64, 64);
  for (int y = 0; y < 64; ++y) std::fill_n(white.pixel(0, y), 32 * 3, std::uint8_t{255});
  give("mask.png", encode_png(white));
  graph.add("encode", "VAEEncode", {{"pixels", link("load", 0)}, {"vae", link("model", 2)}});
  graph.add("mask", "LoadImageMask", {{"image", "mask.png"}, {"channel", "red"}});
  graph.add("latent", "SetLatentNoiseMask", {{"samples", link("encode", 0)}, {"mask", link("mask", 0)}});
  const Picture left = picture_of(graph.json());
  EXPECT_FALSE(std::equal(left.pixel(0, 10), left.pixel(31, 10), holed.pixel(0, 10)));
  EXPECT_TRUE(std::equal(left.pixel(32, 10), left.pixel(63, 10), holed.pixel(32, 10)));
}

TEST_F(NodesTest, ALoraChangesThePicture) {
  Graph plain = sampling_graph(1, 1.0);
  const Picture without = picture_of(plain.json());
  Graph graph = sampling_graph(1, 1.0);
  const auto with = [&](double strength) {
    graph.add("lora", "LoraLoader",
              {{"model", link("model", 0)},
               {"clip", link("model", 1)},
               {"lora_name", "lcm-lora-sdv1-5.safetensors"},
               {"strength_model", strength},
               {"strength_clip", 1.0}});
    graph.set("sample", "model", link("lora", 0));
    graph.set("positive", "clip", link("lora", 1));
    return picture_of(graph.json()).rgb;
  };
  EXPECT_NE(with(1.0), without.rgb);
  EXPECT_NE(with(1.0), with(0.5));
}

TEST_F(NodesTest, UpscalingMakesThePictureLarger) {
  Graph graph;
  graph.add("load", "LoadImage", {{"image", "in.png"}});
  graph.add("model", "UpscaleModelLoader", {{"model_name", "4x-UltraSharp.pth"}});
  graph.add("large", "ImageUpscaleWithModel", {{"upscale_model", link("model", 0)}, {"image", link("load", 0)}});
  graph.save(link("large", 0));
  Picture out = picture_of(graph.json());
  EXPECT_EQ(out.width, 256);
  EXPECT_EQ(out.height, 192);
  graph.add("model", "UpscaleModelLoader", {{"model_name", "RealESRGAN_x2plus.pth"}});
  EXPECT_EQ(picture_of(graph.json()).width, 128);
  graph.add("large", "ImageScaleBy", {{"image", link("load", 0)}, {"upscale_method", "area"}, {"scale_by", 0.5}});
  EXPECT_EQ(picture_of(graph.json()).height, 24);
  graph.add(
      "large", "ImageScale",
      {{"image", link("load", 0)}, {"upscale_method", "area"}, {"width", 24}, {"height", 48}, {"crop", "center"}});
  out = picture_of(graph.json());
  // The middle of the gradient: 20 pixels are cut off on each side.
  EXPECT_EQ(out.pixel(0, 0)[0], 20 * 255 / 64);
}

TEST_F(NodesTest, AHintForAControlNetCounts) {
  Graph graph = sampling_graph(1, 1.0);
  const auto with = [&](const char* file, double strength) {
    graph.add("hint", "LoadImage", {{"image", file}});
    graph.add("net", "ControlNetLoader", {{"control_net_name", "control_v11p_sd15_canny.safetensors"}});
    graph.add("control", "ControlNetApplyAdvanced",
              {{"positive", link("positive", 0)},
               {"negative", link("negative", 0)},
               {"control_net", link("net", 0)},
               {"image", link("hint", 0)},
               {"strength", strength},
               {"start_percent", 0.0},
               {"end_percent", 1.0}});
    graph.set("sample", "positive", link("control", 0));
    graph.set("sample", "negative", link("control", 1));
    return picture_of(graph.json()).rgb;
  };
  const auto first = with("in.png", 1.0);
  EXPECT_EQ(first, with("in.png", 1.0));
  EXPECT_NE(first, with("other.png", 1.0));
  EXPECT_NE(first, with("in.png", 0.5));
  EXPECT_EQ(with("in.png", 0.0), picture_of(sampling_graph(1, 1.0).json()).rgb);
}

TEST_F(NodesTest, ASecondPassOverALargerLatentKeepsTheComposition) {
  Graph graph = sampling_graph(3, 1.0);
  const Picture small = picture_of(graph.json());
  graph.add("larger", "LatentUpscale",
            {{"samples", link("sample", 0)},
             {"upscale_method", "nearest-exact"},
             {"width", 128},
             {"height", 128},
             {"crop", "disabled"}});
  graph.add("second", "KSampler", sampler_inputs(9, 0.3, link("larger", 0)));
  graph.set("decode", "samples", link("second", 0));
  const Picture large = picture_of(graph.json());
  EXPECT_EQ(large.width, 128);
  const Picture unrelated = picture_of(sampling_graph(4, 1.0).json());
  EXPECT_LT(distance(scale(large, 64, 64), small), distance(unrelated, small));
}

TEST_F(NodesTest, TwoStagesShareTheSteps) {
  Graph graph = sampling_graph(3, 1.0);
  json::object first = {{"model", link("model", 0)},
                        {"add_noise", "enable"},
                        {"noise_seed", 11},
                        {"steps", 10},
                        {"cfg", 7.0},
                        {"sampler_name", "euler"},
                        {"scheduler", "normal"},
                        {"positive", link("positive", 0)},
                        {"negative", link("negative", 0)},
                        {"latent_image", link("latent", 0)},
                        {"start_at_step", 0},
                        {"end_at_step", 6},
                        {"return_with_leftover_noise", "enable"}};
  json::object second = first;
  second["start_at_step"] = 6;
  second["end_at_step"] = 10'000;
  second["latent_image"] = link("base", 0);
  graph.add("base", "KSamplerAdvanced", first);
  graph.add("refine", "KSamplerAdvanced", second);
  graph.set("decode", "samples", link("refine", 0));
  std::vector<std::string> last;
  for (const Event& event : run(graph.json())) {
    if (event.type != "progress" || event.data.at("value") != event.data.at("max")) continue;
    last.push_back(python_str(event.data.at("node")) + ":" + python_str(event.data.at("max")));
  }
  EXPECT_THAT(last, ElementsAre("base:6", "refine:4"));
}

TEST_F(NodesTest, TheUsualFluxGraphRuns) {
  const auto with = [&](int seed, double guidance) {
    Graph graph;
    graph.add("unet", "UNETLoader", {{"unet_name", "flux1-dev.safetensors"}, {"weight_dtype", "default"}});
    graph.add("clip", "DualCLIPLoader",
              {{"clip_name1", "t5xxl_fp16.safetensors"}, {"clip_name2", "clip_l.safetensors"}, {"type", "flux"}});
    graph.add("vae", "VAELoader", {{"vae_name", "ae.safetensors"}});
    graph.add("text", "CLIPTextEncode", {{"text", "a fox"}, {"clip", link("clip", 0)}});
    graph.add("guidance", "FluxGuidance", {{"conditioning", link("text", 0)}, {"guidance", guidance}});
    graph.add("shift", "ModelSamplingFlux",
              {{"model", link("unet", 0)}, {"max_shift", 1.15}, {"base_shift", 0.5}, {"width", 64}, {"height", 64}});
    graph.add("guider", "BasicGuider", {{"model", link("shift", 0)}, {"conditioning", link("guidance", 0)}});
    graph.add("noise", "RandomNoise", {{"noise_seed", seed}});
    graph.add("sampler", "KSamplerSelect", {{"sampler_name", "euler"}});
    graph.add("sigmas", "BasicScheduler",
              {{"model", link("shift", 0)}, {"scheduler", "simple"}, {"steps", 4}, {"denoise", 1.0}});
    graph.add("latent", "EmptySD3LatentImage", {{"width", 64}, {"height", 64}, {"batch_size", 1}});
    graph.add("sample", "SamplerCustomAdvanced",
              {{"noise", link("noise", 0)},
               {"guider", link("guider", 0)},
               {"sampler", link("sampler", 0)},
               {"sigmas", link("sigmas", 0)},
               {"latent_image", link("latent", 0)}});
    graph.add("decode", "VAEDecode", {{"samples", link("sample", 0)}, {"vae", link("vae", 0)}});
    graph.save(link("decode", 0));
    return picture_of(graph.json()).rgb;
  };
  const auto first = with(1, 3.5);
  EXPECT_EQ(with(1, 3.5), first);
  EXPECT_NE(with(2, 3.5), first);
  EXPECT_NE(with(1, 4.0), first);
}

TEST_F(NodesTest, APartOfABatchKeepsItsPicture) {
  Graph graph = sampling_graph(5, 1.0, 3);
  const json::array whole = files_of(graph.json());
  ASSERT_EQ(whole.size(), 3U);
  EXPECT_NE(read(whole[0]), read(whole[1]));
  const std::string second = read(whole[1]);
  graph.add("part", "LatentFromBatch", {{"samples", link("sample", 0)}, {"batch_index", 1}, {"length", 1}});
  graph.set("decode", "samples", link("part", 0));
  EXPECT_EQ(picture_of(graph.json()).rgb, decode_png(second)->rgb);
  graph.add("more", "RepeatLatentBatch", {{"samples", link("part", 0)}, {"amount", 2}});
  graph.set("decode", "samples", link("more", 0));
  const json::array repeated = files_of(graph.json());
  ASSERT_EQ(repeated.size(), 2U);
  EXPECT_EQ(decode_png(read(repeated[0]))->rgb, decode_png(read(repeated[1]))->rgb);
}

TEST_F(NodesTest, PicturesGoToTheSocketAndNowhereElse) {
  Graph graph;
  graph.add("make", "EmptyImage", {{"width", 700}, {"height", 20}, {"batch_size", 2}, {"color", 255}});
  graph.add("out", "SaveImageWebsocket", {{"images", link("make", 0)}});
  for (int round = 0; round < 2; ++round) {  // the second time, though nothing has changed
    std::vector<int> widths;
    for (const Event& event : run(graph.json())) {
      EXPECT_NE(event.type, "executed");
      if (event.kind != Event::Kind::kBinary) continue;
      EXPECT_EQ(event.bytes.substr(0, 8), std::string("\0\0\0\1\0\0\0\2", 8));  // a preview, in PNG
      const std::optional<Picture> picture = decode_png(std::string_view(event.bytes).substr(8));
      ASSERT_TRUE(picture);
      widths.push_back(picture->width);
    }
    EXPECT_THAT(widths, ElementsAre(700, 700));
  }
  EXPECT_FALSE(history(runs_).at("outputs").as_object().contains("out"));
}

TEST_F(NodesTest, ASamplerShowsPreviewsOfWhatItMakes) {
  Graph graph = sampling_graph(5, 1.0);
  submit(graph.json(), 1, {{"extra_data", {{"preview_method", "latent2rgb"}}}});
  int previews = 0;
  for (const Event& event : socket_->until_done()) {
    if (event.kind != Event::Kind::kBinary) continue;
    const std::optional<Picture> picture = decode_jpeg(std::string_view(event.bytes).substr(8));
    ASSERT_TRUE(picture);
    EXPECT_EQ(picture->width, 512);
    ++previews;
  }
  EXPECT_EQ(previews, 3);
}

}  // namespace
}  // namespace comfysim::testing
