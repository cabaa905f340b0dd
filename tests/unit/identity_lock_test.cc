#include "services/bridge/identity_lock.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <optional>
#include <string>

namespace renderyard::bridge {
namespace {

class IdentityLockTest : public ::testing::Test {
 protected:
  IdentityLockTest() {
    char name[] = "identity-lock-XXXXXX";
    directory_ = std::filesystem::temp_directory_path() / name;
    std::string text = directory_.string();
    if (::mkdtemp(text.data()) == nullptr) std::abort();
    directory_ = text;
  }
  ~IdentityLockTest() override { std::filesystem::remove_all(directory_); }

  std::filesystem::path directory_;
};

TEST_F(IdentityLockTest, OneHolderPerIdAtATime) {
  {
    auto first = IdentityLock::take(directory_ / "new", "a");
    ASSERT_TRUE(first.ok()) << first.status();
    EXPECT_TRUE(absl::IsUnavailable(IdentityLock::take(directory_ / "new", "a").status()));
    EXPECT_TRUE(IdentityLock::take(directory_ / "new", "b").ok());
  }
  EXPECT_TRUE(IdentityLock::take(directory_ / "new", "a").ok());
}

TEST_F(IdentityLockTest, AStoppedProcessHoldsItADeadOneDoesNot) {
  int ready[2];
  ASSERT_EQ(::pipe(ready), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    const auto lock = IdentityLock::take(directory_, "a");
    [[maybe_unused]] const auto written = ::write(ready[1], lock.ok() ? "y" : "n", 1);
    ::raise(SIGSTOP);
    ::_exit(0);
  }
  char answer = 0;
  ASSERT_EQ(::read(ready[0], &answer, 1), 1);
  ASSERT_EQ(answer, 'y');
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, WUNTRACED), child);
  ASSERT_TRUE(WIFSTOPPED(status));
  EXPECT_TRUE(absl::IsUnavailable(IdentityLock::take(directory_, "a").status()));
  ::kill(child, SIGKILL);
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(IdentityLock::take(directory_, "a").ok());
  ::close(ready[0]);
  ::close(ready[1]);
}

TEST_F(IdentityLockTest, AnUnusableDirectoryIsNamed) {
  const auto lock = IdentityLock::take("/proc/none", "a");
  ASSERT_FALSE(lock.ok());
  EXPECT_FALSE(absl::IsUnavailable(lock.status()));
}

}  // namespace
}  // namespace renderyard::bridge
