#include "tests/comfysim/replay/player.h"

#include <algorithm>
#include <csignal>
#include <functional>
#include <thread>
#include <utility>

#include "tests/comfysim/files.h"
#include "tests/comfysim/replay/recorded_facts.h"
#include "tests/comfysim/replay/request_body.h"

namespace comfysim::replay {
namespace {

using std::chrono::milliseconds;
using testing::Event;
using testing::Headers;

constexpr auto kPatience = std::chrono::seconds(10);
// A shorter gap before an action is the recorder's own slowness.
constexpr std::int64_t kDeliberateMs = 400;

std::string port_of(const std::string& generation) {
  if (generation == "0.33.0") return "8188";
  return generation == "0.3.64" ? "8190" : "8191";
}

std::string replace_all(std::string text, const std::string& from, const std::string& to) {
  for (std::size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size())) {
    text.replace(at, from.size(), to);
  }
  return text;
}

bool is_action(const Line& line) {
  return line.dir == "http-req" || line.dir == "ws-open" || line.dir == "ws-send" || line.dir == "ws-close" ||
         line.dir == "ws-drop" || line.dir == "server";
}

}  // namespace

Player::Player(Scenario scenario)
    : scenario_(std::move(scenario)),
      lines_(read_recording(scenario_.file)),
      recorded_port_(":" + port_of(scenario_.generation)) {}

std::vector<std::string> Player::play() {
  put_inputs();
  start();
  wind_counter();
  for (std::size_t i = 0; i < lines_.size(); ++i) step(i);
  catch_up();
  for (auto& [name, connection] : connections_) {
    if (!connection.over) finish(name, connection);
  }
  return differ_.found();
}

void Player::start() {
  std::vector<std::string> arguments = {
      "--generation", scenario_.generation, "--step-ms",         "0", "--models", "checkpoints=", "--models",
      "loras=",       "--output-order",     output_order(lines_)};
  if (port_ != 0) {
    arguments.emplace_back("--listen");
    arguments.push_back("127.0.0.1:" + std::to_string(port_));
  }
  process_ = std::make_unique<testing::Process>(folder_.path(), arguments);
  port_ = process_->port();
}

void Player::put_inputs() {
  std::filesystem::create_directories(folder_.path() / "input");
  for (const std::string& name : recorded_inputs(lines_)) {
    write_file(folder_.path() / "input" / name, "not looked at");
  }
}

void Player::wind_counter() {
  std::map<std::int64_t, bool> counts;  // request id -> whether it moved the counter
  std::int64_t moved = 0;
  for (const Line& line : lines_) {
    if (line.dir == "server") return;
    if (line.dir == "http-req" && line.text("method") == "POST" && line.text("path").ends_with("/prompt")) {
      const json::value* body = line.fields.if_contains("body");
      counts[line.number("id")] = body != nullptr && body->is_object() && !body->get_object().contains("number");
    }
    if (line.dir != "http-resp" || !counts.contains(line.number("id"))) continue;
    const json::value* body = line.fields.if_contains("body");
    const json::value* number = body == nullptr ? nullptr : member(*body, "number");
    if (number != nullptr && number->is_int64()) {
      for (std::int64_t i = std::abs(number->get_int64()) - moved; i > 0; --i) {
        testing::post(port_, "/prompt", json::object());
      }
      return;
    }
    moved += counts[line.number("id")] && line.number("status") != 403 ? 1 : 0;
  }
}

void Player::step(std::size_t index) {
  const Line& line = lines_[index];
  if (is_action(line) || line.dir == "note") {
    catch_up();
    pause_as_recorded(index);
  }
  if (line.dir == "http-req") do_request(line);
  if (line.dir == "http-resp" || line.dir == "http-error") check_answer(line);
  if (line.dir == "ws-open") open(line, index);
  if (line.dir == "ws-send") send(line);
  if (line.dir == "ws-recv") connections_[line.text("conn")].recorded.push_back(line.frame());
  if (line.dir == "ws-close" || line.dir == "ws-drop") close(line);
  if (line.dir == "ws-closed") await_close(line);
  if (line.dir == "server") on_server(line);
  if (line.dir == "note") on_note(line.text("text"));
}

// What the recorder did without a line of its own.
void Player::on_note(const std::string& text) {
  if (text.starts_with("the output file was deleted on the server by hand")) {
    std::filesystem::remove_all(folder_.path() / "output");
    std::filesystem::create_directories(folder_.path() / "output");
  }
  if (text.starts_with("the prompt of X is over (history has it)")) {
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    while (testing::get(port_, "/queue").body != R"({"queue_running": [], "queue_pending": []})" &&
           std::chrono::steady_clock::now() < deadline) {
      std::this_thread::sleep_for(milliseconds(20));  // HTTP has no event to wait for
    }
  }
}

// The pause is an input of the scenario ("away for 1 s"), not a wait for something.
void Player::pause_as_recorded(std::size_t index) {
  if (index == 0 || lines_[index - 1].dir == "ws-recv" || lines_[index].dir == "server") return;
  const std::int64_t gap = lines_[index].t_ms - lines_[index - 1].t_ms;
  if (gap >= kDeliberateMs) std::this_thread::sleep_for(milliseconds(gap));
}

void Player::catch_up() {
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  for (auto& [name, connection] : connections_) {
    if (connection.over || connection.out_of_step || !connection.reads) continue;
    listen(connection, milliseconds(0));
    while (!has_caught_up(connection) && !connection.closed && !connection.out_of_step) {
      // What is missing is reported at the end; there is no use in waiting for more.
      connection.out_of_step = std::chrono::steady_clock::now() > deadline;
      listen(connection, milliseconds(200));
    }
  }
}

bool Player::has_caught_up(const Connection& connection) const {
  const std::vector<Heard> wanted = digest(connection.recorded);
  const std::vector<Heard> got = digest(connection.heard);
  if (got.size() != wanted.size() || wanted.empty()) return got.size() >= wanted.size();
  if (!wanted.back().is_reports()) return true;
  return got.back().is_reports() && (!scenario_.counted || got.back().reports.count >= wanted.back().reports.count);
}

void Player::listen(Connection& connection, milliseconds patience) {
  while (std::optional<Event> event = connection.client->next(patience)) {
    patience = milliseconds(0);
    switch (event->kind) {
      case Event::Kind::kText:
        connection.heard.push_back({Frame::Kind::kText, std::move(event->bytes)});
        break;
      case Event::Kind::kBinary:
        connection.heard.push_back({Frame::Kind::kBinary, std::move(event->bytes)});
        break;
      case Event::Kind::kPong:
        connection.heard.push_back({Frame::Kind::kPong, std::move(event->bytes)});
        break;
      case Event::Kind::kClosed:
        connection.closed = event->close_code;
        return;
    }
  }
}

void Player::do_request(const Line& line) {
  const std::string host = "127.0.0.1:" + std::to_string(port_);
  Headers headers = {{"Host", host}};
  if (const json::value* recorded = line.fields.if_contains("headers")) {
    for (const auto& [name, value] : recorded->as_object()) {
      headers[std::string(name)] =
          replace_all(std::string(value.as_string()), recorded_port_, ":" + std::to_string(port_));
    }
  }
  keep_names(line);
  // Two prompts within one millisecond have no order by time; the recorder was never so fast.
  const auto next_millisecond = last_request_ + milliseconds(2);
  std::this_thread::sleep_until(next_millisecond);
  last_request_ = std::chrono::steady_clock::now();
  const std::string body = request_body(line, differ_.names(), headers, large_body(lines_, line));
  const std::string path = differ_.names().translate(line.text("path"));
  requests_[line.number("id")] = line.text("method") + " " + line.text("path");
  replies_[line.number("id")] = testing::request(port_, line.text("method"), path, body, headers);
}

// Ids of clients and, where servers take them, prompts.
void Player::keep_names(const Line& line) {
  const json::value* body = line.fields.if_contains("body");
  if (body == nullptr) return;
  for (const char* key : {"prompt_id", "client_id"}) {
    const json::value* id = member(*body, key);
    if (id != nullptr && id->is_string()) differ_.names().keep(std::string(id->get_string()));
  }
}

void Player::check_answer(const Line& line) {
  const testing::Reply& reply = replies_[line.number("id")];
  const std::string where = "answer " + std::to_string(line.number("id")) + " to " + requests_[line.number("id")];
  const std::int64_t expected = line.dir == "http-error" ? 0 : line.number("status");
  if (expected != reply.status) {
    differ_.report(where + ": recorded status " + std::to_string(expected) + ", got " + std::to_string(reply.status) +
                   " " + reply.body.substr(0, 300));
    return;
  }
  if (line.dir == "http-error") return;
  const json::object& recorded = line.fields.at("headers").as_object();
  for (const char* name : {"Content-Type", "Allow", "Content-Disposition", "Accept-Ranges", "X-Content-Type-Options",
                           "Cache-Control", "Content-Encoding", "Server"}) {
    std::string lower(name);
    std::transform(lower.begin(), lower.end(), lower.begin(), [](unsigned char c) { return std::tolower(c); });
    const auto found = reply.headers.find(lower);
    const json::value* wanted = recorded.if_contains(name);
    const std::string left = wanted == nullptr ? "" : differ_.names().translate(std::string(wanted->as_string()));
    const std::string right = found == reply.headers.end() ? "" : found->second;
    if (left != right) differ_.report(where + ": header " + name + ": recorded '" + left + "', got '" + right + "'");
  }
  for (const char* name : {"ETag", "Last-Modified", "Content-Range"}) {
    std::string lower(name);
    std::transform(lower.begin(), lower.end(), lower.begin(), [](unsigned char c) { return std::tolower(c); });
    if (recorded.contains(name) != reply.headers.contains(lower)) {
      differ_.report(where + ": header " + name + (recorded.contains(name) ? " is missing" : " was not recorded"));
    }
  }
  check_body(line, reply, where);
}

void Player::check_body(const Line& line, const testing::Reply& reply, const std::string& where) {
  const bool trimmed = line.text("note").starts_with("trimmed");
  if (const json::value* recorded = line.fields.if_contains("body")) {
    const std::optional<json::value> actual = parse_json(reply.body);
    if (!actual) {
      differ_.report(where + ": no JSON: " + reply.body.substr(0, 300));
    } else {
      differ_.compare(*recorded, *actual, where, trimmed);
    }
    return;
  }
  if (line.fields.contains("body_b64")) {
    if (line.text("headers").empty() && reply.body.empty()) differ_.report(where + ": empty body");
    const auto heads = [](const std::string& bytes) { return bytes.substr(0, 4); };
    if (heads(decode_base64(line.text("body_b64"))) != heads(reply.body)) {
      differ_.report(where + ": the body begins otherwise");
    }
    return;
  }
  const std::string text = line.text("body_text");
  // JSON with bare NaN is recorded as text.
  if (const auto recorded = parse_json(text); recorded && recorded->is_structured()) {
    const std::optional<json::value> actual = parse_json(reply.body);
    differ_.compare(*recorded, actual.value_or(nullptr), where, trimmed);
    return;
  }
  // Cut off by the recorder.
  if (is_shortened(text) || text.size() < announced_size(line) / 2) return;
  if (differ_.names().translate(text) != reply.body && !trimmed) {
    differ_.report(where + ": recorded '" + text.substr(0, 300) + "', got '" + reply.body.substr(0, 300) + "'");
  }
}

void Player::open(const Line& line, std::size_t index) {
  testing::WebSocketOptions options;
  options.headers["Host"] = "127.0.0.1:" + std::to_string(port_);
  if (const json::value* recorded = line.fields.if_contains("headers")) {
    for (const auto& [name, value] : recorded->as_object()) {
      options.headers[std::string(name)] =
          replace_all(std::string(value.as_string()), recorded_port_, ":" + std::to_string(port_));
    }
  }
  options.read = line.text("note").find("never reads") == std::string::npos;
  // What was answered is in the next line of this connection.
  unsigned expected = 101;
  for (std::size_t i = index + 1; i < lines_.size(); ++i) {
    if (lines_[i].text("conn") != line.text("conn")) continue;
    if (lines_[i].dir == "ws-refused") expected = static_cast<unsigned>(lines_[i].number("status"));
    if (const json::value* answer = lines_[i].fields.if_contains("headers")) {
      options.deflate = answer->as_object().contains("Sec-WebSocket-Extensions");
    }
    break;
  }
  const std::string where = "socket " + line.text("conn");
  Connection connection;
  connection.reads = options.read;
  unsigned status = 101;
  try {
    connection.client =
        std::make_unique<testing::WebSocketClient>(port_, differ_.names().translate(line.text("path")), options);
  } catch (const testing::HandshakeRefused& refused) {
    status = refused.status;
  }
  if (status != expected) {
    differ_.report(where + ": recorded status " + std::to_string(expected) + ", got " + std::to_string(status));
  }
  if (connection.client && options.deflate != connection.client->handshake().contains("sec-websocket-extensions")) {
    differ_.report(where + ": permessage-deflate was " + (options.deflate ? "not accepted" : "accepted unasked"));
  }
  // A name may be used again for a later socket.
  Connection& place = connections_[line.text("conn")];
  if (place.client && !place.over) finish(line.text("conn"), place);
  place = std::move(connection);
  place.over = place.client == nullptr;
}

void Player::send(const Line& line) {
  Connection& connection = connections_[line.text("conn")];
  if (!connection.client) return;
  if (line.text("control") == "ping") {
    connection.client->ping(line.text("payload"));
  } else {
    connection.client->send(whole_text(line.text("text")));
  }
}

void Player::close(const Line& line) {
  Connection& connection = connections_[line.text("conn")];
  if (!connection.client || connection.over) return;
  finish(line.text("conn"), connection);
  if (line.dir == "ws-drop") {
    connection.client->drop();
  } else {
    connection.client->say_goodbye();
  }
}

void Player::await_close(const Line& line) {
  Connection& connection = connections_[line.text("conn")];
  if (!connection.client || connection.over) return;
  catch_up();
  // Without a word about the server: the recorder ended it to go on with another scenario.
  const bool of_itself = std::any_of(lines_.begin(), lines_.end(), [](const Line& l) { return l.dir == "server"; }) ||
                         line.number("code") != 1006;
  if (!of_itself && process_) process_->signal(SIGKILL);
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  while (!connection.closed && std::chrono::steady_clock::now() < deadline) listen(connection, milliseconds(200));
  const std::string where = "socket " + line.text("conn");
  if (!connection.closed) {
    differ_.report(where + ": the server did not end it");
  } else if (static_cast<std::int64_t>(*connection.closed) != line.number("code")) {
    differ_.report(where + ": recorded close code " + std::to_string(line.number("code")) + ", got " +
                   std::to_string(*connection.closed));
  }
  finish(line.text("conn"), connection);
}

void Player::finish(const std::string& name, Connection& connection) {
  connection.over = true;
  if (!connection.reads) return;
  listen(connection, milliseconds(0));
  differ_.compare(digest(connection.recorded), digest(connection.heard), "socket " + name, scenario_.counted);
}

void Player::on_server(const Line& line) {
  const std::string event = line.text("event");
  static const std::map<std::string, int> kSignals = {{"SIGKILL", SIGKILL}, {"SIGTERM", SIGTERM}, {"SIGINT", SIGINT}};
  if (const auto found = kSignals.find(event); found != kSignals.end()) {
    process_->signal(found->second);
  } else if (const std::size_t at = event.find("exit status "); at != std::string::npos) {
    const int expected = std::stoi(event.substr(at + 12));
    const std::optional<int> status = process_->wait_for(kPatience);
    if (status != expected) {
      differ_.report("server: recorded exit status " + std::to_string(expected) + ", got " +
                     (status ? std::to_string(*status) : "none, it goes on"));
    }
  } else if (event.starts_with("start")) {
    process_.reset();
    start();
  }
}

}  // namespace comfysim::replay
