#include "fuse/remote/event_parser.h"

#include <gtest/gtest.h>

namespace skymoor::client {
namespace {

using Events = std::vector<std::pair<std::string, std::string>>;

Events parse(const std::string& text, std::size_t piece) {
  Events events;
  EventParser parser([&](std::string_view name, std::string_view data) { events.emplace_back(name, data); });
  for (std::size_t at = 0; at < text.size(); at += piece)
    EXPECT_TRUE(parser.feed(as_bytes(std::string_view(text).substr(at, piece))).ok());
  return events;
}

TEST(EventParser, GivesTheSameEventsHoweverTheStreamIsCut) {
  const std::string text =
      ": keep-alive\n\nevent: change\ndata: {\"a\":1}\n\nevent: change\r\ndata:x\r\ndata: y\r\n\r\nid: 5\n\ndata\n\n";
  const Events expected = {{"change", "{\"a\":1}"}, {"change", "x\ny"}, {"message", ""}};
  for (std::size_t piece = 1; piece <= text.size(); ++piece) EXPECT_EQ(parse(text, piece), expected) << piece;
}

TEST(EventParser, AnEventThatIsNotEndedIsNotGiven) { EXPECT_TRUE(parse("event: change\ndata: 1\n", 3).empty()); }

TEST(EventParser, RefusesAnEndlessLine) {
  EventParser parser([](std::string_view, std::string_view) {});
  EXPECT_EQ(parser.feed(as_bytes(std::string(70000, 'x'))).error().code(), Code::kTooLarge);
}

}  // namespace
}  // namespace skymoor::client
