#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/time.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "libs/common/adapters/artifacts/directory_store.h"
#include "libs/common/base/status_macros.h"
#include "tests/support/real_loop.h"

namespace renderyard::artifacts {
namespace {

namespace fs = std::filesystem;

// printf abc | sha256sum (FIPS 180-2, example 1)
constexpr char kAbc[] = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
constexpr char kEmpty[] = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

class ArtifactsTest : public ::testing::Test {
 protected:
  ArtifactsTest() {
    std::string pattern = ::testing::TempDir() + "renderyard_artifacts_XXXXXX";
    root_ = mkdtemp(pattern.data());
    store_ = std::make_unique<DirectoryArtifactStore>(loop_.strand(), loop_.journal(),
                                                      DirectoryArtifactStore::Config{.root = root_ + "/store"});
  }
  ~ArtifactsTest() override {
    store_->close();
    fs::remove_all(root_);
  }

  base::Task<absl::Status> put(std::vector<std::string> chunks, ports::StoredBlob* blob) {
    ASSIGN_OR_CO_RETURN(auto writer, co_await store_->create());
    for (std::string& chunk : chunks) CO_RETURN_IF_ERROR(co_await writer->write(std::move(chunk)));
    ASSIGN_OR_CO_RETURN(*blob, co_await writer->finish());
    co_return absl::OkStatus();
  }

  base::Task<absl::Status> get(std::string sha256, std::size_t piece, std::string* content) {
    ASSIGN_OR_CO_RETURN(auto reader, co_await store_->open(std::move(sha256)));
    for (;;) {
      const auto offset = static_cast<std::int64_t>(content->size());
      ASSIGN_OR_CO_RETURN(const std::string part, co_await reader->read(offset, piece));
      if (part.empty()) break;
      *content += part;
    }
    EXPECT_EQ(reader->size_bytes(), static_cast<std::int64_t>(content->size()));
    co_return absl::OkStatus();
  }

  base::Task<absl::Status> begin_and_forget() {
    ASSIGN_OR_CO_RETURN(auto writer, co_await store_->create());
    CO_RETURN_IF_ERROR(co_await writer->write("half a picture"));
    co_return absl::OkStatus();
  }

  std::size_t files(const std::string& under) {
    std::size_t count = 0;
    for (const auto& entry : fs::recursive_directory_iterator(root_ + "/store/" + under)) {
      if (entry.is_regular_file()) ++count;
    }
    return count;
  }

  std::string root_;
  test::RealLoop loop_;
  std::unique_ptr<DirectoryArtifactStore> store_;
};

TEST_F(ArtifactsTest, ABlobIsNamedByItsContent) {
  ASSERT_TRUE(store_->open_root().ok());
  ports::StoredBlob blob;
  ASSERT_EQ(loop_.run(put({"a", "", "bc"}, &blob)), absl::OkStatus());
  EXPECT_EQ(blob.sha256, kAbc);
  EXPECT_EQ(blob.size_bytes, 3);
  EXPECT_TRUE(fs::exists(root_ + "/store/sha256/ba/78/" + kAbc));
  EXPECT_EQ(files("staging"), 0U);
  std::string content;
  ASSERT_EQ(loop_.run(get(kAbc, 2, &content)), absl::OkStatus());
  EXPECT_EQ(content, "abc");
}

TEST_F(ArtifactsTest, TheSameContentTwiceIsOneBlob) {
  ASSERT_TRUE(store_->open_root().ok());
  ports::StoredBlob first;
  ports::StoredBlob second;
  ASSERT_EQ(loop_.run(put({"abc"}, &first)), absl::OkStatus());
  ASSERT_EQ(loop_.run(put({"ab", "c"}, &second)), absl::OkStatus());
  EXPECT_EQ(first.sha256, second.sha256);
  EXPECT_EQ(files("sha256"), 1U);
}

TEST_F(ArtifactsTest, AnEmptyBlobIsABlob) {
  ASSERT_TRUE(store_->open_root().ok());
  ports::StoredBlob blob;
  ASSERT_EQ(loop_.run(put({}, &blob)), absl::OkStatus());
  EXPECT_EQ(blob.sha256, kEmpty);
  std::string content;
  EXPECT_EQ(loop_.run(get(kEmpty, 100, &content)), absl::OkStatus());
}

TEST_F(ArtifactsTest, ManyChunksKeepTheirOrder) {
  ASSERT_TRUE(store_->open_root().ok());
  std::vector<std::string> chunks;
  std::string whole;
  for (int i = 0; i < 2000; ++i) {
    chunks.push_back(std::to_string(i) + std::string(static_cast<std::size_t>(i % 700), 'x'));
    whole += chunks.back();
  }
  ports::StoredBlob blob;
  ASSERT_EQ(loop_.run(put(chunks, &blob)), absl::OkStatus());
  std::string content;
  ASSERT_EQ(loop_.run(get(blob.sha256, 65536, &content)), absl::OkStatus());
  EXPECT_EQ(content, whole);
}

TEST_F(ArtifactsTest, AWriterThatIsGivenUpLeavesNothing) {
  ASSERT_TRUE(store_->open_root().ok());
  ASSERT_EQ(loop_.run(begin_and_forget()), absl::OkStatus());
  store_->close();
  EXPECT_EQ(files("staging"), 0U);
  EXPECT_EQ(files("sha256"), 0U);
}

TEST_F(ArtifactsTest, UnknownAndMalformedNamesAreNotFound) {
  ASSERT_TRUE(store_->open_root().ok());
  for (const std::string& name : {std::string(kAbc), std::string("../../../etc/passwd"), std::string(),
                                  std::string(64, 'A'), std::string(64, '/')}) {
    std::string content;
    EXPECT_TRUE(absl::IsNotFound(loop_.run(get(name, 10, &content)))) << name;
  }
}

TEST_F(ArtifactsTest, OnlyOldLeftoversGoAtStart) {
  ASSERT_TRUE(store_->open_root().ok());
  const std::string old_file = root_ + "/store/staging/old";
  const std::string new_file = root_ + "/store/staging/new";
  std::ofstream(old_file) << "x";
  std::ofstream(new_file) << "x";
  const timeval times[2] = {{time(nullptr) - 90'000, 0}, {time(nullptr) - 90'000, 0}};
  ASSERT_EQ(utimes(old_file.c_str(), times), 0);
  ASSERT_TRUE(store_->open_root().ok());
  EXPECT_FALSE(fs::exists(old_file));
  EXPECT_TRUE(fs::exists(new_file));
  EXPECT_THAT(loop_.journal().names(), ::testing::Contains("artifact_leftovers_removed"));
}

TEST_F(ArtifactsTest, ARootThatIsAwayIsUnavailable) {
  ASSERT_TRUE(store_->open_root().ok());
  fs::remove_all(root_ + "/store");
  ports::StoredBlob blob;
  EXPECT_TRUE(absl::IsUnavailable(loop_.run(put({"abc"}, &blob))));
  EXPECT_TRUE(absl::IsUnavailable(store_->open_root(DirectoryArtifactStore::Access::kRead)));
  std::ofstream(root_ + "/store") << "a file";
  EXPECT_TRUE(absl::IsUnavailable(store_->open_root()));
}

TEST_F(ArtifactsTest, ADamagedBlobIsReplaced) {
  ASSERT_TRUE(store_->open_root().ok());
  ports::StoredBlob blob;
  ASSERT_EQ(loop_.run(put({"abc"}, &blob)), absl::OkStatus());
  const std::string path = root_ + "/store/sha256/ba/78/" + kAbc;
  ASSERT_TRUE(fs::exists(path));
  std::ofstream(path) << "a";  // what a power cut may leave
  ASSERT_EQ(loop_.run(put({"abc"}, &blob)), absl::OkStatus());
  std::string content;
  ASSERT_EQ(loop_.run(get(kAbc, 10, &content)), absl::OkStatus());
  EXPECT_EQ(content, "abc");
}

TEST_F(ArtifactsTest, DirectoriesThatSomebodyRemovedAreMadeAgain) {
  ASSERT_TRUE(store_->open_root().ok());
  ports::StoredBlob blob;
  ASSERT_EQ(loop_.run(put({"abc"}, &blob)), absl::OkStatus());
  fs::remove_all(root_ + "/store/sha256/ba");
  ASSERT_EQ(loop_.run(put({"abc"}, &blob)), absl::OkStatus());
  EXPECT_EQ(files("sha256"), 1U);
}

TEST_F(ArtifactsTest, AFullDiskIsNamedAndLeavesNothing) {
  ASSERT_TRUE(store_->open_root().ok());
  // The limit of a file's size stands for a full disk: write(2) fails after some bytes.
  std::signal(SIGXFSZ, SIG_IGN);
  rlimit old_limit{};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &old_limit), 0);
  rlimit limit = old_limit;
  limit.rlim_cur = 4096;
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &limit), 0);
  ports::StoredBlob blob;
  const absl::Status status = loop_.run(put({std::string(4000, 'x'), std::string(4000, 'x'), "tail"}, &blob));
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &old_limit), 0);
  EXPECT_TRUE(absl::IsResourceExhausted(status)) << status;
  store_->close();
  EXPECT_EQ(files("staging"), 0U);
  EXPECT_EQ(files("sha256"), 0U);
}

}  // namespace
}  // namespace renderyard::artifacts
