#include "services/dispatcher/grpc_server.h"

#include <utility>

#include "libs/common/runtime/grpc/call.h"
#include "libs/common/runtime/grpc/conversions.h"
#include "renderyard/v1/dispatcher.grpc.pb.h"

namespace renderyard::dispatcher {

namespace {

class DispatcherGrpc final : public v1::DispatcherService::CallbackService {
 public:
  DispatcherGrpc(std::shared_ptr<runtime::ServerCore> core, EventsApi& api) : core_(std::move(core)), api_(api) {}

  grpc::ServerWriteReactor<v1::WatchEventsResponse>* WatchEvents(grpc::CallbackServerContext* context,
                                                                 const v1::WatchEventsRequest* request) override {
    std::optional<std::int64_t> after;
    if (request->has_after()) after = request->after();
    return runtime::serve_stream<v1::WatchEventsResponse, ports::EventBatch>(
        core_, context, [this, epoch = request->epoch(), after] { return api_.watch_events(epoch, after); },
        [](const ports::EventBatch& batch) { return runtime::to_proto(batch); });
  }

 private:
  std::shared_ptr<runtime::ServerCore> core_;
  EventsApi& api_;
};

}  // namespace

std::unique_ptr<grpc::Service> make_dispatcher_service(std::shared_ptr<runtime::ServerCore> core, EventsApi& api) {
  return std::make_unique<DispatcherGrpc>(std::move(core), api);
}

}  // namespace renderyard::dispatcher
