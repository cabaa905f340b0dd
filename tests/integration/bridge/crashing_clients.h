// A connector whose sockets have messages that end the process that reads them: the message is never handed on, and the
// test, which is told, kills the bridge. Thread-safety: as the connector behind it.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "libs/common/ports/comfy_instance.h"

namespace renderyard::testing {

// True: whoever reads this message dies of it.
using Deadly = std::function<bool(const domain::ComfyMessage&)>;

class CrashingSocket final : public ports::ComfySocket {
 public:
  CrashingSocket(std::unique_ptr<ports::ComfySocket> inner, const Deadly& deadly)
      : inner_(std::move(inner)), deadly_(deadly) {}

  base::Task<absl::StatusOr<std::optional<domain::ComfyMessage>>> next() override {
    for (;;) {
      auto message = co_await inner_->next();
      const bool dies = message.ok() && message->has_value() && deadly_ && deadly_(**message);
      if (!dies) co_return message;
    }
  }
  base::Task<absl::Status> ping(absl::Time deadline) override { return inner_->ping(deadline); }
  base::Task<absl::Status> close(absl::Time deadline) override { return inner_->close(deadline); }

 private:
  std::unique_ptr<ports::ComfySocket> inner_;
  const Deadly& deadly_;
};

class CrashingInstance final : public ports::ComfyInstance {
 public:
  CrashingInstance(std::unique_ptr<ports::ComfyInstance> inner, const Deadly& deadly)
      : inner_(std::move(inner)), deadly_(deadly) {}

  base::Task<absl::StatusOr<std::unique_ptr<ports::ComfySocket>>> connect(std::string client_id,
                                                                          absl::Time deadline) override {
    auto socket = co_await inner_->connect(std::move(client_id), deadline);
    if (!socket.ok()) co_return socket;
    co_return std::make_unique<CrashingSocket>(*std::move(socket), deadly_);
  }
  base::Task<absl::StatusOr<ports::ComfyAbilities>> probe(absl::Time deadline) override {
    return inner_->probe(deadline);
  }
  base::Task<absl::StatusOr<domain::ServerDescription>> describe(absl::Time deadline) override {
    return inner_->describe(deadline);
  }
  base::Task<domain::PostOutcome> post_prompt(std::string body, absl::Time begin_by, absl::Time deadline) override {
    return inner_->post_prompt(std::move(body), begin_by, deadline);
  }
  base::Task<absl::StatusOr<domain::QueueListing>> queue(absl::Time deadline) override {
    return inner_->queue(deadline);
  }
  base::Task<absl::StatusOr<std::optional<domain::HistoryEntry>>> history(std::string prompt_id,
                                                                          absl::Time deadline) override {
    return inner_->history(std::move(prompt_id), deadline);
  }
  base::Task<absl::StatusOr<std::vector<domain::QueueItem>>> recent_history(int max_items,
                                                                            absl::Time deadline) override {
    return inner_->recent_history(max_items, deadline);
  }
  base::Task<absl::StatusOr<ports::FetchedFile>> fetch(domain::OutputFile file, ports::ByteSink sink,
                                                       ports::FetchBegun begun, absl::Time deadline) override {
    return inner_->fetch(std::move(file), std::move(sink), std::move(begun), deadline);
  }
  base::Task<absl::StatusOr<ports::FileVersion>> version(domain::OutputFile file, absl::Time deadline) override {
    return inner_->version(std::move(file), deadline);
  }
  base::Task<absl::Status> cancel(std::string prompt_id, ports::ComfyAbilities abilities,
                                  absl::Time deadline) override {
    return inner_->cancel(std::move(prompt_id), std::move(abilities), deadline);
  }
  void set_access(std::vector<ports::SecretHeader> headers) override { inner_->set_access(std::move(headers)); }

 private:
  std::unique_ptr<ports::ComfyInstance> inner_;
  const Deadly& deadly_;
};

class CrashingClients final : public ports::ComfyConnector {
 public:
  // Both outlive the connector and what it makes.
  CrashingClients(ports::ComfyConnector& inner, const Deadly& deadly) : inner_(inner), deadly_(deadly) {}

  std::unique_ptr<ports::ComfyInstance> instance(const ports::InstanceRow& row) override {
    return std::make_unique<CrashingInstance>(inner_.instance(row), deadly_);
  }

 private:
  ports::ComfyConnector& inner_;
  const Deadly& deadly_;
};

}  // namespace renderyard::testing
