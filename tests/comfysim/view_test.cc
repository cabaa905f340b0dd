// Files come back and go in as the recorded servers do it.
#include <gtest/gtest.h>

#include <string>
#include <utility>

#include "tests/comfysim/image.h"
#include "tests/comfysim/test_fixture.h"

namespace comfysim::testing {
namespace {

class ViewTest : public ComfysimTest {
 protected:
  void put(const std::string& name, const std::string& bytes) { write_file(folder_.path() / "output" / name, bytes); }

  void as(const Generation& generation) {
    options_.generation = &generation;
    start();
  }

  Reply view(const std::string& query, const Headers& headers = {}) {
    return request(port(), "GET", "/view?" + query, "", headers);
  }

  // A form with a file and plain fields.
  Reply upload(const std::string& path, const std::string& filename, const std::string& content,
               const std::vector<std::pair<std::string, std::string>>& fields = {}) {
    std::string body;
    for (const auto& [name, value] : fields) {
      body += "--b\r\nContent-Disposition: form-data; name=\"" + name + "\"\r\n\r\n" + value + "\r\n";
    }
    body += "--b\r\nContent-Disposition: form-data; name=\"image\"; filename=\"" + filename + "\"\r\n" +
            "Content-Type: image/png\r\n\r\n" + content + "\r\n--b--\r\n";
    return request(port(), "POST", path, body, {{"Content-Type", "multipart/form-data; boundary=b"}});
  }
};

Picture half_transparent() {
  Picture out(16, 8);
  for (std::size_t i = 0; i < out.rgb.size(); ++i) out.rgb[i] = static_cast<std::uint8_t>(i);
  out.alpha.assign(16 * 8, 200);
  return out;
}

TEST_F(ViewTest, APreviewIsOfTheFormAndQualityAskedFor) {
  Picture noisy(64, 64);
  for (std::size_t i = 0; i < noisy.rgb.size(); ++i) noisy.rgb[i] = static_cast<std::uint8_t>(i * i / 7);
  put("a.png", encode_png(noisy));
  const Reply webp = view("filename=a.png&preview=webp%3B50");
  EXPECT_EQ(webp.headers.at("content-type"), "image/webp");
  EXPECT_EQ(webp.headers.at("content-disposition"), "filename=\"a.png\"");
  EXPECT_FALSE(webp.headers.contains("etag"));
  EXPECT_FALSE(webp.headers.contains("x-content-type-options"));
  EXPECT_EQ(webp.body, encode_webp(noisy, 50));
  EXPECT_EQ(view("filename=a.png&preview=webp").body, encode_webp(noisy, 90));
  EXPECT_EQ(view("filename=a.png&preview=gif;10").body, encode_webp(noisy, 10));
  const Reply jpeg = view("filename=a.png&preview=jpeg");
  EXPECT_EQ(jpeg.headers.at("content-type"), "image/jpeg");
  EXPECT_EQ(jpeg.body, encode_jpeg(noisy, 90));
  EXPECT_EQ(view("filename=a.png&preview=jpeg&channel=rgba").headers.at("content-type"), "image/webp");
  put("text.png", "no picture");
  EXPECT_EQ(view("filename=text.png&preview=webp").status, 500U);
  EXPECT_EQ(view("filename=text.png").body, "no picture");
}

TEST_F(ViewTest, AChannelComesAloneAndWithoutTexts) {
  const Picture picture = half_transparent();
  put("a.png", encode_png(picture, {{"prompt", "{}"}}));
  const std::optional<Picture> colours = decode_png(view("filename=a.png&channel=rgb").body);
  ASSERT_TRUE(colours);
  EXPECT_EQ(colours->rgb, picture.rgb);
  EXPECT_TRUE(colours->alpha.empty());
  const Reply alpha = view("filename=a.png&channel=a");
  EXPECT_EQ(alpha.body.find("prompt"), std::string::npos);
  const std::optional<Picture> decoded = decode_png(alpha.body);
  ASSERT_TRUE(decoded);
  EXPECT_EQ(decoded->alpha, picture.alpha);
  EXPECT_EQ(decoded->rgb, std::vector<std::uint8_t>(picture.rgb.size(), 0));
  const Reply whole = view("filename=a.png&channel=rgba");
  EXPECT_NE(whole.body.find("prompt"), std::string::npos);
}

TEST_F(ViewTest, APartOfAFileCanBeAskedFor) {
  put("a.bin", "0123456789");
  const auto part = [&](const std::string& range) {
    const Reply reply = view("filename=a.bin", {{"Range", range}});
    return std::to_string(reply.status) + " " + reply.body + " " + reply.headers.at("content-range");
  };
  EXPECT_EQ(part("bytes=0-3"), "206 0123 bytes 0-3/10");
  EXPECT_EQ(part("bytes=7-"), "206 789 bytes 7-9/10");
  EXPECT_EQ(part("bytes=-2"), "206 89 bytes 8-9/10");
  EXPECT_EQ(part("bytes=8-100"), "206 89 bytes 8-9/10");
  EXPECT_EQ(part("bytes=10-"), "416  bytes */10");
  EXPECT_EQ(part("bytes=5-4"), "416  bytes */10");
  EXPECT_EQ(part("bytes=x"), "416  bytes */10");
  const Reply whole = request(port(), "HEAD", "/view?filename=a.bin");
  EXPECT_EQ(whole.status, 200U);
  EXPECT_EQ(whole.headers.at("content-length"), "10");
  EXPECT_EQ(whole.body, "");
}

TEST_F(ViewTest, WhatIsKnownAlreadyIsNotSentAgain) {
  put("a.png", encode_png(half_transparent()));
  const Reply first = view("filename=a.png");
  ASSERT_EQ(first.status, 200U);
  const Reply same = view("filename=a.png", {{"If-None-Match", first.headers.at("etag")}});
  EXPECT_EQ(same.status, 304U);
  EXPECT_EQ(same.body, "");
  EXPECT_EQ(same.headers.at("etag"), first.headers.at("etag"));
  EXPECT_EQ(view("filename=a.png", {{"If-Modified-Since", first.headers.at("last-modified")}}).status, 304U);
  EXPECT_EQ(view("filename=a.png", {{"If-None-Match", "\"other\""}}).status, 200U);
}

TEST_F(ViewTest, WhatABrowserWouldRunIsHandedOutByRelease) {
  put("a.html", "<script>");
  put("a.svg", "<svg/>");
  const auto shown = [&](const char* name) {
    const Reply reply = view(std::string("filename=") + name);
    return reply.headers.at("content-type") + " " + reply.headers.at("content-disposition") +
           (reply.headers.contains("x-content-type-options") ? " nosniff" : "");
  };
  EXPECT_EQ(shown("a.html"), "application/octet-stream attachment; filename=\"a.html\" nosniff");
  EXPECT_EQ(shown("a.svg"), "application/octet-stream attachment; filename=\"a.svg\" nosniff");
  as(generation_0_3_64());
  EXPECT_EQ(shown("a.html"), "application/octet-stream filename=\"a.html\"");
  EXPECT_EQ(shown("a.svg"), "image/svg+xml filename=\"a.svg\"");
  EXPECT_EQ(view("filename=").status, 400U);
  as(generation_2024_06_30());
  EXPECT_EQ(shown("a.html"), "text/html filename=\"a.html\"");
  EXPECT_EQ(view("filename=").status, 500U);
}

TEST_F(ViewTest, RefusalsAreThoseOfTheRecordings) {
  for (const Generation* generation : {&generation_0_33_0(), &generation_0_3_64(), &generation_2024_06_30()}) {
    as(*generation);
    EXPECT_EQ(view("filename=nope.png").status, 404U);
    EXPECT_EQ(get(port(), "/view").status, 404U);
    EXPECT_EQ(view("filename=x.png&type=bogus").status, 400U);
    EXPECT_EQ(view("filename=../x.png").status, 400U);
    EXPECT_EQ(view("filename=x.png&subfolder=../../..").status, 403U);
    EXPECT_EQ(get(port(), "/view_metadata/loras?filename=x.safetensors").status, 404U);
  }
}

TEST_F(ViewTest, TheSameBytesAreUploadedOnceOnlyToNewerServers) {
  const auto name = [&](const char* bytes) {
    return python_str(upload("/upload/image", "a.png", bytes).json().at("name"));
  };
  EXPECT_EQ(name("one"), "a.png");
  EXPECT_EQ(name("one"), "a.png");
  EXPECT_EQ(name("two"), "a (1).png");
  EXPECT_EQ(name("two"), "a (1).png");
  as(generation_2024_06_30());
  EXPECT_EQ(name("one"), "a (2).png");
}

TEST_F(ViewTest, AnUploadGoesWhereItsFieldsSay) {
  const Reply reply = upload("/upload/image", "a.png", "bytes", {{"subfolder", "sub"}, {"type", "temp"}});
  EXPECT_EQ(reply.body, R"({"name": "a.png", "subfolder": "sub", "type": "temp"})");
  EXPECT_EQ(view("filename=a.png&subfolder=sub&type=temp").body, "bytes");
  EXPECT_EQ(view("filename=a.png%20%5Btemp%5D&subfolder=sub").body, "bytes");
  EXPECT_EQ(upload("/upload/image", "a.png", "x", {{"type", "bogus"}}).status, 500U);
  EXPECT_EQ(upload("/upload/image", "a.png", "x", {{"subfolder", "../../x"}}).status, 400U);
  EXPECT_EQ(upload("/upload/image", "nowhere/a.png", "x").status, 500U);
  EXPECT_EQ(upload("/upload/image", "", "x").status, 400U);
  EXPECT_EQ(post(port(), "/upload/image", {{"image", "no form"}}).status, 400U);
}

TEST_F(ViewTest, AMaskIsPutOnTheOriginal) {
  Picture original = half_transparent();
  original.alpha.clear();
  upload("/upload/image", "a.png", encode_png(original));
  const Picture mask = half_transparent();
  const std::string reference = R"({"filename": "a.png", "subfolder": "", "type": "input"})";
  const auto put_mask = [&](const char* name, const std::string& bytes, const std::string& ref) {
    return upload("/upload/mask", name, bytes, {{"original_ref", ref}});
  };
  EXPECT_EQ(put_mask("m.png", encode_png(mask), reference).body,
            R"({"name": "m.png", "subfolder": "", "type": "input"})");
  const std::optional<Picture> masked = decode_png(view("filename=m.png&type=input").body);
  ASSERT_TRUE(masked);
  EXPECT_EQ(masked->rgb, original.rgb);
  EXPECT_EQ(masked->alpha, mask.alpha);
  // Without an original there is an answer, but no file.
  EXPECT_EQ(put_mask("n.png", encode_png(mask), R"({"filename": "gone.png", "type": "input"})").status, 200U);
  EXPECT_EQ(view("filename=n.png&type=input").status, 404U);
  EXPECT_EQ(put_mask("n.png", encode_png(Picture(3, 3)), reference).status, 500U);
  EXPECT_EQ(put_mask("n.png", encode_png(mask), "no JSON").status, 500U);
  EXPECT_EQ(upload("/upload/mask", "n.png", encode_png(mask)).status, 500U);
}

}  // namespace
}  // namespace comfysim::testing
