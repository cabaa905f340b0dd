// What the server tells of itself, and the routes only comfysim has.
#include <charconv>
#include <stdexcept>
#include <utility>

#include "tests/comfysim/coerce.h"
#include "tests/comfysim/node_defs.h"
#include "tests/comfysim/routes.h"

namespace comfysim {
namespace {

constexpr std::uint64_t kMemory = 25'276'510'208;  // bytes, as recorded

// comfy_package_versions of /system_stats, as recorded from a server without any of them.
json::array required_packages() {
  json::array out;
  for (const auto& [name, required] : {std::pair("comfyui-frontend-package", "1.49.6"),
                                       {"comfyui-workflow-templates", "0.11.44"},
                                       {"comfyui-embedded-docs", "0.5.10"},
                                       {"comfy-kitchen", "0.2.31"},
                                       {"comfy-aimdo", "0.4.13"}}) {
    out.push_back(json::object{{"name", name}, {"installed", nullptr}, {"required", required}});
  }
  return out;
}

}  // namespace

HttpResponse Routes::get_root(HttpRequest&, const std::string&) {
  HttpResponse out;
  out.content_type = "text/html";
  out.body = "<html>comfysim: a stand-in for a ComfyUI server, for tests</html>\n";
  // As of a file that is never changed.
  out.headers = {{"ETag", "\"18e9e823dd888bb5-42\""},
                 {"Last-Modified", "Sat, 21 Nov 2026 00:32:48 GMT"},
                 {"Accept-Ranges", "bytes"}};
  if (machine_.generation.search_aliases) {
    out.headers.emplace_back("Cache-Control", "no-store, must-revalidate");
  } else if (machine_.generation.system_versions) {
    out.headers.emplace_back("Cache-Control", "no-cache");
  }
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
  const Generation& generation = machine_.generation;
  const bool newest = generation.search_aliases;
  json::object system = {{"os", newest ? "linux" : "posix"}};
  if (generation.system_versions) {
    system["ram_total"] = kMemory;
    system["ram_free"] = kMemory;
    system["comfyui_version"] = json::string_view(generation.version.data(), generation.version.size());
    system["required_frontend_version"] = newest ? "1.49.6" : "1.27.10";
    system["installed_templates_version"] = nullptr;
    system["required_templates_version"] = newest ? "0.11.44" : "0.1.95";
  }
  if (newest) system["comfy_package_versions"] = required_packages();
  system["python_version"] = "3.11.2 (main, Apr 28 2025, 14:11:48) [GCC 12.2.0]";
  if (generation.system_versions) system["pytorch_version"] = "1.13.0a0";
  system["embedded_python"] = false;
  if (newest) system["deploy_environment"] = "comfysim:" + machine_.options.name;
  if (generation.system_versions) {
    json::array argv;
    for (const std::string& argument : machine_.options.argv) argv.emplace_back(argument);
    system["argv"] = std::move(argv);
  }
  const json::object device = {{"name", "cpu"},
                               {"type", "cpu"},
                               {"index", nullptr},
                               {"vram_total", kMemory},
                               {"vram_free", kMemory},
                               {"torch_vram_total", kMemory},
                               {"torch_vram_free", kMemory}};
  json::array devices;
  devices.push_back(device);
  return json_response({{"system", std::move(system)}, {"devices", std::move(devices)}});
}

HttpResponse Routes::get_users(HttpRequest&, const std::string&) {
  return json_response({{"storage", "server"}, {"migrated", false}});
}

HttpResponse Routes::get_settings(HttpRequest&, const std::string&) {
  return json_response(json::object());
}

// Nobody has saved anything.
HttpResponse Routes::get_userdata(HttpRequest&, const std::string&) {
  return machine_.generation.system_versions ? text_response(404, "Directory not found") : empty_response(404);
}

HttpResponse Routes::get_logs(HttpRequest&, const std::string&) {
  return json_response(json::string(machine_.log.text()));
}

HttpResponse Routes::get_raw_logs(HttpRequest&, const std::string&) {
  return json_response(machine_.log.raw());
}

HttpResponse Routes::patch_logs(HttpRequest& request, const std::string&) {
  const std::optional<json::value> body = parse_json(request.body);
  const json::value* client = body ? member(*body, "clientId") : nullptr;
  const json::value* enabled = body ? member(*body, "enabled") : nullptr;
  if (client == nullptr || enabled == nullptr) throw std::invalid_argument("KeyError");
  if (to_bool(*enabled)) {
    machine_.log.subscribe(python_str(*client));
  } else {
    machine_.log.unsubscribe(python_str(*client));
  }
  return empty_response();
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
