#include "fuse/sync/connection.h"

#include <gtest/gtest.h>

namespace skymoor::client {
namespace {

using namespace std::chrono_literals;

TEST(ConnectionTest, ACallWithoutTimeSaysNothingOfTheServer) {
  // Calls that had been queued until their deadline made a slow server count as one that is away.
  SystemClock clock;
  Connection connection(clock);
  connection.note({});
  connection.note(Error(Code::kTimedOut, "late"), 200ms);
  EXPECT_TRUE(connection.online());
  EXPECT_TRUE(connection.ready().ok());
  connection.note(Error(Code::kOffline, "refused"), 200ms);
  EXPECT_FALSE(connection.online());
  connection.note({}, 1ms);
  EXPECT_TRUE(connection.online());
  connection.note(Error(Code::kTimedOut, "late"), 2s);
  EXPECT_FALSE(connection.online());
  EXPECT_EQ(connection.ready().error().code(), Code::kOffline);
}

}  // namespace
}  // namespace skymoor::client
