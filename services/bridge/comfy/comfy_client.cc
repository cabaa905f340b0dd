#include "services/bridge/comfy/comfy_client.h"

#include <absl/strings/str_cat.h>

#include <boost/asio/post.hpp>
#include <boost/asio/ssl/context.hpp>
#include <optional>
#include <utility>
#include <vector>

#include "libs/common/base/status_macros.h"
#include "services/bridge/comfy/cancel.h"
#include "services/bridge/comfy/comfy_api.h"
#include "services/bridge/comfy/instance_url.h"
#include "services/bridge/comfy/probe.h"

namespace renderyard::comfy {

namespace {

std::string view_of(const domain::OutputFile& file) {
  return absl::StrCat("/view?filename=", percent_encode(file.filename), "&subfolder=", percent_encode(file.subfolder),
                      "&type=", percent_encode(file.type));
}

ports::FileVersion version_of(const HttpAnswer& answer) {
  return {.size_bytes = answer.size_bytes, .modified_at = answer.modified_at, .etag = answer.etag};
}

}  // namespace

class ComfyClient final : public ports::ComfyInstance {
 public:
  ComfyClient(ComfyClients& shared, InstanceUrl api, InstanceUrl ws)
      : shared_(shared),
        api_url_(api),
        ws_url_(std::move(ws)),
        api_(shared.http_, std::move(api), shared.options_.max_listing_bytes) {}

  base::Task<absl::StatusOr<std::unique_ptr<ports::ComfySocket>>> connect(std::string client_id,
                                                                          absl::Time deadline) override {
    return connect_socket(shared_.sockets_, shared_.strand_, shared_.clock_, shared_.counters_, ws_url_,
                          std::move(client_id), deadline);
  }

  void set_access(std::vector<ports::SecretHeader> headers) override {
    api_url_.headers = headers;
    ws_url_.headers = headers;
    api_.set_headers(std::move(headers));
  }

  base::Task<absl::StatusOr<ports::ComfyAbilities>> probe(absl::Time deadline) override {
    return probe_server(api_, deadline);
  }

  base::Task<absl::StatusOr<domain::ServerDescription>> describe(absl::Time deadline) override {
    using Result = absl::StatusOr<domain::ServerDescription>;
    ASSIGN_OR_CO_RETURN(std::string stats, co_await api_.get("/system_stats", deadline));
    ASSIGN_OR_CO_RETURN(std::string nodes, co_await api_.get("/object_info", deadline));
    if (nodes.size() > shared_.options_.max_object_info_bytes) {
      co_return absl::InvalidArgumentError("/object_info is larger than the bridge reads");
    }
    auto start = [&](base::Completer<Result> completer) {
      boost::asio::post(shared_.readers_, [completer, nodes = std::move(nodes), stats = std::move(stats)] {
        completer.post(domain::parse_description(nodes, stats));
      });
    };
    co_return co_await base::suspend<Result>(shared_.strand_, start);
  }

  base::Task<domain::PostOutcome> post_prompt(std::string body, absl::Time begin_by, absl::Time deadline) override {
    return shared_.poster_.post(api_url_, std::move(body), begin_by, deadline);
  }

  base::Task<absl::StatusOr<domain::QueueListing>> queue(absl::Time deadline) override { return api_.queue(deadline); }

  base::Task<absl::StatusOr<std::optional<domain::HistoryEntry>>> history(std::string prompt_id,
                                                                          absl::Time deadline) override {
    std::string target = "/history/" + percent_encode(prompt_id);
    ASSIGN_OR_CO_RETURN(const std::string body, co_await api_.get(std::move(target), deadline));
    co_return domain::parse_history(body, prompt_id);
  }

  base::Task<absl::StatusOr<std::vector<domain::QueueItem>>> recent_history(int max_items,
                                                                            absl::Time deadline) override {
    std::string target = absl::StrCat("/history?max_items=", max_items);
    ASSIGN_OR_CO_RETURN(const std::string body, co_await api_.get(std::move(target), deadline));
    ASSIGN_OR_CO_RETURN(std::vector<domain::QueueItem> items, domain::parse_history_listing(body));
    std::erase_if(items, [](const domain::QueueItem& item) { return item.chosen_id.empty(); });
    co_return items;
  }

  base::Task<absl::StatusOr<ports::FetchedFile>> fetch(domain::OutputFile file, ByteSink sink, ports::FetchBegun begun,
                                                       absl::Time deadline) override {
    std::string target = view_of(file);
    HeadSink on_head;
    if (begun) on_head = [begun = std::move(begun)](const HttpAnswer& head) { begun(version_of(head)); };
    auto answer = co_await api_.download(std::move(target), std::move(sink), std::move(on_head), deadline);
    // A name that the server refuses for what it is (400) will never be there.
    if (absl::IsInvalidArgument(answer.status())) co_return absl::NotFoundError(answer.status().message());
    if (!answer.ok()) co_return answer.status();
    co_return ports::FetchedFile{.version = version_of(*answer), .content_type = std::move(answer->content_type)};
  }

  base::Task<absl::StatusOr<ports::FileVersion>> version(domain::OutputFile file, absl::Time deadline) override {
    std::string target = view_of(file);
    auto answer = co_await api_.head(std::move(target), deadline);
    if (absl::IsInvalidArgument(answer.status())) co_return absl::NotFoundError(answer.status().message());
    if (!answer.ok()) co_return answer.status();
    co_return version_of(*answer);
  }

  base::Task<absl::Status> cancel(std::string prompt_id, ports::ComfyAbilities abilities,
                                  absl::Time deadline) override {
    return cancel_prompt(api_, std::move(prompt_id), std::move(abilities), deadline);
  }

 private:
  ComfyClients& shared_;
  InstanceUrl api_url_;
  InstanceUrl ws_url_;
  ComfyApi api_;
};

namespace {

// Stands for a row that cannot be used.
class NoClient final : public ports::ComfyInstance {
 public:
  explicit NoClient(absl::Status why) : why_(std::move(why)) {}

  base::Task<absl::StatusOr<std::unique_ptr<ports::ComfySocket>>> connect(std::string, absl::Time) override {
    co_return why_;
  }
  void set_access(std::vector<ports::SecretHeader>) override {}
  base::Task<absl::StatusOr<ports::ComfyAbilities>> probe(absl::Time) override { co_return why_; }
  base::Task<absl::StatusOr<domain::ServerDescription>> describe(absl::Time) override { co_return why_; }
  base::Task<domain::PostOutcome> post_prompt(std::string, absl::Time, absl::Time) override {
    domain::PostOutcome outcome;
    outcome.kind = domain::PostOutcome::Kind::kConnectFailed;
    outcome.error = std::string(why_.message());
    co_return outcome;
  }
  base::Task<absl::StatusOr<domain::QueueListing>> queue(absl::Time) override { co_return why_; }
  base::Task<absl::StatusOr<std::optional<domain::HistoryEntry>>> history(std::string, absl::Time) override {
    co_return why_;
  }
  base::Task<absl::StatusOr<std::vector<domain::QueueItem>>> recent_history(int, absl::Time) override {
    co_return why_;
  }
  base::Task<absl::StatusOr<ports::FetchedFile>> fetch(domain::OutputFile, ByteSink, ports::FetchBegun,
                                                       absl::Time) override {
    co_return why_;
  }
  base::Task<absl::StatusOr<ports::FileVersion>> version(domain::OutputFile, absl::Time) override { co_return why_; }
  base::Task<absl::Status> cancel(std::string, ports::ComfyAbilities, absl::Time) override { co_return why_; }

 private:
  const absl::Status why_;
};

}  // namespace

absl::Status check_ca_file(const std::string& ca_file) {
  if (ca_file.empty()) return absl::OkStatus();
  boost::asio::ssl::context context(boost::asio::ssl::context::tls_client);
  boost::system::error_code error;
  context.load_verify_file(ca_file, error);
  if (!error) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("comfyui-ca-file: ", ca_file, " has no certificate that can be read (",
                                                 error.message(), "); name a PEM file"));
}

ComfyClients::ComfyClients(ComfyIo& io, base::Strand& strand, base::Clock& clock, ComfyOptions options)
    : strand_(strand),
      clock_(clock),
      options_(std::move(options)),
      resolver_(io),
      http_(io, strand, clock, options_.ca_file, options_.download_stall),
      sockets_(io, resolver_, options_.ca_file),
      poster_(io, resolver_, strand, clock, options_.ca_file),
      counters_(io, strand) {
  counters_.on_unreadable = options_.on_unreadable;
  counters_.on_dropped = options_.on_dropped;
}

std::unique_ptr<ports::ComfyInstance> ComfyClients::instance(const ports::InstanceRow& row) {
  auto api = parse_instance_url(row.api_url);
  if (!api.ok()) return std::make_unique<NoClient>(api.status());
  auto ws = row.ws_url.empty() ? api : parse_instance_url(row.ws_url);
  if (!ws.ok()) return std::make_unique<NoClient>(ws.status());
  return std::make_unique<ComfyClient>(*this, *std::move(api), *std::move(ws));
}

}  // namespace renderyard::comfy
