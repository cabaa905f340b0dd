#include "tests/comfysim/replay/frames.h"

#include <algorithm>
#include <optional>
#include <utility>

namespace comfysim::replay {
namespace {

std::uint32_t big_endian(std::string_view bytes, std::size_t at) {
  std::uint32_t out = 0;
  for (std::size_t i = at; i < at + 4 && i < bytes.size(); ++i) out = (out << 8) | static_cast<unsigned char>(bytes[i]);
  return out;
}

// One frame, read.
struct Read {
  std::string type;    // of a message; "preview" and "text" of binary frames, "pong"
  json::value value;   // the message
  std::string detail;  // of a preview: "1,jpeg,512x512" or "4,png,…,{metadata}"
};

// Width and height out of the headers: a recording may be shortened, so decoding is not possible.
std::string size_of(std::string_view image) {
  const auto show = [](std::uint32_t width, std::uint32_t height) {
    return "," + std::to_string(width) + "x" + std::to_string(height);
  };
  if (image.starts_with("\x89PNG")) return show(big_endian(image, 16), big_endian(image, 20));
  const auto byte = [&](std::size_t i) { return static_cast<std::uint32_t>(static_cast<unsigned char>(image[i])); };
  // JPEG: marker by marker to the start of frame.
  for (std::size_t at = 2; at + 9 <= image.size();) {
    const std::uint32_t marker = byte(at + 1);
    if (marker == 0xc0 || marker == 0xc2)
      return show(byte(at + 7) << 8 | byte(at + 8), byte(at + 5) << 8 | byte(at + 6));
    at += 2 + (byte(at + 2) << 8 | byte(at + 3));
  }
  return "";
}

std::string image_detail(std::string_view image) {
  const std::string kind = image.starts_with("\x89PNG") ? "png" : image.starts_with("\xff\xd8") ? "jpeg" : "other";
  return kind + size_of(image);
}

Read read_binary(std::string_view bytes) {
  const std::uint32_t event = big_endian(bytes, 0);
  if (event == 3) {
    const std::size_t size = big_endian(bytes, 4);
    const std::string node(bytes.substr(8, size));
    return {"text", json::object{{"text", {node, std::string(bytes.substr(std::min(bytes.size(), 8 + size)))}}}, ""};
  }
  if (event == 4) {
    const std::size_t size = big_endian(bytes, 4);
    const auto metadata = parse_json(bytes.substr(8, size));
    return {"preview", metadata.value_or(nullptr), "4," + image_detail(bytes.substr(std::min(bytes.size(), 8 + size)))};
  }
  if (event == 1)
    return {"preview", nullptr, "1," + std::to_string(big_endian(bytes, 4)) + "," + image_detail(bytes.substr(8))};
  return {"binary", json::object{{"binary", event}}, ""};
}

Read read(const Frame& frame) {
  if (frame.kind == Frame::Kind::kPong) return {"pong", json::object{{"pong", frame.bytes}}, ""};
  if (frame.kind == Frame::Kind::kBinary) return read_binary(frame.bytes);
  std::optional<json::value> value = parse_json(frame.bytes);
  const json::value* type = value ? member(*value, "type") : nullptr;
  if (type == nullptr || !type->is_string()) return {"unparsed", json::object{{"unparsed", frame.bytes}}, ""};
  return {std::string(type->get_string()), std::move(*value), ""};
}

// The frames of one report that begins at `at`: [progress_state] [preview] progress [preview of type 1].
std::size_t report_size(const std::vector<Read>& all, std::size_t at) {
  std::size_t i = at;
  if (i < all.size() && all[i].type == "progress_state") ++i;
  if (i < all.size() && all[i].type == "preview" && all[i].detail.starts_with("4")) ++i;
  if (i >= all.size() || all[i].type != "progress") return 0;
  ++i;
  if (i < all.size() && all[i].type == "preview" && all[i].detail.starts_with("1")) ++i;
  return i - at;
}

void add_report(const std::vector<Read>& all, std::size_t at, std::size_t size, Reports& reports) {
  std::string pattern;
  for (std::size_t i = at; i < at + size; ++i) {
    const Read& frame = all[i];
    pattern += (pattern.empty() ? "" : " ") + frame.type;
    if (frame.type == "preview") pattern += "(" + frame.detail + ")";
    if (frame.type == "progress_state" && reports.count == 0) reports.first_state = frame.value;
    if (frame.type != "progress") continue;
    const json::object& data = frame.value.at("data").as_object();
    if (reports.count == 0) reports.first = data.at("value");
    reports.last = data.at("value");
    reports.max = data.at("max");
  }
  // The first and the last may be cut by a connection that came or went.
  if (pattern.size() > reports.pattern.size()) reports.pattern = pattern;
  ++reports.count;
}

// Whether all that is left from `at` on is the beginning of a report: the connection was cut before the rest came.
bool is_half_report(const std::vector<Read>& all, std::size_t at) {
  const std::size_t left = all.size() - at;
  if (all[at].type != "progress_state" || left > 2 || (left == 2 && all[at + 1].type != "preview")) return false;
  const json::object& nodes = all[at].value.at("data").at("nodes").as_object();
  return std::any_of(nodes.begin(), nodes.end(), [](const auto& entry) {
    return entry.value().at("state") == "running" && entry.value().at("value").template to_number<double>() != 0.0;
  });
}

}  // namespace

bool is_status(const Heard& heard) {
  const json::value* type = heard.is_reports() ? nullptr : member(heard.message, "type");
  return type != nullptr && *type == "status";
}

std::vector<Heard> digest(const std::vector<Frame>& frames) {
  std::vector<Read> all;
  all.reserve(frames.size());
  std::vector<std::pair<std::size_t, Read>> statuses;
  for (const Frame& frame : frames) all.push_back(read(frame));
  // Statuses are set apart first and come back at their place among what is no report.
  std::vector<Read> others;
  for (Read& frame : all) {
    if (frame.type == "status") {
      statuses.emplace_back(others.size(), std::move(frame));
    } else {
      others.push_back(std::move(frame));
    }
  }
  std::vector<Heard> out;
  std::size_t next_status = 0;
  const auto take_statuses = [&](std::size_t up_to) {
    while (next_status < statuses.size() && statuses[next_status].first <= up_to) {
      out.push_back({std::move(statuses[next_status++].second.value), {}});
    }
  };
  for (std::size_t i = 0; i < others.size();) {
    const std::size_t size = report_size(others, i);
    if (size == 0 && is_half_report(others, i)) break;
    // The rest of a report whose beginning came before the connection.
    if (size == 0 && others[i].type == "preview") {
      ++i;
      continue;
    }
    if (size == 0) {
      take_statuses(i);
      out.push_back({std::move(others[i].value), {}});
      ++i;
      continue;
    }
    Reports reports;
    std::size_t at = i;
    for (std::size_t more = size; more > 0; more = report_size(others, at)) {
      std::size_t progress = at;
      while (others[progress].type != "progress") ++progress;
      const json::object& data = others[progress].value.at("data").as_object();
      const json::value* node = data.if_contains("node");
      const json::value* id = data.if_contains("prompt_id");
      const std::string node_id = node == nullptr ? "none" : python_str(*node);
      const std::string prompt_id = id == nullptr ? "none" : python_str(*id);
      if (reports.count > 0 && (node_id != reports.node || prompt_id != reports.prompt_id)) break;
      reports.node = node_id;
      reports.prompt_id = prompt_id;
      add_report(others, at, more, reports);
      at += more;
    }
    take_statuses(at);
    out.push_back({nullptr, std::move(reports)});
    i = at;
  }
  take_statuses(others.size());
  return out;
}

std::string describe(const Heard& heard) {
  if (!heard.is_reports()) return dump_json(heard.message);
  const Reports& r = heard.reports;
  return "reports of node " + r.node + ": " + std::to_string(r.count) + " x [" + r.pattern + "], " +
         dump_json(r.first) + " to " + dump_json(r.last) + " of " + dump_json(r.max);
}

}  // namespace comfysim::replay
