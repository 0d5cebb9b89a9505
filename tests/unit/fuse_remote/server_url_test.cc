#include <gtest/gtest.h>

#include "fuse/remote/http_client.h"

namespace skymoor::client {
namespace {

TEST(ServerUrl, HasOneSpelling) {
  EXPECT_EQ(*normalize_server_url("cloud.example.org"), "https://cloud.example.org");
  EXPECT_EQ(*normalize_server_url("HTTPS://Cloud.Example.org:8443/"), "https://cloud.example.org:8443");
  EXPECT_EQ(*normalize_server_url("https://cloud.example.org:443"), "https://cloud.example.org");
  EXPECT_EQ(*normalize_server_url("[::1]:8443"), "https://[::1]:8443");
  EXPECT_EQ(*normalize_server_url("http://127.0.0.1:8080"), "http://127.0.0.1:8080");
}

TEST(ServerUrl, RefusesWhatWouldBeMisunderstood) {
  for (const char* bad : {"", "https://", "https://a/b", "https://a/?q", "https://user:pw@a", "ftp://a", "http://a.org",
                          "http://127.evil.org", "http://localhost.evil.org", "file:///etc/passwd", "https://a b", "https://a:99999"})
    EXPECT_EQ(normalize_server_url(bad).ok(), false) << bad;
}

TEST(ServerUrl, OnlyThisMachineIsThisMachine) {
  for (const char* here : {"http://127.0.0.1:1", "https://localhost", "https://[::1]:8443", "https://127.9.9.9"}) EXPECT_TRUE(is_this_machine(here)) << here;
  for (const char* elsewhere : {"https://localhost.evil.org", "https://127.0.0.1.evil.org", "https://a.org", "https://128.0.0.1", ""})
    EXPECT_FALSE(is_this_machine(elsewhere)) << elsewhere;
}

}  // namespace
}  // namespace skymoor::client
