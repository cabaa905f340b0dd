// What the server answers to each request.
#ifndef RENDERYARD_TESTS_COMFYSIM_ROUTES_H_
#define RENDERYARD_TESTS_COMFYSIM_ROUTES_H_

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tests/comfysim/http_message.h"
#include "tests/comfysim/machine.h"
#include "tests/comfysim/multipart.h"

namespace comfysim {

// The flags of GET /features and of the feature_flags message.
json::object server_features(const Options& options);

// All routes. Lives on the I/O thread; no handler waits for anything but the disk.
class Routes {
 public:
  explicit Routes(Machine& machine);

  HttpResponse handle(HttpRequest& request);

  // /ws and /api/ws.
  bool is_websocket(const HttpRequest& request) const;

  // The 403 that browsers get for requests from other origins (protocol section 1).
  std::optional<HttpResponse> check_origin(const HttpRequest& request) const;

  // Writes the "post" line of a POST /prompt whose head was read at `t_us`; returns its number.
  std::uint64_t note_post(std::int64_t t_us);
  void note_refused(const HttpRequest& request, unsigned status, std::string_view reason);

 private:
  using Handler = HttpResponse (Routes::*)(HttpRequest&, const std::string& id);
  struct Route {
    std::string_view method;
    std::string_view path;  // "{}" stands for one segment, given to the handler
    Handler handler;
    bool only_with_api = false;
  };

  HttpResponse dispatch(HttpRequest& request);
  std::vector<Route> table() const;

  // routes_prompt.cc
  HttpResponse get_prompt(HttpRequest&, const std::string&);
  HttpResponse post_prompt(HttpRequest&, const std::string&);
  HttpResponse accept_prompt(const HttpRequest& request, json::object& body);
  HttpResponse refuse_prompt(const HttpRequest& request, json::object error, json::value node_errors);
  HttpResponse get_queue(HttpRequest&, const std::string&);
  HttpResponse post_queue(HttpRequest&, const std::string&);
  HttpResponse post_interrupt(HttpRequest&, const std::string&);
  HttpResponse get_history(HttpRequest&, const std::string&);
  HttpResponse get_history_of(HttpRequest&, const std::string&);
  HttpResponse post_history(HttpRequest&, const std::string&);
  HttpResponse post_free(HttpRequest&, const std::string&);
  json::value next_number(const json::object& body);
  void note_deleted(const HttpRequest& request, const ItemPtr& item, std::string_view by);

  // routes_info.cc
  HttpResponse get_root(HttpRequest&, const std::string&);
  HttpResponse get_object_info(HttpRequest&, const std::string&);
  HttpResponse get_object_info_of(HttpRequest&, const std::string&);
  HttpResponse get_system_stats(HttpRequest&, const std::string&);
  HttpResponse get_features(HttpRequest&, const std::string&);
  HttpResponse get_models(HttpRequest&, const std::string&);
  HttpResponse get_models_of(HttpRequest&, const std::string&);
  HttpResponse get_empty_list(HttpRequest&, const std::string&);
  HttpResponse get_users(HttpRequest&, const std::string&);
  HttpResponse get_settings(HttpRequest&, const std::string&);
  HttpResponse get_userdata(HttpRequest&, const std::string&);
  HttpResponse get_logs(HttpRequest&, const std::string&);
  HttpResponse get_raw_logs(HttpRequest&, const std::string&);
  HttpResponse patch_logs(HttpRequest&, const std::string&);
  HttpResponse get_ledger(HttpRequest&, const std::string&);
  HttpResponse get_faults(HttpRequest&, const std::string&);
  HttpResponse post_faults(HttpRequest&, const std::string&);

  // routes_view.cc
  HttpResponse get_view(HttpRequest&, const std::string&);
  HttpResponse get_view_metadata(HttpRequest&, const std::string&);

  // routes_uploads.cc
  HttpResponse post_upload(HttpRequest&, const std::string&);
  HttpResponse post_upload_mask(HttpRequest&, const std::string&);
  HttpResponse accept_upload(const std::map<std::string, FormPart>& form, bool is_mask);

  // routes_jobs.cc
  HttpResponse get_jobs(HttpRequest&, const std::string&);
  HttpResponse get_job(HttpRequest&, const std::string&);
  HttpResponse post_cancel_job(HttpRequest&, const std::string&);
  HttpResponse post_cancel_jobs(HttpRequest&, const std::string&);
  bool cancel(const HttpRequest& request, const std::string& prompt_id);

  Machine& machine_;
  std::vector<Route> routes_;
  std::int64_t next_number_ = 0;
  std::uint64_t posts_ = 0;
  std::uint64_t life_ = 0;  // of the counter: a forgetful server starts at 0 again
};

}  // namespace comfysim

#endif  // RENDERYARD_TESTS_COMFYSIM_ROUTES_H_
