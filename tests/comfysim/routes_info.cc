// What the server tells of itself, and the routes only comfysim has.
#include <charconv>

#include "tests/comfysim/node_defs.h"
#include "tests/comfysim/routes.h"

namespace comfysim {
namespace {

constexpr std::uint64_t kMemory = 25'276'510'208;  // bytes, as recorded

}  // namespace

HttpResponse Routes::get_root(HttpRequest&, const std::string&) {
  HttpResponse out;
  out.content_type = "text/html";
  out.body = "<html>comfysim: a stand-in for a ComfyUI server, for tests</html>\n";
  return out;
}

HttpResponse Routes::get_object_info(HttpRequest&, const std::string&) {
  return json_response(machine_.choices.fill(machine_.nodes->all()));
}

HttpResponse Routes::get_object_info_of(HttpRequest&, const std::string& id) {
  json::object out;
  if (const json::object* found = machine_.nodes->find(id)) out[id] = machine_.choices.fill(*found);
  return json_response(out);
}

HttpResponse Routes::get_system_stats(HttpRequest&, const std::string&) {
  json::array argv;
  for (const std::string& argument : machine_.options.argv) argv.emplace_back(argument);
  const std::string_view version = machine_.generation.version;
  const json::object system = {{"os", "linux"},
                               {"ram_total", kMemory},
                               {"ram_free", kMemory},
                               {"comfyui_version", json::string_view(version.data(), version.size())},
                               {"required_frontend_version", "1.49.6"},
                               {"installed_templates_version", nullptr},
                               {"required_templates_version", "0.11.44"},
                               {"comfy_package_versions", json::array()},
                               {"python_version", "3.11.2 (main, Apr 28 2025, 14:11:48) [GCC 12.2.0]"},
                               {"pytorch_version", "1.13.0a0"},
                               {"embedded_python", false},
                               {"deploy_environment", "comfysim:" + machine_.options.name},
                               {"argv", argv}};
  const json::object device = {{"name", "cpu"},
                               {"type", "cpu"},
                               {"index", nullptr},
                               {"vram_total", kMemory},
                               {"vram_free", kMemory},
                               {"torch_vram_total", kMemory},
                               {"torch_vram_free", kMemory}};
  json::array devices;
  devices.push_back(device);
  return json_response({{"system", system}, {"devices", devices}});
}

HttpResponse Routes::get_features(HttpRequest&, const std::string&) {
  return json_response(server_features(machine_.options));
}

HttpResponse Routes::get_models(HttpRequest&, const std::string&) {
  json::array out;
  for (const std::string& folder : machine_.models.folders()) out.emplace_back(folder);
  return json_response(out);
}

HttpResponse Routes::get_models_of(HttpRequest&, const std::string& id) {
  const std::vector<std::string>* files = machine_.models.files(id);
  if (files == nullptr) return empty_response(404);
  json::array out;
  for (const std::string& file : *files) out.emplace_back(file);
  return json_response(out);
}

HttpResponse Routes::get_empty_list(HttpRequest&, const std::string&) {
  return json_response(json::array());
}

HttpResponse Routes::get_ledger(HttpRequest& request, const std::string&) {
  const std::string text = request.parameter("offset").value_or("0");
  std::size_t offset = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), offset);
  if (error != std::errc() || end != text.data() + text.size()) {
    return json_response({{"error", "offset: must be a whole number of bytes"}}, 400);
  }
  HttpResponse out;
  out.content_type = "application/x-ndjson";
  out.body = machine_.ledger.read(offset);
  return out;
}

HttpResponse Routes::get_faults(HttpRequest&, const std::string&) {
  return json_response(machine_.faults.list());
}

HttpResponse Routes::post_faults(HttpRequest& request, const std::string&) {
  const std::optional<json::value> body = parse_json(request.body);
  if (!body) return json_response({{"error", "body: must be JSON"}}, 400);
  std::vector<Fault> immediate;
  if (const std::optional<std::string> complaint = machine_.faults.add(*body, immediate)) {
    return json_response({{"error", *complaint}}, 400);
  }
  for (const Fault& fault : immediate) machine_.strike(fault);
  return json_response(machine_.faults.list());
}

}  // namespace comfysim
