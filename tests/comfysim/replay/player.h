// Plays one recording against a comfysim process and collects what differs.
#ifndef RENDERYARD_TESTS_COMFYSIM_REPLAY_PLAYER_H_
#define RENDERYARD_TESTS_COMFYSIM_REPLAY_PLAYER_H_

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tests/comfysim/replay/differ.h"
#include "tests/comfysim/replay/recording.h"
#include "tests/comfysim/test_client.h"
#include "tests/comfysim/test_fixture.h"

namespace comfysim::replay {

struct Scenario {
  std::filesystem::path file;
  std::string generation;
  bool counted = true;  // the generation does not thin out reports of progress
};

// Does what the recorder did: each request, socket and signal comes after all that had come before it in the recording.
// Where the recorder waited on purpose (nothing was said for long before an action) it waits as long. One thread.
class Player {
 public:
  explicit Player(Scenario scenario);

  Differ& differ() { return differ_; }

  // The differences; empty when comfysim behaved as the real server did.
  std::vector<std::string> play();

 private:
  struct Connection {
    std::unique_ptr<testing::WebSocketClient> client;
    std::vector<Frame> recorded;
    std::vector<Frame> heard;
    std::optional<unsigned> closed;  // close code, when the server ended it
    bool over = false;               // compared
    bool reads = true;
    bool out_of_step = false;
  };

  void start();
  // Posts that are refused move the server's counter on to where the recorded server's was.
  void wind_counter();
  // The choices of LoadImage that were recorded are the files that were in the input folder.
  void put_inputs();
  void step(std::size_t index);
  void on_note(const std::string& text);
  void pause_as_recorded(std::size_t index);
  void catch_up();
  bool has_caught_up(const Connection& connection) const;
  // Takes what has come; waits up to `patience` for the first.
  void listen(Connection& connection, std::chrono::milliseconds patience);

  void do_request(const Line& line);
  void keep_names(const Line& line);
  void check_answer(const Line& line);
  void check_body(const Line& line, const testing::Reply& reply, const std::string& where);
  void open(const Line& line, std::size_t index);
  void send(const Line& line);
  void close(const Line& line);
  void await_close(const Line& line);
  void finish(const std::string& name, Connection& connection);
  void on_server(const Line& line);

  const Scenario scenario_;
  const std::vector<Line> lines_;
  const std::string recorded_port_;
  testing::TemporaryFolder folder_;
  std::unique_ptr<testing::Process> process_;
  std::uint16_t port_ = 0;
  Differ differ_;
  std::map<std::string, Connection> connections_;
  std::chrono::steady_clock::time_point last_request_;
  std::map<std::int64_t, testing::Reply> replies_;
  std::map<std::int64_t, std::string> requests_;  // for the messages
};

}  // namespace comfysim::replay

#endif  // RENDERYARD_TESTS_COMFYSIM_REPLAY_PLAYER_H_
