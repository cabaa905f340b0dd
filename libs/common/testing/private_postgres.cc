#include "libs/common/testing/private_postgres.h"

#include <fcntl.h>
#include <grp.h>
#include <netinet/in.h>
#include <pwd.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <thread>
#include <utility>

#include "libs/common/adapters/postgres/schema.h"
#include "libs/common/base/status_macros.h"

namespace renderyard::testing {

namespace {

constexpr char kRole[] = "renderyard";
constexpr char kTemplate[] = "renderyard_template";
constexpr auto kPatience = std::chrono::seconds(60);

std::string binary(const std::string& name) {
  for (const char* directory : {"/usr/lib/postgresql/15/bin/", "/usr/lib/postgresql/17/bin/", "/usr/bin/"}) {
    if (::access((directory + name).c_str(), X_OK) == 0) return directory + name;
  }
  return name;
}

// Whom PostgreSQL runs as: nobody special, when we are root.
const passwd* unprivileged_user() {
  if (::geteuid() != 0) return nullptr;
  const passwd* user = ::getpwnam("postgres");
  return user != nullptr ? user : ::getpwnam("nobody");
}

// Starts a program with its output in `log`. It is told to end when the thread that started it ends, so that a crashed
// test leaves nothing behind.
pid_t start_program(const std::vector<std::string>& arguments, const std::string& log) {
  const passwd* user = unprivileged_user();
  std::vector<char*> argv;
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  const pid_t pid = ::fork();
  if (pid != 0) return pid;
  const int out = ::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0644);
  ::dup2(out, STDOUT_FILENO);
  ::dup2(out, STDERR_FILENO);
  ::setpgid(0, 0);  // Ctrl-C is for the test
  if (user != nullptr && (::setgroups(0, nullptr) != 0 || ::setgid(user->pw_gid) != 0 || ::setuid(user->pw_uid) != 0)) {
    ::_exit(126);
  }
  ::prctl(PR_SET_PDEATHSIG, SIGINT);
  ::execv(argv[0], argv.data());
  ::_exit(127);
}

int free_port() {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  int port = 0;
  if (::bind(fd, reinterpret_cast<sockaddr*>(&address), size) == 0 &&
      ::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) == 0) {
    port = ntohs(address.sin_port);
  }
  ::close(fd);
  return port;
}

absl::Status failed(const std::string& what, const std::string& log) {
  return absl::InternalError(what + "; see " + log);
}

}  // namespace

PrivatePostgres::PrivatePostgres(Options options) : options_(std::move(options)) {}

absl::StatusOr<std::unique_ptr<PrivatePostgres>> PrivatePostgres::start(Options options) {
  std::unique_ptr<PrivatePostgres> cluster(new PrivatePostgres(std::move(options)));
  RETURN_IF_ERROR(cluster->initialise());
  RETURN_IF_ERROR(cluster->launch());
  return cluster;
}

PrivatePostgres::~PrivatePostgres() {
  if (pid_ != 0) {
    ::kill(pid_, SIGQUIT);  // the data is thrown away anyway
    ::waitpid(pid_, nullptr, 0);
  }
  std::error_code ignored;
  if (!directory_.empty()) std::filesystem::remove_all(directory_, ignored);
}

absl::Status PrivatePostgres::initialise() {
  // Short, because the path of a Unix socket is limited to some hundred characters.
  std::string name = (std::filesystem::temp_directory_path() / "ry-pg-XXXXXX").string();
  if (::mkdtemp(name.data()) == nullptr) return absl::InternalError("no temporary directory");
  directory_ = name;
  data_ = directory_ + "/data";
  if (const passwd* user = unprivileged_user(); user != nullptr) {
    if (::chown(directory_.c_str(), user->pw_uid, user->pw_gid) != 0) return absl::InternalError("chown");
  }
  const std::string log = directory_ + "/initdb.log";
  const pid_t pid = start_program(
      {binary("initdb"), "-D", data_, "-U", kRole, "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync"},
      log);
  int status = 0;
  ::waitpid(pid, &status, 0);
  return status == 0 ? absl::OkStatus() : failed("initdb failed", log);
}

absl::Status PrivatePostgres::launch() {
  for (int attempt = 0; attempt < 5; ++attempt) {
    if (port_ == 0) port_ = free_port();
    std::vector<std::string> arguments = {binary("postgres"),
                                          "-D",
                                          data_,
                                          "-k",
                                          directory_,
                                          "-p",
                                          std::to_string(port_),
                                          "-c",
                                          "listen_addresses=127.0.0.1",
                                          "-c",
                                          "max_connections=200",
                                          "-c",
                                          std::string("fsync=") + (options_.fsync ? "on" : "off")};
    for (const std::string& setting : options_.settings) {
      arguments.emplace_back("-c");
      arguments.push_back(setting);
    }
    pid_ = start_program(arguments, directory_ + "/postgres.log");
    const absl::Status ready = wait_until_ready();
    if (ready.ok() || template_made_) return ready;
    if (pid_ != 0) kill();
    port_ = 0;  // somebody else may have taken the port meanwhile
  }
  return failed("PostgreSQL did not start", directory_ + "/postgres.log");
}

absl::Status PrivatePostgres::wait_until_ready() {
  postgres::SessionOptions options;
  options.database_url = url("postgres");
  const auto until = std::chrono::steady_clock::now() + kPatience;
  while (std::chrono::steady_clock::now() < until) {
    if (postgres::open_session(options).ok()) return absl::OkStatus();
    if (::waitpid(pid_, nullptr, WNOHANG) == pid_) {
      pid_ = 0;
      break;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(20));  // another program starts: nothing to wait on
  }
  return failed("PostgreSQL did not become ready", directory_ + "/postgres.log");
}

std::string PrivatePostgres::url(const std::string& database) const {
  return "host=" + directory_ + " port=" + std::to_string(port_) + " user=" + kRole + " dbname=" + database;
}

std::string PrivatePostgres::tcp_url(const std::string& database, int port) const {
  return std::string("postgresql://") + kRole + "@127.0.0.1:" + std::to_string(port) + "/" + database;
}

absl::StatusOr<std::string> PrivatePostgres::create_database(const std::string& from_template) {
  postgres::SessionOptions options;
  options.database_url = url("postgres");
  options.statement_timeout = absl::Seconds(60);
  ASSIGN_OR_RETURN(const auto session, postgres::open_session(options));
  const std::string name = "test_" + std::to_string(++databases_);
  try {
    session->run_text("CREATE DATABASE " + name + " TEMPLATE " + from_template);
  } catch (const std::exception& e) {
    return absl::InternalError(e.what());
  }
  return name;
}

absl::StatusOr<std::string> PrivatePostgres::empty_database() {
  ASSIGN_OR_RETURN(const std::string name, create_database("template0"));
  return url(name);
}

absl::StatusOr<std::string> PrivatePostgres::fresh_database() {
  if (!template_made_) {
    postgres::SessionOptions options;
    options.database_url = url("postgres");
    {
      ASSIGN_OR_RETURN(const auto session, postgres::open_session(options));
      try {
        session->run_text(std::string("CREATE DATABASE ") + kTemplate + " TEMPLATE template0");
      } catch (const std::exception& e) {
        return absl::InternalError(e.what());
      }
    }
    options.database_url = url(kTemplate);
    ASSIGN_OR_RETURN(const auto session, postgres::open_session(options));
    ASSIGN_OR_RETURN(const auto applied, postgres::migrate(*session, postgres::embedded_migrations()));
    static_cast<void>(applied);
    template_made_ = true;
  }
  ASSIGN_OR_RETURN(const std::string name, create_database(kTemplate));
  // A copy is a database of its own, not a restore: it has its own epoch.
  postgres::SessionOptions options;
  options.database_url = url(name);
  ASSIGN_OR_RETURN(const auto session, postgres::open_session(options));
  ASSIGN_OR_RETURN(const std::string epoch, postgres::begin_new_epoch(*session));
  static_cast<void>(epoch);
  return url(name);
}

absl::Status PrivatePostgres::stop() {
  if (pid_ == 0) return absl::FailedPreconditionError("not running");
  ::kill(pid_, SIGINT);
  ::waitpid(pid_, nullptr, 0);
  pid_ = 0;
  return absl::OkStatus();
}

void PrivatePostgres::kill() {
  if (pid_ == 0) return;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
  pid_ = 0;
}

absl::Status PrivatePostgres::restart() {
  if (pid_ != 0) return absl::FailedPreconditionError("still running");
  return launch();
}

}  // namespace renderyard::testing
