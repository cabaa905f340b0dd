#include <gtest/gtest.h>

#include <set>
#include <string>

#include "libs/common/runtime/grpc/status.h"

namespace renderyard::runtime {
namespace {

TEST(GrpcStatusTest, EveryCodeGoesThereAndBackWithTheSameNumber) {
  std::set<int> seen;
  for (int code = 0; code <= 16; ++code) {
    const absl::Status ours(static_cast<absl::StatusCode>(code), "text");
    const grpc::Status theirs = to_grpc(ours);
    EXPECT_EQ(static_cast<int>(theirs.error_code()), code);
    EXPECT_EQ(from_grpc(theirs), ours);
    seen.insert(theirs.error_code());
  }
  EXPECT_EQ(seen.size(), 17U);
}

TEST(GrpcStatusTest, UnknownCodesAreUnknown) {
  EXPECT_EQ(from_grpc(grpc::Status(static_cast<grpc::StatusCode>(30), "x")).code(), absl::StatusCode::kUnknown);
  EXPECT_EQ(to_grpc(absl::Status(static_cast<absl::StatusCode>(77), "x")).error_code(), grpc::StatusCode::UNKNOWN);
}

TEST(GrpcStatusTest, LongTextsAreClippedBetweenCharacters) {
  std::string text;
  while (text.size() < 2 * kMaxStatusText) text += "a漢";
  const std::string clipped = to_grpc(absl::InternalError(text)).error_message();
  EXPECT_LE(clipped.size(), kMaxStatusText + 3);
  EXPECT_TRUE(clipped.ends_with("a…") || clipped.ends_with("漢…")) << clipped.substr(clipped.size() - 8);
}

}  // namespace
}  // namespace renderyard::runtime
