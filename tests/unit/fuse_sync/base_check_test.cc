// Whether a change was made on the history that it stands in, and only once.
#include "fuse/sync/feed/base_check.h"

#include "shared/crypto/hash.h"
#include "tests/unit/fuse_sync/sync_fixture.h"

namespace skymoor::client {
namespace {

class BaseCheckTest : public SyncEngineTest {
 protected:
  void SetUp() override {
    SyncDevice author(volume_, "author", 1, directory_ + "/author", {.stepped = true});
    for (int i = 0; i < 12; ++i) {
      author.write("f", std::to_string(i));
      ASSERT_TRUE(author.engine().step().ok());
    }
    feed_ = volume_.server.feed();
    at_ = place(feed_.size());
  }
  /// Where a device is that has seen so many changes.
  SyncPosition place(std::size_t changes) const {
    return {Epoch{1}, Sequence{changes}, changes ? feed_[changes - 1].hash : Hash256{}, {}};
  }
  Commit on(const SyncPosition& base, OpId op = {WriterId{9}, 1}) const {
    Commit commit;
    commit.op = op;
    commit.base = base.cursor;
    commit.base_hash = base.hash;
    return commit;
  }
  OpId op_of(std::size_t change) const { return decode_commit(feed_[change].commit.payload).value().op; }
  void remember_from(std::size_t first) {
    for (std::size_t i = first; i < feed_.size(); ++i) bases_.note(place(i), feed_[i].sequence, feed_[i].hash, op_of(i));
  }
  Status check(const Commit& commit) { return bases_.check(commit, at_, {}); }
  void expect_corrupt(const Commit& commit, const char* what) {
    Status status = check(commit);
    ASSERT_FALSE(status.ok()) << what;
    EXPECT_EQ(status.error().code(), Code::kCorrupt) << what << ": " << status.error().to_string();
  }

  FakeVolumeRemote remote_{volume_.server};
  BaseCheck bases_{remote_};
  std::vector<FeedEntry> feed_;
  SyncPosition at_;
};

TEST_F(BaseCheckTest, OnTheHeadOnlyTheHashCounts) {
  remote_.set_offline(true);   // nobody is asked
  EXPECT_TRUE(check(on(at_)).ok());
  Commit forked = on(at_);
  forked.base_hash.value[3] ^= 1;
  expect_corrupt(forked, "another hash");
}

TEST_F(BaseCheckTest, FromMemoryAndFromTheFeedComesTheSame) {
  for (const bool remembered : {true, false}) {
    for (std::size_t base = 0; base < feed_.size(); ++base) {
      SCOPED_TRACE((remembered ? "remembered, base " : "read again, base ") + std::to_string(base));
      bases_ = BaseCheck(remote_);
      if (remembered) remember_from(0);
      remote_.set_offline(remembered);
      EXPECT_TRUE(check(on(place(base))).ok());
      for (std::size_t shown = base; shown < feed_.size(); ++shown) expect_corrupt(on(place(base), op_of(shown)), "once more");
      Commit forked = on(place(base));
      forked.base_hash.value[31] ^= 0x80;
      expect_corrupt(forked, "another history");
    }
  }
}

TEST_F(BaseCheckTest, WhatIsReadAgainIsRemembered) {
  EXPECT_TRUE(check(on(place(3))).ok());
  remote_.set_offline(true);
  EXPECT_TRUE(check(on(place(5))).ok());
  EXPECT_TRUE(check(on(place(3))).ok());
  EXPECT_EQ(check(on(place(2))).error().code(), Code::kOffline);
}

TEST_F(BaseCheckTest, AGapIsNotPassedOver) {
  remember_from(6);
  remote_.set_offline(true);
  EXPECT_TRUE(check(on(place(6))).ok());
  EXPECT_EQ(check(on(place(5))).error().code(), Code::kOffline);
  // A change that was taken without being told of.
  bases_.note({Epoch{1}, Sequence{20}, Hash256{{1}}, {}}, Sequence{21}, Hash256{{2}}, {WriterId{1}, 99});
  EXPECT_EQ(check(on(place(6))).error().code(), Code::kOffline);
}

TEST_F(BaseCheckTest, AServerThatHidesOrChangesWhatLiesBetween) {
  const auto refuse = [&](const char* what, std::function<void(FeedPage&)> feed) {
    remote_.tamper({.feed = std::move(feed)});
    bases_ = BaseCheck(remote_);
    expect_corrupt(on(place(4), op_of(7)), what);
  };
  refuse("left out", [](FeedPage& page) { page.entries.erase(page.entries.begin() + 3); });
  refuse("nothing", [](FeedPage& page) { page.entries.clear(); });
  refuse("another in its place", [&](FeedPage& page) { page.entries[3].commit = feed_[0].commit; });
  refuse("renumbered", [](FeedPage& page) {
    page.entries.erase(page.entries.begin() + 3);
    for (std::size_t i = 3; i < page.entries.size(); ++i) --page.entries[i].sequence.value;
  });
}

TEST_F(BaseCheckTest, MemoryIsBounded) {
  remote_.set_offline(true);
  std::vector<SyncPosition> places{{Epoch{1}, Sequence{}, {}, {}}};
  const std::uint64_t all = BaseCheck::kKept + 100;
  for (std::uint64_t i = 1; i <= all; ++i) {
    const Hash256 hash = crypto::sha256(as_bytes(std::to_string(i)));
    bases_.note(places.back(), Sequence{i}, hash, {WriterId{1}, i});
    places.push_back({Epoch{1}, Sequence{i}, hash, {}});
  }
  const auto check_at = [&](std::uint64_t base) { return bases_.check(on(places[base]), places.back(), {}); };
  EXPECT_TRUE(check_at(all - BaseCheck::kKept).ok());
  EXPECT_EQ(check_at(all - BaseCheck::kKept - 1).error().code(), Code::kOffline);
}

}  // namespace
}  // namespace skymoor::client
