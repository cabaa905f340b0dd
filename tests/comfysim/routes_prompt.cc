// Prompts: posting, queue, history, interrupts.
#include <charconv>
#include <stdexcept>
#include <utility>

#include "tests/comfysim/digest.h"
#include "tests/comfysim/routes.h"
#include "tests/comfysim/validate.h"

namespace comfysim {
namespace {

json::value parse_or_throw(const std::string& text) {
  std::optional<json::value> value = parse_json(text);
  if (!value) throw std::invalid_argument("JSONDecodeError");
  return std::move(*value);
}

std::int64_t python_int(const std::string& text) {
  std::int64_t out = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  if (error != std::errc() || end != text.data() + text.size()) throw std::invalid_argument("ValueError");
  return out;
}

json::array to_json(const std::vector<ItemPtr>& items) {
  json::array out;
  for (const ItemPtr& item : items) out.push_back(item->to_json());
  return out;
}

// The ids of {"delete": [...]}; a text is read letter by letter, as Python iterates it.
std::vector<std::string> ids_of(const json::value& list) {
  std::vector<std::string> out;
  if (list.is_string()) {
    for (const char letter : list.get_string()) out.emplace_back(1, letter);
  } else {
    for (const json::value& id : list.as_array()) out.push_back(python_str(id));
  }
  return out;
}

bool is_true(const json::value& body, std::string_view key) {
  const json::value* value = member(body, key);
  return value != nullptr && value->is_bool() && value->get_bool();
}

// The loop over all nodes that runs before validation and raises on values that cannot be searched.
void replace_nodes(const json::object& prompt) {
  for (const auto& [id, node] : prompt) {
    if (!node.is_structured() && !node.is_string()) throw std::invalid_argument("TypeError");
  }
}

}  // namespace

HttpResponse Routes::get_prompt(HttpRequest&, const std::string&) {
  return json_response({{"exec_info", {{"queue_remaining", machine_.queue.remaining()}}}});
}

HttpResponse Routes::post_prompt(HttpRequest& request, const std::string&) {
  machine_.log.add("got prompt");
  json::value body = parse_or_throw(request.body);
  if (body.is_array()) body = json::object();
  return accept_prompt(request, body.as_object());
}

json::value Routes::next_number(const json::object& body) {
  if (const std::uint64_t life = machine_.control.life(); life != life_) {
    life_ = life;
    next_number_ = 0;
  }
  if (const json::value* number = body.if_contains("number")) {
    if (!number->is_string()) return number->to_number<double>();
    double out = 0;
    const json::string& text = number->get_string();
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
    if (error != std::errc() || end != text.data() + text.size()) throw std::invalid_argument("ValueError");
    return out;
  }
  const json::value* front = body.if_contains("front");
  const bool first = front != nullptr && front->is_bool() && front->get_bool();
  const std::int64_t number = next_number_++;
  return first ? -number : number;
}

HttpResponse Routes::refuse_prompt(const HttpRequest& request, json::object error, json::value node_errors) {
  note_refused(request, 400, std::string_view(error.at("type").as_string()));
  return json_response({{"error", std::move(error)}, {"node_errors", std::move(node_errors)}}, 400);
}

HttpResponse Routes::accept_prompt(const HttpRequest& request, json::object& body) {
  const Generation& generation = machine_.generation;
  auto item = std::make_shared<PromptItem>();
  item->number = next_number(body);
  json::value* prompt = body.if_contains("prompt");
  if (prompt == nullptr && !generation.error_objects) {
    note_refused(request, 400, "no_prompt");
    return json_response({{"error", "no prompt"}, {"node_errors", json::array()}}, 400);
  }
  if (prompt == nullptr) {
    return refuse_prompt(request, make_error("no_prompt", "No prompt provided", "No prompt provided"), json::object());
  }
  const json::value* id = body.if_contains("prompt_id");
  if (generation.client_prompt_ids && id != nullptr && !id->is_null()) {
    item->prompt_id = python_str(*id);
    if (generation.uuid_prompt_ids && !(id->is_string() && is_canonical_uuid(item->prompt_id))) {
      return refuse_prompt(request,
                           make_error("invalid_prompt_id", "prompt_id must be a valid UUID",
                                      "prompt_id must be a UUID string in canonical lowercase hyphenated form; omit it "
                                      "to let the server generate one"),
                           json::object());
    }
  } else {
    item->prompt_id = make_uuid();
  }
  std::optional<json::array> targets;
  if (const json::value* list = body.if_contains("partial_execution_targets");
      generation.partial_targets && list != nullptr && list->is_array()) {
    targets = list->get_array();
  }
  if (generation.node_replacement) replace_nodes(prompt->as_object());
  // An empty list can be gone through like an empty object.
  if (prompt->is_array() && prompt->get_array().empty()) *prompt = json::object();
  Validation validation = validate_prompt(
      prompt->as_object(), targets,
      Rules{machine_.files, generation, *machine_.nodes, machine_.choices, machine_.options.output_order});
  if (const json::value* extra = body.if_contains("extra_data")) item->extra_data = extra->as_object();
  if (const json::value* client = body.if_contains("client_id")) item->extra_data["client_id"] = *client;
  if (!validation.accepted) {
    return refuse_prompt(request, std::move(validation.error), std::move(validation.node_errors));
  }
  if (generation.secrets_hidden) hide_secrets(item->extra_data);
  if (generation.create_time) item->extra_data["create_time"] = now_us() / 1000;
  item->prompt = std::move(prompt->get_object());
  item->outputs = std::move(validation.outputs);

  machine_.strike_all("post_before_queue", item.get());
  machine_.ledger.write("accepted", json::value(item->prompt_id), execution_id_of(item->extra_data),
                        {{"post", request.post_number}, {"number", item->number}});
  json::object answer = {
      {"prompt_id", item->prompt_id}, {"number", item->number}, {"node_errors", std::move(validation.node_errors)}};
  machine_.queue.put(item);
  machine_.strike_all("post_after_queue", item.get());
  return json_response(answer);
}

HttpResponse Routes::get_queue(HttpRequest&, const std::string&) {
  return json_response(
      {{"queue_running", to_json(machine_.queue.running())}, {"queue_pending", to_json(machine_.queue.pending())}});
}

void Routes::note_deleted(const HttpRequest& request, const ItemPtr& item, std::string_view by) {
  machine_.ledger.write(
      "deleted", json::value(item->prompt_id), execution_id_of(item->extra_data),
      {{"by", json::string_view(by.data(), by.size())}, {"user_agent", request.header("user-agent")}});
}

HttpResponse Routes::post_queue(HttpRequest& request, const std::string&) {
  const json::value body = parse_or_throw(request.body);
  if (is_true(body, "clear")) {
    for (const ItemPtr& item : machine_.queue.clear()) note_deleted(request, item, "queue clear");
  }
  if (const json::value* list = member(body, "delete")) {
    for (const std::string& id : ids_of(*list)) {
      if (const ItemPtr item = machine_.queue.remove(id)) note_deleted(request, item, "queue delete");
    }
  }
  return empty_response();
}

HttpResponse Routes::post_interrupt(HttpRequest& request, const std::string&) {
  // Older servers never look at the body.
  const bool reads = machine_.generation.targeted_interrupt;
  const std::optional<json::value> body = reads ? parse_json(request.body) : std::nullopt;
  if (body) static_cast<void>(body->as_object());  // .get() of a list raises
  const json::value* id = body ? member(*body, "prompt_id") : nullptr;
  const bool named = id != nullptr && !(id->is_null() || (id->is_string() && id->get_string().empty()));
  const Interrupter who = {"POST /interrupt", named, request.header("user-agent")};
  if (!named) {
    machine_.control.interrupt(who);
    return empty_response();
  }
  for (const ItemPtr& item : machine_.queue.running()) {
    if (id->is_string() && item->prompt_id == id->get_string()) machine_.control.interrupt(who);
  }
  return empty_response();
}

HttpResponse Routes::get_history(HttpRequest& request, const std::string&) {
  std::optional<std::int64_t> max_items;
  std::int64_t offset = -1;
  if (const auto text = request.parameter("max_items")) max_items = python_int(*text);
  if (const auto text = request.parameter("offset"); text && machine_.generation.history_offset)
    offset = python_int(*text);
  return json_response(machine_.history(max_items, offset));
}

HttpResponse Routes::get_history_of(HttpRequest&, const std::string& id) {
  return json_response(machine_.history_of(id));
}

HttpResponse Routes::post_history(HttpRequest& request, const std::string&) {
  const json::value body = parse_or_throw(request.body);
  if (is_true(body, "clear")) machine_.queue.clear_history();
  if (const json::value* list = member(body, "delete")) {
    for (const std::string& id : ids_of(*list)) machine_.queue.delete_history(id);
  }
  return empty_response();
}

HttpResponse Routes::post_free(HttpRequest& request, const std::string&) {
  if (is_true(parse_or_throw(request.body), "free_memory")) machine_.control.ask_to_free();
  return empty_response();
}

}  // namespace comfysim
