// The position scheme of docs/positions.md under load: writers that sleep inside their transactions, write several jobs
// at once and roll back, and beside the tailer a naive reader, which shows that the load is one that matters.
#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <random>

#include "tests/integration/postgres/harness.h"

namespace renderyard::postgres {
namespace {

constexpr int kWriters = 12;
constexpr int kJobs = 20;
constexpr auto kLoad = std::chrono::seconds(10);

constexpr Statement kBump = {"bump", "UPDATE jobs SET event_seq = event_seq + 1 WHERE id = $1 RETURNING event_seq"};
constexpr Statement kInsert = {
    "insert_event",
    "INSERT INTO job_events (job_id, seq, user_id, type) VALUES ($1, $2, $3, 'job_claimed') RETURNING id"};
constexpr Statement kSleep = {"sleep", "SELECT pg_sleep($1::bigint / 1e6)"};

struct Load {
  SessionOptions options;
  ports::UserId user;
  std::vector<ports::JobId> jobs;
  std::atomic<bool> stop = false;
};

// Jobs in id order, so that writers do not deadlock; the row first, then the event: the rule that carries the proof.
void write_some(Session& session, const Load& load, std::mt19937& random) {
  std::vector<std::size_t> picked;
  for (std::size_t i = random() % 5; i < load.jobs.size() && picked.size() < 3; i += 1 + random() % 9)
    picked.push_back(i);
  Transaction transaction(session);
  for (const std::size_t i : picked) {
    const pqxx::result bumped = transaction.run(kBump, Params().add(load.jobs[i]));
    if (random() % 3 == 0) transaction.run(kSleep, Params().add(static_cast<int>(random() % 10000)));
    transaction.run(kInsert, Params().add(load.jobs[i]).add(bumped.front()[0].as<int>()).add(load.user));
    if (random() % 3 == 0) transaction.run(kSleep, Params().add(static_cast<int>(random() % 20000)));
  }
  random() % 5 == 0 ? transaction.abort() : transaction.commit();
}

// What a reader was given, in its order.
struct Seen {
  std::vector<ports::JobEvent> events;
  std::int64_t cursor = 0;

  void take(std::vector<ports::JobEvent> batch) {
    for (auto& event : batch) {
      cursor = std::max(cursor, event.id);
      events.push_back(std::move(event));
    }
  }
};

// Steps 1 to 4, once; waits in step 3.
void follow(Client& client, Seen& seen, std::int64_t& settled) {
  const std::int64_t issued = must(client.await(client.events.last_issued_id()));
  if (issued <= settled) return;
  const std::uint64_t fence = must(client.await(client.events.fresh_transaction_id()));
  while (must(client.await(client.events.oldest_running_transaction_id())) < fence) {
  }
  settled = issued;
  while (true) {
    auto batch = must(client.await(client.events.read(seen.cursor, settled, 500)));
    if (batch.empty()) return;
    seen.take(std::move(batch));
  }
}

TEST(Positions, EveryEventOnceAndInOrderPerJob) {
  Load load;
  load.options = fresh_database();
  Client client(load.options, 2);
  const auto admin = must(open_session(load.options));
  load.user = must(ensure_user(*admin, "anna", ports::Role::kUser));
  base::SplitMix uuids(1);
  for (int i = 0; i < kJobs; ++i)
    load.jobs.push_back(must(client.await(client.jobs.submit(new_job(load.user, uuids)))).id);

  std::vector<std::thread> writers;
  for (int w = 0; w < kWriters; ++w) {
    writers.emplace_back([&load, w] {
      const auto session = must(open_session(load.options));
      std::mt19937 random(static_cast<unsigned>(w));
      while (!load.stop) write_some(*session, load, random);
    });
  }
  Seen naive;
  std::thread naive_reader([&load, &naive] {
    Client reader(load.options);
    while (!load.stop) {
      naive.take(must(reader.await(reader.events.read(naive.cursor, std::numeric_limits<std::int64_t>::max(), 500))));
    }
  });

  Seen seen;
  std::int64_t settled = 0;
  const auto until = std::chrono::steady_clock::now() + kLoad;
  while (std::chrono::steady_clock::now() < until) follow(client, seen, settled);
  load.stop = true;
  for (std::thread& writer : writers) writer.join();
  naive_reader.join();
  follow(client, seen, settled);

  const std::int64_t committed = count(*admin, "SELECT count(*) FROM job_events");
  ASSERT_GT(committed, 1000) << "too little load to mean anything";
  EXPECT_EQ(static_cast<std::int64_t>(seen.events.size()), committed) << "none missed";
  std::map<ports::JobId, int> last_seq;
  std::int64_t last_id = 0;
  for (const auto& event : seen.events) {
    EXPECT_GT(event.id, last_id) << "none twice, in order";
    last_id = event.id;
    EXPECT_EQ(event.seq, ++last_seq[event.job_id]) << "gap-free within job " << event.job_id;
  }
  EXPECT_LT(static_cast<std::int64_t>(naive.events.size()), committed) << "this load would not catch a naive reader";
}

}  // namespace
}  // namespace renderyard::postgres
