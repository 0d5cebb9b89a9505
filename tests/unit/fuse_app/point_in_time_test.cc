#include <gtest/gtest.h>

#include "fuse/app/history/volume_history.h"

namespace skymoor::client {
namespace {

TEST(PointInTime, IsReadAsCommandsShowItAndAsPeopleWriteIt) {
  const Timestamp now{std::chrono::hours(24 * 20000)};
  EXPECT_EQ(*parse_point_in_time("2024-10-04T00:00:00Z", now), now);
  EXPECT_EQ(*parse_point_in_time("2h", now), now - std::chrono::hours(2));
  EXPECT_EQ(*parse_point_in_time("1970-01-01T00:00:01Z", now), Timestamp{std::chrono::seconds(1)});
  // Local time, wherever that is: within a day of UTC, and finer ones lie inside coarser ones.
  const Timestamp day = *parse_point_in_time("2024-10-04", now);
  EXPECT_LT(std::chrono::abs(day - now), std::chrono::hours(24));
  EXPECT_EQ(*parse_point_in_time("2024-10-04 12:30", now) - day, std::chrono::minutes(750));
  EXPECT_EQ(*parse_point_in_time("2024-10-04 12:30:05", now) - day, std::chrono::minutes(750) + std::chrono::seconds(5));
}

TEST(PointInTime, OtherTextsAreRefused) {
  for (const char* text : {"", "yesterday", "2024-13-01", "12:30", "-5h", "2024-10-04 12:30 pm"})
    EXPECT_FALSE(parse_point_in_time(text, {}).ok()) << text;
}

}  // namespace
}  // namespace skymoor::client
