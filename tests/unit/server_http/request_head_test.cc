#include "backend-server/http/connection/request_head.h"

#include <gtest/gtest.h>

namespace skymoor::server {
namespace {

TEST(RequestHeadTest, ReadsAnOrdinaryHead) {
  auto head = parse_request_head(
      "POST /a/b?c=d HTTP/1.1\r\nHost: h\r\nContent-Length: 12\r\nAuthorization:  Bearer x.y \r\n\r\n", 100);
  ASSERT_TRUE(head.ok()) << head.error().message();
  EXPECT_EQ(head->method, "POST");
  EXPECT_EQ(head->target, "/a/b?c=d");
  EXPECT_EQ(head->content_length, 12u);
  EXPECT_TRUE(head->keep_alive);
  EXPECT_FALSE(head->chunked);
  EXPECT_EQ(head->headers[2], NamedText("authorization", "Bearer x.y"));
}

TEST(RequestHeadTest, CutHeadsAreRefused) {
  std::string text = "POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 12\r\n\r\n";
  ASSERT_TRUE(parse_request_head(text, 100).ok());
  for (std::size_t i = 0; i < text.size(); ++i)
    EXPECT_FALSE(parse_request_head(std::string_view(text).substr(0, i), 100).ok()) << i;
}

TEST(RequestHeadTest, EveryChangedByteIsSurvived) {
  std::string text = "POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nX: y\r\n\r\n";
  for (std::size_t i = 0; i < text.size(); ++i)
    for (int value = 0; value < 256; ++value) {
      std::string changed = text;
      changed[i] = static_cast<char>(value);
      auto head = parse_request_head(changed, 100);
      EXPECT_FALSE(head.ok() && head->chunked && head->content_length) << changed;
    }
}

TEST(RequestHeadTest, TheEndIsFoundAcrossReads) {
  std::string text = "GET / HTTP/1.1\r\n\r\nrest";
  EXPECT_EQ(find_head_end(text, 0), 18u);
  for (std::size_t searched = 0; searched <= 17; ++searched) EXPECT_EQ(find_head_end(text, searched), 18u) << searched;
  EXPECT_EQ(find_head_end("GET / HTTP/1.1\r\n\r", 0), std::string_view::npos);
}

}  // namespace
}  // namespace skymoor::server
