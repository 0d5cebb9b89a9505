#include "backend-server/http/event_stream.h"

#include <gtest/gtest.h>

namespace skymoor::server {
namespace {

TEST(EventStreamTest, KeepsWhatWasSentBeforeItWasTaken) {
  EventStream stream;
  EXPECT_TRUE(stream.send("a"));
  EXPECT_TRUE(stream.send("b"));
  int wakes = 0;
  stream.attach([&] { ++wakes; });
  EXPECT_EQ(wakes, 1);
  EXPECT_EQ(stream.take(), "ab");
  EXPECT_TRUE(stream.send("c"));
  EXPECT_EQ(wakes, 2);
  EXPECT_EQ(stream.take(), "c");
  EXPECT_EQ(stream.take(), "");
}

TEST(EventStreamTest, TheLatestReplacesWhatWaits) {
  EventStream stream;
  for (int i = 0; i < 100'000; ++i) EXPECT_TRUE(stream.send_latest(std::to_string(i)));
  EXPECT_EQ(stream.take(), "99999");
}

TEST(EventStreamTest, AFullQueueClosesIt) {
  EventStream stream;
  std::string part(EventStream::kMaxQueuedBytes / 2, 'x');
  EXPECT_TRUE(stream.send(part));
  EXPECT_TRUE(stream.send(part));
  EXPECT_FALSE(stream.send("y"));
  EXPECT_TRUE(stream.closed());
  EXPECT_FALSE(stream.send("z"));
}

TEST(EventStreamTest, NobodyIsWokenAfterDetach) {
  EventStream stream;
  int wakes = 0;
  stream.attach([&] { ++wakes; });
  stream.detach();
  EXPECT_FALSE(stream.send("a"));
  stream.close();
  EXPECT_EQ(wakes, 0);
}

TEST(EventStreamTest, LineBreaksInDataGiveFurtherLines) {
  EXPECT_EQ(format_event("change", "{}"), "event: change\ndata: {}\n\n");
  EXPECT_EQ(format_event("n", "a\nb"), "event: n\ndata: a\ndata: b\n\n");
}

}  // namespace
}  // namespace skymoor::server
