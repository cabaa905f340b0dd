// Migrations, and the schema's tables and triggers held against the domain's.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>

#include "libs/common/domain/machines.h"
#include "tests/integration/postgres/harness.h"

namespace renderyard::postgres {
namespace {

using domain::ExecutionState;
using domain::JobStatus;
using ::testing::HasSubstr;

SessionOptions empty_database() {
  return session_to(must(cluster().empty_database()));
}

TEST(Migrate, AppliesEachFileOnceInOrder) {
  const auto session = must(open_session(empty_database()));
  EXPECT_EQ(check_schema(*session).code(), absl::StatusCode::kFailedPrecondition);
  std::vector<std::string> names;
  for (const auto& migration : embedded_migrations()) names.push_back(migration.name);
  EXPECT_EQ(must(migrate(*session, embedded_migrations())), names);
  EXPECT_TRUE(check_schema(*session).ok());
  EXPECT_TRUE(must(migrate(*session, embedded_migrations())).empty());
}

TEST(Migrate, ThreeAtOnceApplyEachFileOnce) {
  const SessionOptions options = empty_database();
  std::vector<std::future<std::vector<std::string>>> runs;
  for (int i = 0; i < 3; ++i) {
    runs.push_back(std::async(std::launch::async, [&options] {
      const auto session = must(open_session(options));
      return must(migrate(*session, embedded_migrations()));
    }));
  }
  std::size_t applied = 0;
  for (auto& run : runs) applied += run.get().size();
  EXPECT_EQ(applied, embedded_migrations().size());
  EXPECT_TRUE(check_schema(options).ok());
}

TEST(Migrate, RefusesAChangedFileAndNamesIt) {
  const auto session = must(open_session(fresh_database()));
  std::vector<Migration> changed = embedded_migrations();
  changed[1].sha256[0] = changed[1].sha256[0] == 'a' ? 'b' : 'a';
  const absl::Status status = migrate(*session, changed).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr(changed[1].name));
  EXPECT_EQ(check_schema(*session, changed).code(), absl::StatusCode::kFailedPrecondition);
}

TEST(Migrate, RefusesANewerDatabase) {
  const auto session = must(open_session(fresh_database()));
  std::vector<Migration> fewer = embedded_migrations();
  const std::string last = fewer.back().name;
  fewer.pop_back();
  const absl::Status status = migrate(*session, fewer).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr(last));
}

TEST(Migrate, AFailedFileLeavesNothingOfItself) {
  const auto session = must(open_session(empty_database()));
  std::vector<Migration> broken = embedded_migrations();
  broken[1].sql += "\nSELECT no_such_column FROM comfyui_instances;";
  EXPECT_FALSE(migrate(*session, broken).ok());
  EXPECT_EQ(count(*session, "SELECT count(*) FROM schema_migrations"), 1);
  EXPECT_EQ(count(*session, "SELECT count(*) FROM pg_class WHERE relname = 'comfyui_instances'"), 0);
}

TEST(Schema, FilesAreThoseOfTheSourceTree) {
  const char* source = std::getenv("RENDERYARD_TEST_SOURCE_DIR");
  if (source == nullptr) GTEST_SKIP() << "run by ctest";
  const auto files = must(read_migrations(std::string(source) + "/migrations"));
  ASSERT_EQ(files.size(), embedded_migrations().size());
  for (std::size_t i = 0; i < files.size(); ++i) EXPECT_EQ(files[i].sha256, embedded_migrations()[i].sha256);
}

TEST(Schema, JobStatusesAreTheDomains) {
  const auto session = must(open_session(fresh_database()));
  EXPECT_EQ(count(*session, "SELECT count(*) FROM job_statuses"), static_cast<int>(domain::kJobStatuses.size()));
  for (const JobStatus status : domain::kJobStatuses) {
    EXPECT_EQ(
        count(*session, "SELECT count(*) FROM job_statuses WHERE id = " + std::to_string(static_cast<int>(status)) +
                            " AND name = '" + std::string(domain::to_string(status)) + "'"),
        1)
        << domain::to_string(status);
  }
}

TEST(Schema, InstanceStatusesAreTheDomains) {
  const auto session = must(open_session(fresh_database()));
  EXPECT_EQ(count(*session, "SELECT count(*) FROM comfyui_instance_statuses"),
            static_cast<int>(domain::kInstanceStatuses.size()));
  for (const auto status : domain::kInstanceStatuses) {
    EXPECT_EQ(count(*session, "SELECT count(*) FROM comfyui_instance_statuses WHERE name = '" +
                                  std::string(domain::to_string(status)) + "'"),
              1)
        << domain::to_string(status);
  }
}

// Makes job 1 and an execution 1 of it in the given states, past all triggers.
void plant(Session& session, const std::string& job_status, const std::string& execution_status) {
  session.run_text("TRUNCATE users, jobs, comfyui_instances, comfyui_executions CASCADE");
  session.run_text(R"(
    INSERT INTO users (id, name) VALUES (1, 'anna');
    INSERT INTO comfyui_instances (id, name, api_url, ws_url) VALUES (1, 'a', 'http://a', 'ws://a');
    INSERT INTO jobs (id, uid, job_type, submitted_by, workflow) VALUES (1, gen_random_uuid(), 't', 1, '{}');
    INSERT INTO comfyui_executions (id, instance_id, platform_job_id, user_id, attempt, slot_no, client_prompt_id, status,
      client_id, owner_epoch, submitted_at, started_at, ended_at, completed_at)
    VALUES (1, 1, 1, 1, 1, 0, gen_random_uuid(), ')" +
                   execution_status + R"(', 'c', 1, now(), now(),
      CASE WHEN ')" +
                   execution_status + R"(' IN ('assigned', 'submitting', 'queued', 'running') THEN NULL ELSE now() END,
      CASE WHEN ')" +
                   execution_status +
                   R"(' IN ('assigned', 'submitting', 'queued', 'running', 'collecting') THEN NULL ELSE now() END);
    ALTER TABLE jobs DISABLE TRIGGER check_edge;
    UPDATE jobs SET claimed_at = now(), execution_id = 1;
    UPDATE jobs SET status_id = )" +
                   job_status + R"(,
      started_at = CASE WHEN )" +
                   job_status + R"( = 1 THEN NULL ELSE now() END,
      completed_at = CASE WHEN )" +
                   job_status + R"( IN (3, 4, 5) THEN now() END,
      error_code = CASE WHEN )" +
                   job_status + R"( = 4 THEN 'x' END;
    ALTER TABLE jobs ENABLE TRIGGER check_edge;)");
}

bool runs(Session& session, const std::string& sql) {
  try {
    session.run_text(sql);
    return true;
  } catch (const pqxx::sql_error& e) {
    EXPECT_EQ(e.sqlstate(), "23514") << e.what();
    return false;
  }
}

TEST(Schema, ExecutionEdgesAreTheMachines) {
  const auto session = must(open_session(fresh_database()));
  for (const ExecutionState from : domain::kExecutionStates) {
    for (const ExecutionState to : domain::kExecutionStates) {
      if (from == to) continue;
      plant(*session, "1", std::string(domain::to_string(from)));
      const std::string name(domain::to_string(to));
      const bool final = domain::is_final(to);
      const bool done = runs(*session, "UPDATE comfyui_executions SET status = '" + name + "', ended_at = " +
                                           (final || to == ExecutionState::kCollecting ? "now()" : "NULL") +
                                           ", completed_at = " + (final ? "now()" : "NULL"));
      const auto edges = domain::execution_edges();
      const bool legal =
          std::any_of(edges.begin(), edges.end(), [&](const auto& edge) { return edge.from == from && edge.to == to; });
      EXPECT_EQ(done, legal) << domain::to_string(from) << " -> " << name;
    }
  }
}

TEST(Schema, JobEdgesAreTheMachines) {
  const auto session = must(open_session(fresh_database()));
  for (const JobStatus from : domain::kJobStatuses) {
    for (const JobStatus to : domain::kJobStatuses) {
      if (from == to || from == JobStatus::kRetrying) continue;
      plant(*session, std::to_string(static_cast<int>(from)), "running");
      const bool done = runs(*session, "UPDATE jobs SET status_id = " + std::to_string(static_cast<int>(to)) +
                                           ", started_at = " + (to == JobStatus::kPending ? "NULL" : "now()") +
                                           ", completed_at = " + (domain::is_final(to) ? "now()" : "NULL") +
                                           ", error_code = " + (to == JobStatus::kFailed ? "'x'" : "NULL"));
      const auto edges = domain::job_edges();
      // Both steps of a job that was over before its start was told, walked in one transaction.
      const bool both = from == JobStatus::kPending && to == JobStatus::kCompleted;
      const bool legal = both || std::any_of(edges.begin(), edges.end(),
                                             [&](const auto& edge) { return edge.from == from && edge.to == to; });
      EXPECT_EQ(done, legal) << domain::to_string(from) << " -> " << domain::to_string(to);
    }
  }
}

TEST(Schema, TheEventSequenceHasNoCache) {
  const auto session = must(open_session(fresh_database()));
  EXPECT_EQ(count(*session, "SELECT seqcache FROM pg_sequence WHERE seqrelid = 'job_events_id_seq'::regclass"), 1);
}

TEST(Schema, EveryForeignKeyHasAnIndex) {
  const auto session = must(open_session(fresh_database()));
  const pqxx::result bare = session->run_text(R"(
    SELECT c.conrelid::regclass || '.' || a.attname FROM pg_constraint c
    JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = c.conkey[1]
    WHERE c.contype = 'f' AND NOT EXISTS (
      SELECT FROM pg_index i WHERE i.indrelid = c.conrelid AND i.indkey[0] = c.conkey[1]))");
  std::vector<std::string> names;
  for (const auto& row : bare) names.emplace_back(row[0].c_str());
  EXPECT_THAT(names, ::testing::IsEmpty());
}

TEST(Account, ATokenFileIsWrittenOnceAndAgainWhenItsTokenDies) {
  const SessionOptions options = fresh_database();
  const auto session = must(open_session(options));
  const std::string file = ::testing::TempDir() + "/ry-token-" + std::to_string(::getpid());
  const ports::UserId admin = must(ensure_user(*session, "root", ports::Role::kAdmin));
  EXPECT_EQ(must(ensure_user(*session, "root", ports::Role::kAdmin)), admin);
  EXPECT_TRUE(must(ensure_token_file(*session, admin, file)));
  EXPECT_FALSE(must(ensure_token_file(*session, admin, file)));
  std::string token;
  std::getline(std::ifstream(file) >> std::ws, token);
  EXPECT_THAT(token, ::testing::MatchesRegex("ry_[A-Za-z0-9_-]{43}"));
  EXPECT_EQ(count(*session, "SELECT count(*) FROM api_tokens WHERE token_sha256 LIKE 'ry_%'"), 0);
  session->run_text("UPDATE api_tokens SET revoked_at = now()");
  EXPECT_TRUE(must(ensure_token_file(*session, admin, file)));
  std::remove(file.c_str());
}

TEST(Epoch, AfterARestoreThereIsANewOne) {
  const auto session = must(open_session(fresh_database()));
  const std::string first = must(begin_new_epoch(*session));
  EXPECT_NE(must(begin_new_epoch(*session)), first);
}

}  // namespace
}  // namespace renderyard::postgres
