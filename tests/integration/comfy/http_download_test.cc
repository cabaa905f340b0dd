// Downloads over libcurl: whole, in order, bounded, and of one version of the file.
#include <string>
#include <vector>

#include "services/bridge/comfy/byte_channel.h"
#include "tests/integration/comfy/http_fixture.h"
#include "tests/support/byte_sinks.h"

namespace renderyard {
namespace {

using testing::Flag;
using testing::RawConnection;
using testing::RawServer;

using HttpDownloadTest = testing::HttpFixture;

TEST_F(HttpDownloadTest, FetchStreamsInOrderAndWhole) {
  std::string file;
  for (int i = 0; file.size() < (std::size_t{24} << 20); ++i) file += std::to_string(i) + ",";
  std::string line;
  RawServer server([&](RawConnection& connection) {
    line = connection.read_request()->line;
    connection.answer(200, file, "image/png");
  });
  std::string got;
  const auto fetched = fetch(server.url(), got);
  ASSERT_TRUE(fetched.ok()) << fetched.status();
  EXPECT_EQ(fetched->version.size_bytes, static_cast<std::int64_t>(file.size()));
  EXPECT_EQ(fetched->content_type, "image/png");
  EXPECT_TRUE(got == file);
  EXPECT_EQ(line, "GET /view?filename=a%20b%2F%C3%A4.png&subfolder=s&type=output HTTP/1.1");
}

TEST_F(HttpDownloadTest, AFilesVersionIsReadWithItAndWithoutIt) {
  std::vector<std::string> lines;
  RawServer server([&](RawConnection& connection) {
    while (const auto request = connection.read_head()) {
      const bool head = request->line.starts_with("HEAD ");
      lines.push_back(request->line.substr(0, request->line.find('?')));
      connection.send(std::string("HTTP/1.1 200 OK\r\nContent-Type: image/png\r\nContent-Length: 5\r\n") +
                      "Last-Modified: Sat, 21 Nov 2026 00:45:44 GMT\r\nETag: " + (head ? "W/" : "") +
                      "\"18e9-5\"\r\n\r\n" + (head ? "" : "bytes"));
    }
  });
  std::string got;
  const auto fetched = fetch(server.url(), got);
  ASSERT_TRUE(fetched.ok()) << fetched.status();
  EXPECT_EQ(got, "bytes");
  EXPECT_EQ(fetched->version.etag, "\"18e9-5\"");
  EXPECT_EQ(fetched->version.modified_at,
            absl::FromCivil(absl::CivilSecond(2026, 11, 21, 0, 45, 44), absl::UTCTimeZone()));
  auto comfy = instance(server.url());
  const domain::OutputFile file{.node_id = "", .kind = "", .filename = "f", .subfolder = "", .type = "output"};
  const auto version = await(comfy->version(file, in(20)));
  ASSERT_TRUE(version.ok()) << version.status();
  EXPECT_EQ(version->size_bytes, 5);
  EXPECT_EQ(version->etag, fetched->version.etag);
  EXPECT_EQ(version->modified_at, fetched->version.modified_at);
  EXPECT_FALSE(fetched->version.changed_to(*version));
  EXPECT_EQ(lines, (std::vector<std::string>{"GET /view", "HEAD /view"}));
}

TEST_F(HttpDownloadTest, AVersionThatAServerDoesNotTellProvesNothing) {
  RawServer server([&](RawConnection& connection) {
    connection.read_request();
    connection.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
  });
  auto comfy = instance(server.url());
  const domain::OutputFile file{.node_id = "", .kind = "", .filename = "f", .subfolder = "", .type = "output"};
  const auto version = await(comfy->version(file, in(20)));
  ASSERT_TRUE(version.ok()) << version.status();
  EXPECT_FALSE(version->size_bytes || version->etag || version->modified_at);
  const ports::FileVersion known{.size_bytes = 5, .modified_at = absl::UnixEpoch(), .etag = "\"1\""};
  EXPECT_FALSE(known.changed_to(*version));
  ports::FileVersion other = known;
  other.etag = "\"2\"";
  EXPECT_TRUE(known.changed_to(other));
  other = known;
  other.size_bytes = 6;
  EXPECT_TRUE(known.changed_to(other));
  other = known;
  other.modified_at = absl::UnixEpoch() + absl::Seconds(1);
  EXPECT_TRUE(known.changed_to(other));
  RawServer refusing([&](RawConnection& connection) {
    connection.read_request();
    connection.send("HTTP/1.1 405 Method Not Allowed\r\nContent-Length: 0\r\n\r\n");
  });
  auto without_head = instance(refusing.url());
  EXPECT_TRUE(absl::IsNotFound(await(without_head->version(file, in(20))).status()));
}

TEST_F(HttpDownloadTest, AFileThatEndsEarlyIsDataLoss) {
  for (const bool reset : {false, true}) {
    RawServer server([&](RawConnection& connection) {
      connection.read_request();
      connection.send("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n" + std::string(500, 'x'));
      if (reset) connection.reset();
    });
    std::string got;
    const auto fetched = fetch(server.url(), got);
    // After a reset nobody knows whether the half had been read by then.
    EXPECT_TRUE(absl::IsDataLoss(fetched.status()) || (reset && absl::IsUnavailable(fetched.status())))
        << fetched.status();
  }
}

// What a later attempt gets is held against it.
TEST_F(HttpDownloadTest, WhatTheHeadSaysIsToldOfACopyThatBreaksOff) {
  testing::Flag told;
  RawServer server([&](RawConnection& connection) {
    connection.read_request();
    connection.send(
        "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\nLast-Modified: Fri, 13 Feb 2009 23:31:30 GMT\r\nETag: "
        "W/\"v1\"\r\n\r\n" +
        std::string(500, 'x'));
    told.wait();
    connection.reset();
  });
  auto comfy = instance(server.url());
  std::vector<ports::FileVersion> begun;
  std::string got;
  const auto fetched = await(comfy->fetch(
      {.node_id = "", .kind = "", .filename = "f", .subfolder = "", .type = "output"}, test::sink_into(got),
      [&](const ports::FileVersion& version) {
        EXPECT_EQ(got, "") << "before the first byte";
        begun.push_back(version);
        told.set();
      },
      in(20)));
  EXPECT_FALSE(fetched.ok());
  ASSERT_EQ(begun.size(), 1u);
  EXPECT_EQ(begun[0].size_bytes, 1000);
  EXPECT_EQ(begun[0].modified_at, absl::FromUnixSeconds(1234567890));
  EXPECT_EQ(begun[0].etag, "\"v1\"");
}

// Long before its deadline, which has to do for large files.
TEST_F(HttpDownloadTest, AServerThatFallsSilentEndsTheDownload) {
  options_.download_stall = absl::Seconds(1);
  for (const char* begun : {"", "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nabc"}) {
    RawServer server([&](RawConnection& connection) {
      connection.read_request();
      connection.send(begun);
      connection.read_to_end();
    });
    std::string got;
    const absl::Time before = clock_.now();
    EXPECT_TRUE(absl::IsDeadlineExceeded(fetch(server.url(), got, 600).status()));
    EXPECT_LT(clock_.now() - before, absl::Seconds(30));
  }
}

TEST_F(HttpDownloadTest, AMissingFileIsNotFoundAndNothingReachesTheSink) {
  for (const int status : {404, 400}) {
    RawServer server([&](RawConnection& connection) {
      connection.read_request();
      connection.answer(status, "404: Not Found", "text/plain");
    });
    std::string got;
    EXPECT_TRUE(absl::IsNotFound(fetch(server.url(), got).status())) << status;
    EXPECT_EQ(got, "");
  }
}

TEST_F(HttpDownloadTest, AnErrorOfTheSinkEndsTheTransfer) {
  Flag gone;
  RawServer server([&](RawConnection& connection) {
    connection.read_request();
    // More than is ever buffered: it ends only because the client goes.
    if (!connection.answer(200, std::string(std::size_t{256} << 20, 'x'))) gone.set();
  });
  auto comfy = instance(server.url());
  const auto fetched =
      await(comfy->fetch({.node_id = "", .kind = "", .filename = "f", .subfolder = "", .type = "output"},
                         test::refusing_sink(absl::ResourceExhaustedError("full")), {}, in(20)));
  EXPECT_EQ(fetched.status(), absl::ResourceExhaustedError("full"));
  EXPECT_TRUE(gone.wait());
}

TEST_F(HttpDownloadTest, ByteChannelRefusesWhenFullAndCallsWhenThereIsRoom) {
  int room = 0;
  comfy::ByteChannel channel(strand_, 10, [&room] { ++room; });
  EXPECT_TRUE(channel.write(std::string(100, 'a')));  // an empty one takes any chunk
  EXPECT_FALSE(channel.write("b"));
  EXPECT_EQ(**await(channel.next()), std::string(100, 'a'));
  EXPECT_EQ(room, 1);
  EXPECT_TRUE(channel.write("12345"));
  EXPECT_TRUE(channel.write("67890"));
  EXPECT_FALSE(channel.write("x"));
  EXPECT_EQ(**await(channel.next()), "12345");
  EXPECT_EQ(room, 2);
  EXPECT_EQ(**await(channel.next()), "67890");
  channel.end();
  EXPECT_EQ(*await(channel.next()), std::nullopt);
  EXPECT_EQ(room, 2);
}

}  // namespace
}  // namespace renderyard
