// What the faults do to the answer of one request.
#ifndef RENDERYARD_TESTS_COMFYSIM_ANSWER_FAULTS_H_
#define RENDERYARD_TESTS_COMFYSIM_ANSWER_FAULTS_H_

#include <chrono>
#include <cstdint>
#include <optional>

#include "tests/comfysim/http_message.h"
#include "tests/comfysim/machine.h"

namespace comfysim {

struct AnswerPlan {
  bool silent = false;                      // never answer
  std::chrono::milliseconds delay{0};       // before the answer
  std::optional<std::uint64_t> end_after;   // close after so many bytes of the body
  std::optional<std::int64_t> bytes_per_s;  // send the body no faster
};

bool is_prompt_post(const HttpRequest& request);

// Whether a POST /prompt whose body has been read shall neither be processed nor answered.
bool silent_before_queue(Machine& machine, const HttpRequest& request);

// Draws the faults for a processed request and replaces `response` where one says so. The server's own /_sim/ routes
// have none.
AnswerPlan plan_answer(Machine& machine, const HttpRequest& request, HttpResponse& response);

}  // namespace comfysim

#endif  // RENDERYARD_TESTS_COMFYSIM_ANSWER_FAULTS_H_
