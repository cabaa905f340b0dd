// The client of bench/latency: sends jobs one after the other and says when. Blocking sockets and one kept connection,
// so that nothing but the system under test takes time. Prints one JSON object per line:
//   {"round_trip_us":N}                 one GET answered by --floor (as often as --count)
//   {"t_us":N,"answered_us":N,"id":N}   a POST: CLOCK_REALTIME just before it was sent, time to the 201, the job's id
// The next job is sent when the one before has ended and --pause is over.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <regex>
#include <stdexcept>
#include <string>
#include <thread>

namespace {

std::int64_t now_us() {
  return std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::system_clock::now().time_since_epoch())
      .count();
}

struct Answer {
  int status = 0;
  std::string body;
};

// One HTTP/1.1 connection to 127.0.0.1. Every answer must carry Content-Length.
class Connection {
 public:
  explicit Connection(int port) : descriptor_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const int on = 1;
    const timeval limit{30, 0};
    ::setsockopt(descriptor_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    ::setsockopt(descriptor_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    if (::connect(descriptor_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
      throw std::runtime_error("cannot connect to port " + std::to_string(port));
    }
  }
  ~Connection() { ::close(descriptor_); }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  Answer exchange(const std::string& request) {
    for (std::size_t sent = 0; sent < request.size();) {
      const ssize_t n = ::send(descriptor_, request.data() + sent, request.size() - sent, MSG_NOSIGNAL);
      if (n <= 0) throw std::runtime_error("the connection broke while sending");
      sent += static_cast<std::size_t>(n);
    }
    std::size_t head_end = std::string::npos;
    while ((head_end = buffer_.find("\r\n\r\n")) == std::string::npos) receive();
    static const std::regex length_field("\r\ncontent-length: *([0-9]+)", std::regex::icase);
    std::smatch length;
    const std::string head = buffer_.substr(0, head_end);
    if (!std::regex_search(head, length, length_field)) throw std::runtime_error("an answer without Content-Length");
    const std::size_t size = std::stoul(length[1]);
    while (buffer_.size() < head_end + 4 + size) receive();
    Answer answer{std::stoi(head.substr(9, 3)), buffer_.substr(head_end + 4, size)};
    buffer_.erase(0, head_end + 4 + size);
    return answer;
  }

 private:
  void receive() {
    char chunk[16384];
    const ssize_t n = ::recv(descriptor_, chunk, sizeof(chunk), 0);
    if (n <= 0) throw std::runtime_error("no answer");
    buffer_.append(chunk, static_cast<std::size_t>(n));
  }

  int descriptor_;
  std::string buffer_;
};

std::string file_text(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) throw std::runtime_error("cannot read " + path);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

struct Settings {
  int gateway = 0;
  int floor = 0;
  int count = 300;
  int pause_ms = 50;
  std::string token_file;
  std::string workflow_file;
};

void measure_floor(const Settings& settings) {
  Connection connection(settings.floor);
  for (int i = 0; i < settings.count; ++i) {
    const auto start = std::chrono::steady_clock::now();
    connection.exchange("GET /prompt HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
    const auto took = std::chrono::steady_clock::now() - start;
    std::printf("{\"round_trip_us\":%lld}\n",
                static_cast<long long>(std::chrono::duration_cast<std::chrono::microseconds>(took).count()));
  }
}

void submit_all(const Settings& settings) {
  std::string token = file_text(settings.token_file);
  while (!token.empty() && token.back() == '\n') token.pop_back();
  const std::string workflow = file_text(settings.workflow_file);
  const std::string common = " HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer " + token + "\r\n";
  const std::regex seed("\"seed\": *[0-9]+");
  const std::regex id_field("\"id\": *([0-9]+)");
  const std::regex final_status("\"status\": *\"(completed|failed|cancelled)\"");
  Connection connection(settings.gateway);
  for (int i = 0; i < settings.count; ++i) {
    std::string body = R"({"job_type":"image_generation","parameters":{"workflow":)";
    body += std::regex_replace(workflow, seed, "\"seed\": " + std::to_string(now_us())) + "}}";
    const std::string request = "POST /api/v1/jobs" + common +
                                "Content-Type: application/json\r\nContent-Length: " + std::to_string(body.size()) +
                                "\r\n\r\n" + body;
    const std::int64_t sent = now_us();
    const Answer answer = connection.exchange(request);
    const std::int64_t answered = now_us();
    std::smatch id;
    if (answer.status != 201 || !std::regex_search(answer.body, id, id_field)) {
      throw std::runtime_error("POST answered " + std::to_string(answer.status) + ": " + answer.body);
    }
    std::printf("{\"t_us\":%lld,\"answered_us\":%lld,\"id\":%s}\n", static_cast<long long>(sent),
                static_cast<long long>(answered - sent), id[1].str().c_str());
    const std::int64_t deadline = answered + 60'000'000;
    for (bool ended = false; !ended;) {
      if (now_us() > deadline) throw std::runtime_error("job " + id[1].str() + " does not end");
      std::this_thread::sleep_for(std::chrono::milliseconds(settings.pause_ms));
      const Answer job = connection.exchange("GET /api/v1/jobs/" + id[1].str() + common + "\r\n");
      ended = std::regex_search(job.body, final_status);
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(settings.pause_ms));
  }
}

}  // namespace

int main(int argc, char** argv) {
  Settings settings;
  CLI::App app("Sends jobs one after the other and says when.", "renderyard-bench-client");
  app.add_option("--gateway-port", settings.gateway, "port of the gateway on 127.0.0.1")->required();
  app.add_option("--floor-port", settings.floor, "port of a server that answers GET /prompt at once");
  app.add_option("--token-file", settings.token_file)->required();
  app.add_option("--workflow", settings.workflow_file, "API format; its seed is changed for every job")->required();
  app.add_option("--count", settings.count);
  app.add_option("--pause-ms", settings.pause_ms, "between looks at the job, and before the next one");
  CLI11_PARSE(app, argc, argv);
  try {
    if (settings.floor != 0) measure_floor(settings);
    submit_all(settings);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "renderyard-bench-client: %s\n", error.what());
    return 1;
  }
  return 0;
}
