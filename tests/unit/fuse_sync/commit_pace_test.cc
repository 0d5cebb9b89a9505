#include "fuse/sync/push/commit_pace.h"

#include <gtest/gtest.h>

namespace skymoor::client {
namespace {

using namespace std::chrono_literals;

constexpr Instant kStart{1000s};

TEST(CommitPaceTest, AfterARestAChangeGoesSoon) {
  CommitPace pace(200ms);
  EXPECT_EQ(pace.quiet(kStart), 40ms) << "the first one";
  pace.sent(kStart);
  EXPECT_EQ(pace.quiet(kStart + 1999ms), 200ms);
  EXPECT_EQ(pace.quiet(kStart + 2s), 40ms);
}

TEST(CommitPaceTest, ChangesThatKeepComingShareCommits) {
  CommitPace pace(200ms);
  Instant now = kStart;
  int commits = 0;
  // A program that appends every 100 ms, for a minute: what the sync thread does with its changes.
  for (Instant waiting_since = now; now < kStart + 60s;) {
    now += 100ms;
    const bool quiet = pace.quiet(now) < 100ms;
    if (!quiet && now - waiting_since < pace.longest()) continue;
    pace.sent(now), waiting_since = now, ++commits;
  }
  EXPECT_LE(commits, 31) << "one in two seconds and the first";
  EXPECT_GE(commits, 29);
}

TEST(CommitPaceTest, WithoutADelayNothingWaits) {
  CommitPace pace(0ms);
  pace.sent(kStart);
  EXPECT_EQ(pace.quiet(kStart), 0ms);
  EXPECT_EQ(pace.longest(), 0ms);
}

}  // namespace
}  // namespace skymoor::client
