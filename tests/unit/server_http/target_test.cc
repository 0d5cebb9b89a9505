#include <gtest/gtest.h>

#include "backend-server/http/router.h"

namespace skymoor::server {
namespace {

TEST(TargetTest, DecodesPathAndQuery) {
  auto target = parse_target("/a/b%20c?x=1&empty=&bare&y=%26%3d");
  ASSERT_TRUE(target.ok()) << target.error().message();
  EXPECT_EQ(target->path, "/a/b c");
  EXPECT_EQ(target->query, (std::vector<NamedText>{{"x", "1"}, {"empty", ""}, {"bare", ""}, {"y", "&="}}));
  EXPECT_EQ(parse_target("/")->path, "/");
  EXPECT_EQ(parse_target("/?a=b")->query.size(), 1u);
}

TEST(TargetTest, RefusesWhatCouldLeaveItsPlace) {
  for (std::string_view bad :
       {"", "a", "*", "http://h/a", "/a//b", "/a/", "//", "/.", "/a/..", "/..", "/a/./b", "/%2e", "/%2E%2e/a", "/a%2fb",
        "/a%5Cb", "/a\\b", "/a%00b", "/a%0d%0ab", "/a%7f", "/%", "/%4", "/%g0", "/%c0%af", "/%ed%a0%80", "/%ff",
        "/a#b", "/a?x=1&x=2", "/a?x=%zz", "/a?x=%00"})
    EXPECT_EQ(parse_target(bad).error().code(), Code::kInvalidArgument) << bad;
  EXPECT_EQ(parse_target("/" + std::string(3000, 'a')).error().code(), Code::kTooLarge);
  std::string many = "/a?";
  for (int i = 0; i < 40; ++i) many += "k" + std::to_string(i) + "=1&";
  EXPECT_EQ(parse_target(many).error().code(), Code::kTooLarge);
}

}  // namespace
}  // namespace skymoor::server
