// What may stand between the bridge and a ComfyUI server and speak for either of them: answers in the server's place,
// changes its answers, cuts the line, says more on its WebSockets, or leaves everything unsaid. One request per
// connection. Thread-safety: all methods from any thread; hooks run on the meddler's own thread, one at a time.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace renderyard::testing {

class Meddler {
 public:
  using Headers = std::map<std::string, std::string>;  // names in lower case

  struct Request {
    std::string method;
    std::string target;  // "/view?filename=…"
    Headers headers;
    std::string body;
  };

  // Where the line is cut, by a reset.
  enum class Cut {
    kNowhere,
    kBeforeServer,  // the server hears nothing of the request
    kHalfWay,       // the server gets its head and half of its body
    kBeforeAnswer,  // the server has answered, and nobody hears it
  };

  struct Answer {
    int status = 200;
    std::string type = "application/json";
    std::string body;
    std::string reason = "Said";
    Headers more;  // header lines beside type and length
    Cut cut = Cut::kNowhere;
  };

  // In the server's place; nullopt: the server is asked.
  using Instead = std::function<std::optional<Answer>(const Request&)>;
  // Of what the server answered, HEAD and broken answers apart.
  using Edit = std::function<void(const Request&, Answer&)>;

  // Before the server at `upstream` (http://127.0.0.1:port).
  explicit Meddler(const std::string& upstream);
  ~Meddler();
  Meddler(const Meddler&) = delete;
  Meddler& operator=(const Meddler&) = delete;

  std::string url() const;
  // From the next request on; handshakes of WebSockets are requests, too.
  void answer_instead(Instead hook);
  void edit(Edit hook);
  // Requests whose target begins so are held back from now on, until release(), which ends the holding.
  void hold(std::string target);
  void release();
  int held() const;

  // On every open WebSocket, between two frames of the server. opcode: 1 text, 2 binary.
  void say(int opcode, std::string payload);
  // Open WebSockets stay open, and nothing passes them any more in either direction, for ever.
  void deafen();
  // While this holds, of each WebSocket only the first frame of the server passes, and its answers to pings.
  void silence(bool on);
  // Handshakes of WebSockets are not answered while this holds.
  void hush(bool on);
  int sockets() const;  // open, deafened ones included

  std::vector<Request> seen() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace renderyard::testing
