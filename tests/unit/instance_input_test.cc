#include "services/bridge/instance_input.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace renderyard::bridge {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(InstanceInputTest, AddressesComeIntoOneForm) {
  struct Row {
    const char* given;
    const char* api;
    const char* ws;
  };
  const Row rows[] = {
      {"http://127.0.0.1:8188", "http://127.0.0.1:8188", "ws://127.0.0.1:8188"},
      {"http://127.0.0.1:8188/", "http://127.0.0.1:8188", "ws://127.0.0.1:8188"},
      {"HTTPS://GPU-1.Example.ORG", "https://gpu-1.example.org", "wss://gpu-1.example.org"},
      {"https://gpu.example.org:443/", "https://gpu.example.org", "wss://gpu.example.org"},
      {"http://gpu.example.org:80", "http://gpu.example.org", "ws://gpu.example.org"},
      {"http://gpu.example.org:443", "http://gpu.example.org:443", "ws://gpu.example.org:443"},
      {"https://gpu.example.org/Comfy/a//", "https://gpu.example.org/Comfy/a", "wss://gpu.example.org/Comfy/a"},
      {"http://[::1]:8188", "http://[::1]:8188", "ws://[::1]:8188"},
  };
  for (const Row& row : rows) {
    const auto instance = check_instance("gpu-1", row.given, 0);
    ASSERT_TRUE(instance.ok()) << row.given << ": " << instance.status();
    EXPECT_EQ(instance->api_url, row.api) << row.given;
    EXPECT_EQ(instance->ws_url, row.ws) << row.given;
    EXPECT_EQ(instance->slots, 1);
  }
}

TEST(InstanceInputTest, WrongAddressesNameFieldAndRemedy) {
  for (const char* url :
       {"", "127.0.0.1:8188", "gpu", "ftp://h/", "ws://h:1", "http://", "http:///x", "http://h:99999", "http://h:0",
        "http://h?x=1", "http://h/#f", "http://u:hunter2@h", "http://u@h", "http://h h/", "/x"}) {
    const auto instance = check_instance("gpu-1", url, 1);
    ASSERT_EQ(instance.status().code(), absl::StatusCode::kInvalidArgument) << url;
    EXPECT_THAT(std::string(instance.status().message()), HasSubstr("api_url: "));
    EXPECT_THAT(std::string(instance.status().message()), HasSubstr("http://10.0.0.5:8188"));
    EXPECT_THAT(std::string(instance.status().message()), Not(HasSubstr("hunter2")));
  }
  EXPECT_FALSE(check_instance("gpu-1", "http://h/" + std::string(600, 'a'), 1).ok());
}

TEST(InstanceInputTest, Names) {
  for (const char* name : {"a", "0", "gpu-1", "gpu.a_b-c"}) EXPECT_TRUE(check_instance_name(name).ok()) << name;
  EXPECT_TRUE(check_instance_name(std::string(63, 'a')).ok());
  for (const char* name : {"", "-a", ".a", "Gpu", "a b", "a/b", "ä"}) {
    EXPECT_FALSE(check_instance_name(name).ok()) << name;
  }
  EXPECT_FALSE(check_instance_name(std::string(64, 'a')).ok());
  EXPECT_FALSE(check_instance_name(std::string("a\0b", 3)).ok());
}

TEST(InstanceInputTest, Slots) {
  EXPECT_EQ(check_instance("a", "http://h", 8)->slots, 8);
  EXPECT_THAT(std::string(check_instance("a", "http://h", 9).status().message()), HasSubstr("slots"));
  EXPECT_FALSE(check_instance("a", "http://h", -1).ok());
}

}  // namespace
}  // namespace renderyard::bridge
