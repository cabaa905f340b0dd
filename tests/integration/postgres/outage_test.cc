// The database goes away, is slow, is refused, or its answer is lost: what the pool and the stores say then.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/write.hpp>

#include "libs/common/adapters/postgres/offload.h"
#include "tests/integration/postgres/harness.h"

// libpqxx 6.4 forgets libpq's result object when the connection broke under a statement (it throws before it wraps it):
// some kilobytes per lost connection, and not ours to free.
extern "C" const char* __lsan_default_suppressions() {
  return "leak:PQmakeEmptyPGresult\n";
}

namespace renderyard::postgres {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

base::Task<absl::Status> run_text(Client& client, std::string sql) {
  auto work = [sql = std::move(sql)](Session& session) -> absl::Status {
    session.run_text(sql);
    return absl::OkStatus();
  };
  return offload<absl::Status>(client.pool, client.strand, std::move(work));
}

TEST(Outage, UnavailableWhileTheServerIsAwayAndWellAfterwards) {
  testing::PrivatePostgres::Options cluster_options;
  cluster_options.fsync = false;
  const auto own = must(testing::PrivatePostgres::start(cluster_options));
  const SessionOptions options = session_to(must(own->fresh_database()));
  Client client(options, 3);
  EXPECT_TRUE(client.await(client.jobs.cluster()).ok());
  own->kill();
  EXPECT_EQ(client.await(client.jobs.cluster()).status().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(check_schema(options).code(), absl::StatusCode::kUnavailable);
  ASSERT_TRUE(own->restart().ok());
  EXPECT_TRUE(eventually([&] { return client.await(client.jobs.cluster()).ok(); }));
}

TEST(Outage, AConnectionClosedWhileIdleIsReplacedWithoutANoise) {
  const SessionOptions options = fresh_database();
  Client client(options, 1);
  ASSERT_TRUE(client.await(client.jobs.cluster()).ok());
  const auto admin = must(open_session(options));
  admin->run_text(
      "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
      " WHERE datname = current_database() AND pid <> pg_backend_pid()");
  EXPECT_TRUE(client.await(client.jobs.cluster()).ok());
}

TEST(Outage, AConnectionKilledUnderAStatementIsInDoubt) {
  const SessionOptions options = fresh_database();
  Client client(options, 1);
  auto slow = client.begin(run_text(client, "SELECT pg_sleep(30)"));
  const auto admin = must(open_session(options));
  ASSERT_TRUE(eventually([&] {
    return count(*admin,
                 "SELECT count(*) FROM (SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                 " WHERE datname = current_database() AND query LIKE '%pg_sleep(30)%'"
                 " AND pid <> pg_backend_pid() AND state = 'active') AS ended") > 0;
  }));
  EXPECT_EQ(slow.get().code(), absl::StatusCode::kUnavailable);
  EXPECT_TRUE(client.await(client.jobs.cluster()).ok()) << "the next one has a new connection";
}

TEST(Outage, AStatementEndsByItsTimeLimit) {
  SessionOptions options = fresh_database();
  options.statement_timeout = absl::Milliseconds(50);
  Client client(options, 1);
  EXPECT_EQ(client.await(run_text(client, "SELECT pg_sleep(30)")).code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_TRUE(client.await(client.jobs.cluster()).ok());
}

TEST(Outage, AFullQueueRefusesAtOnce) {
  const SessionOptions options = fresh_database();
  Client client(PoolOptions{.session = options, .threads = 1, .queue_limit = 2});
  const auto admin = must(open_session(options));
  admin->run_text("SELECT pg_advisory_lock(1)");
  auto running = client.begin(run_text(client, "SELECT pg_advisory_lock(1)"));
  ASSERT_TRUE(eventually(
      [&] { return count(*admin, "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted") == 1; }));
  std::vector<std::future<absl::StatusOr<ports::ClusterMeta>>> calls;
  for (int i = 0; i < 5; ++i) calls.push_back(client.begin(client.jobs.cluster()));
  // The calls were begun in order on one strand: when the last one has been refused, all have been asked.
  EXPECT_EQ(calls.back().get().status().code(), absl::StatusCode::kResourceExhausted);
  calls.pop_back();
  admin->run_text("SELECT pg_advisory_unlock(1)");
  int refused = 1;
  for (auto& call : calls) refused += call.get().status().code() == absl::StatusCode::kResourceExhausted ? 1 : 0;
  EXPECT_EQ(refused, 3);
  EXPECT_TRUE(running.get().ok());
}

TEST(Outage, MessagesDoNotQuoteUrlsOrData) {
  SessionOptions options;
  options.database_url = "postgresql://anna:geheim@[[:1/x";
  EXPECT_THAT(std::string(session_conninfo(options).status().message()), Not(HasSubstr("geheim")));
  options.database_url = "postgresql://anna:geheim@127.0.0.1:1/x";
  EXPECT_THAT(std::string(open_session(options).status().message()), Not(HasSubstr("geheim")));
}

// Hands bytes on between a client and the server until it is told to cut: then the next answer of the server is
// swallowed and the connection closed, after the server has done its work.
class CuttingProxy {
 public:
  explicit CuttingProxy(int server_port) : server_port_(server_port) {}
  ~CuttingProxy() {
    boost::asio::post(io_, [this] {
      acceptor_.close();
      server_.close();
      client_.close();
    });
    thread_.join();
  }

  int port() const { return acceptor_.local_endpoint().port(); }
  void cut_next_answer() { cut_ = true; }

 private:
  using Socket = boost::asio::ip::tcp::socket;

  void accept() {
    acceptor_.async_accept([this](boost::system::error_code error, Socket socket) {
      if (error) return;
      client_ = std::move(socket);
      server_ = Socket(io_);
      server_.connect({boost::asio::ip::address_v4::loopback(), static_cast<unsigned short>(server_port_)});
      pump(client_, server_, upward_, false);
      pump(server_, client_, downward_, true);
    });
  }

  void pump(Socket& from, Socket& to, std::array<char, 65536>& buffer, bool answers) {
    from.async_read_some(boost::asio::buffer(buffer),
                         [this, &from, &to, &buffer, answers](auto error, std::size_t size) {
                           if (!error && !(answers && cut_.exchange(false))) {
                             boost::asio::write(to, boost::asio::buffer(buffer, size), error);
                             if (!error) return pump(from, to, buffer, answers);
                           }
                           if (!answers) return;  // the other pump says when it is over
                           client_.close();
                           server_.close();
                           if (acceptor_.is_open()) accept();
                         });
  }

  const int server_port_;
  boost::asio::io_context io_;
  boost::asio::ip::tcp::acceptor acceptor_{io_, {boost::asio::ip::address_v4::loopback(), 0}};
  Socket client_{io_};
  Socket server_{io_};
  std::array<char, 65536> upward_{};
  std::array<char, 65536> downward_{};
  std::atomic<bool> cut_ = false;
  std::thread thread_{[this] {
    accept();
    io_.run();
  }};
};

TEST(Outage, ALostAnswerToCommitIsUnavailableAndAKeyMakesTheRepeatSafe) {
  SessionOptions direct = fresh_database();
  const auto admin = must(open_session(direct));
  const ports::UserId user = must(ensure_user(*admin, "anna", ports::Role::kUser));
  CuttingProxy proxy(cluster().port());
  const std::string database(admin->run_text("SELECT current_database()").front()[0].c_str());
  Client client(session_to(cluster().tcp_url(database, proxy.port())), 1);
  base::SplitMix random(1);
  ports::NewJob warm_up = new_job(user, random);
  warm_up.idempotency = ports::IdempotencyKey{"order-0", std::string(64, 'a')};
  must(client.await(client.jobs.submit(warm_up)));  // prepares the statement: the next answer is that of its commit

  ports::NewJob job = new_job(user, random);
  job.idempotency = ports::IdempotencyKey{"order-1", std::string(64, 'a')};
  proxy.cut_next_answer();
  EXPECT_EQ(client.await(client.jobs.submit(job)).status().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(count(*admin, "SELECT count(*) FROM jobs"), 2) << "it has happened";
  ports::NewJob again = job;
  again.uid = random.uuid4();
  absl::StatusOr<ports::SubmittedJob> repeated;
  ASSERT_TRUE(eventually([&] {
    repeated = client.await(client.jobs.submit(again));
    return repeated.ok();
  }));
  EXPECT_TRUE(repeated->replayed);
  EXPECT_EQ(repeated->uid, job.uid);
  EXPECT_EQ(count(*admin, "SELECT count(*) FROM jobs"), 2) << "and only once";
}

}  // namespace
}  // namespace renderyard::postgres
