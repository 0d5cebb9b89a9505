#include "shared/base/suggestion.h"

#include <gtest/gtest.h>

namespace skymoor {
namespace {

TEST(Suggestion, TheNearestWordIsMeant) {
  const std::vector<std::string> known = {"mount", "umount", "ls", "status"};
  EXPECT_EQ(did_you_mean("moun", known), "; did you mean 'mount'?");
  EXPECT_EQ(did_you_mean("unmount", known), "; did you mean 'umount'?");
  EXPECT_EQ(did_you_mean("stauts", known), "; did you mean 'status'?");
  EXPECT_EQ(did_you_mean("lsx", known), "; did you mean 'ls'?");
}

TEST(Suggestion, NothingIsSaidWhereNoneIsNear) {
  const std::vector<std::string> known = {"mount", "ls", "ro"};
  for (const char* word : {"", "x", "ab", "foo", "frobnicate"}) EXPECT_EQ(did_you_mean(word, known), "") << word;
  EXPECT_EQ(did_you_mean("mount", {}), "");
}

}  // namespace
}  // namespace skymoor
