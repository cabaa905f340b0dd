#include "tests/comfysim/test_fixture.h"

#include <array>
#include <cstdio>
#include <cstdlib>
#include <sstream>
#include <stdexcept>
#include <utility>

namespace comfysim::testing {
namespace {

json::object node(const std::string& class_type, json::object inputs) {
  return json::object{{"class_type", class_type}, {"inputs", std::move(inputs)}};
}

json::array link(const std::string& id, int slot) {
  return json::array{json::string(id), slot};
}

json::object empty_image(int colour) {
  return node("EmptyImage", {{"width", 8}, {"height", 8}, {"batch_size", 1}, {"color", colour}});
}

}  // namespace

TemporaryFolder::TemporaryFolder() {
  std::string name = (std::filesystem::temp_directory_path() / "comfysim-XXXXXX").string();
  if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("mkdtemp");
  path_ = name;
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

void ComfysimTest::start() {
  server_.reset();
  options_.dir = folder_.path();
  options_.step_ms = 0;
  server_ = std::make_unique<Server>(options_);
}

Reply ComfysimTest::submit(const json::value& workflow, int n, const json::object& more) {
  json::object body = {{"prompt", workflow}, {"client_id", kClient}, {"prompt_id", id_of(n)}};
  for (const auto& [key, value] : more) body[key] = value;
  return post(port(), "/prompt", body);
}

void ComfysimTest::fault(const json::value& body) {
  const Reply reply = post(port(), "/_sim/faults", body);
  EXPECT_EQ(reply.status, 200u) << reply.body;
}

json::object ComfysimTest::history(int n) {
  const json::value all = get(port(), "/history/" + id_of(n)).json();
  const json::value* entry = member(all, id_of(n));
  return entry == nullptr ? json::object() : entry->as_object();
}

std::vector<json::object> ComfysimTest::ledger() {
  std::vector<json::object> out;
  std::istringstream lines(get(port(), "/_sim/ledger").body);
  for (std::string line; std::getline(lines, line);) out.push_back(parse_json(line)->as_object());
  return out;
}

json::object ComfysimTest::wait_ledger(const std::function<bool(const json::object&)>& wanted) {
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  while (std::chrono::steady_clock::now() < deadline) {
    for (const json::object& line : ledger()) {
      if (wanted(line)) return line;
    }
  }
  ADD_FAILURE() << "the line did not come into the ledger";
  return {};
}

std::string id_of(int n) {
  std::array<char, 40> text{};
  std::snprintf(text.data(), text.size(), "00000000-0000-4000-8000-%012d", n);
  return text.data();
}

json::value simple_workflow(int colour, const std::string& prefix) {
  return json::object{{"1", empty_image(colour)},
                      {"2", node("ImageInvert", {{"image", link("1", 0)}})},
                      {"3", node("SaveImage", {{"images", link("2", 0)}, {"filename_prefix", prefix}})}};
}

json::value slow_workflow(double seconds, int steps, const std::string& preview, int colour) {
  return json::object{
      {"1", empty_image(colour)},
      {"2",
       node("BridgeSlow",
            {{"image", link("1", 0)}, {"seconds", seconds}, {"steps", steps}, {"preview", preview}, {"salt", colour}})},
      {"3", node("SaveImage", {{"images", link("2", 0)}, {"filename_prefix", "rec/slow"}})}};
}

json::value text_to_image(std::uint64_t seed, const std::string& text, int steps) {
  return json::object{{"4", node("CheckpointLoaderSimple", {{"ckpt_name", "v1-5-pruned-emaonly.safetensors"}})},
                      {"5", node("EmptyLatentImage", {{"width", 64}, {"height", 64}, {"batch_size", 1}})},
                      {"6", node("CLIPTextEncode", {{"text", text}, {"clip", link("4", 1)}})},
                      {"7", node("CLIPTextEncode", {{"text", "blurry"}, {"clip", link("4", 1)}})},
                      {"3", node("KSampler", {{"seed", seed},
                                              {"steps", steps},
                                              {"cfg", 8},
                                              {"sampler_name", "euler"},
                                              {"scheduler", "normal"},
                                              {"denoise", 1},
                                              {"model", link("4", 0)},
                                              {"positive", link("6", 0)},
                                              {"negative", link("7", 0)},
                                              {"latent_image", link("5", 0)}})},
                      {"8", node("VAEDecode", {{"samples", link("3", 0)}, {"vae", link("4", 2)}})},
                      {"9", node("SaveImage", {{"images", link("8", 0)}, {"filename_prefix", "t2i"}})}};
}

std::vector<std::string> types_of(const std::vector<Event>& events) {
  std::vector<std::string> out;
  for (const Event& event : events) {
    if (event.kind == Event::Kind::kText) out.push_back(event.type);
  }
  return out;
}

}  // namespace comfysim::testing
