// The table of errors: stable codes, each once, each with an HTTP status that fits its category.
#include "libs/common/domain/error_code.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <regex>
#include <set>
#include <string>

namespace renderyard::domain {
namespace {

TEST(ErrorTableTest, EveryCodeStandsThereOnceAndIsStable) {
  std::set<std::string_view> codes;
  const std::regex form("[a-z][a-z_]*[a-z]");
  for (const ErrorEntry& entry : error_table()) {
    EXPECT_TRUE(codes.insert(entry.code).second) << entry.code << " stands there twice";
    EXPECT_TRUE(std::regex_match(std::string(entry.code), form)) << entry.code;
    EXPECT_FALSE(entry.title.empty()) << entry.code;
    EXPECT_GE(entry.http_status, 400) << entry.code;
    EXPECT_LT(entry.http_status, 600) << entry.code;
  }
  EXPECT_FALSE(codes.empty());
}

TEST(ErrorTableTest, LooksUpByCode) {
  for (const ErrorEntry& entry : error_table()) EXPECT_EQ(&error_entry(entry.code), &entry);
  EXPECT_EQ(error_entry("no_such_code").code, code::kInternal);
  EXPECT_EQ(error_entry("").code, code::kInternal);
}

TEST(ErrorTableTest, CategoriesAgreeWithStatusAndRetry) {
  for (const ErrorEntry& entry : error_table()) {
    if (entry.category == ErrorCategory::kTransient) {
      EXPECT_TRUE(entry.http_status == 429 || entry.http_status == 503) << entry.code;
    }
    if (entry.category == ErrorCategory::kFatal) {
      EXPECT_EQ(entry.http_status, 500) << entry.code;
      EXPECT_FALSE(entry.may_retry) << entry.code;
    }
  }
  // What a person may order again (requirement J8: nobody else does).
  for (const auto code : {code::kNodeError, code::kSubmissionUnclear, code::kSubmissionRefused, code::kExecutionLost,
                          code::kInterruptedByOther, code::kOutputMissing, code::kOutputOverwritten}) {
    EXPECT_TRUE(error_entry(code).may_retry) << code;
  }
  EXPECT_FALSE(error_entry(code::kValidationFailed).may_retry) << "it would be refused again";
}

TEST(ErrorTableTest, TheDocumentationHasEveryCodeAsTheTableHasIt) {
  const char* source = std::getenv("RENDERYARD_TEST_SOURCE_DIR");
  ASSERT_NE(source, nullptr);
  std::ifstream page(std::string(source) + "/docs/errors.md");
  ASSERT_TRUE(page) << "docs/errors.md cannot be read";
  const std::regex form(R"(\| `(\w+)` \| (\w+) \| (\d+) \| (yes|no) \| (.+) \|)");
  std::set<std::string> documented;
  for (std::string line; std::getline(page, line);) {
    std::smatch cells;
    if (!std::regex_match(line, cells, form)) continue;
    const std::string code = cells[1];
    EXPECT_TRUE(documented.insert(code).second) << code << " stands there twice";
    const ErrorEntry& entry = error_entry(code);
    ASSERT_EQ(entry.code, code) << "documented, but not in the table";
    EXPECT_EQ(to_string(entry.category), cells[2].str()) << code;
    EXPECT_EQ(std::to_string(entry.http_status), cells[3].str()) << code;
    EXPECT_EQ(entry.may_retry ? "yes" : "no", cells[4].str()) << code;
  }
  for (const ErrorEntry& entry : error_table()) {
    EXPECT_TRUE(documented.contains(std::string(entry.code))) << entry.code << " is not in docs/errors.md";
  }
}

TEST(ErrorTableTest, CategoriesHaveNames) {
  std::set<std::string_view> names;
  for (const auto category :
       {ErrorCategory::kTransient, ErrorCategory::kPermanent, ErrorCategory::kRecoverable, ErrorCategory::kFatal}) {
    names.insert(to_string(category));
  }
  EXPECT_EQ(names, (std::set<std::string_view>{"transient", "permanent", "recoverable", "fatal"}));
}

}  // namespace
}  // namespace renderyard::domain
