// PrivatePostgres: a PostgreSQL 15 cluster of a test's own, in a temporary directory, on a Unix socket and a free
// loopback port. Runs as an unprivileged user when the test runs as root (PostgreSQL refuses root). Ends with this
// object, or with the process.
//
// fresh_database() copies a migrated template, which takes some ten milliseconds instead of a second of migrations.
// Thread-safety: none. Everything blocks; for tests only.
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <sys/types.h>

#include <memory>
#include <string>
#include <vector>

namespace renderyard::testing {

class PrivatePostgres {
 public:
  struct Options {
    bool fsync = true;                  // off where nothing depends on surviving a crash of the machine
    std::vector<std::string> settings;  // further "name=value"
  };

  static absl::StatusOr<std::unique_ptr<PrivatePostgres>> start(Options options);
  static absl::StatusOr<std::unique_ptr<PrivatePostgres>> start() { return start(Options()); }
  ~PrivatePostgres();
  PrivatePostgres(const PrivatePostgres&) = delete;
  PrivatePostgres& operator=(const PrivatePostgres&) = delete;

  // The URL of a new database with the embedded migrations applied.
  absl::StatusOr<std::string> fresh_database();
  // The URL of a new database without anything.
  absl::StatusOr<std::string> empty_database();

  // Over the Unix socket, and over TCP (for proxies).
  std::string url(const std::string& database) const;
  std::string tcp_url(const std::string& database, int port) const;
  int port() const { return port_; }
  const std::string& data_directory() const { return data_; }

  // Outages. stop() is a fast shutdown, kill() a SIGKILL; restart() starts the same cluster on the same port.
  absl::Status stop();
  void kill();
  absl::Status restart();

 private:
  explicit PrivatePostgres(Options options);
  absl::Status initialise();
  absl::Status launch();
  absl::Status wait_until_ready();
  absl::StatusOr<std::string> create_database(const std::string& from_template);

  Options options_;
  std::string directory_;
  std::string data_;
  int port_ = 0;
  pid_t pid_ = 0;
  int databases_ = 0;
  bool template_made_ = false;
};

}  // namespace renderyard::testing
