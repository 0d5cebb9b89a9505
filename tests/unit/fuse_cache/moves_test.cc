// Moves that a disk refuses: nobody gets at bytes by a name that means others, and nothing is lost.
#include "tests/unit/fuse_cache/cache_fixture.h"

namespace skymoor::client {
namespace {

constexpr InodeId kA{0x1000001}, kB{0x1000002}, kC{0x1000003};

class MovesTest : public CacheTest {
 protected:
  void refuse(std::string_view step) {
    hook = [step](const FaultPoint& point) { return point.name == step ? EIO : 0; };
  }
  void expect_kept_from_all(InodeId inode) {
    EXPECT_EQ(store->open_file(inode, true).error().code(), Code::kIo);
    EXPECT_EQ(store->make_dirty(inode).error().code(), Code::kIo);
    EXPECT_EQ(store->make_clean(inode).error().code(), Code::kIo);
    EXPECT_EQ(store->sync(inode).error().code(), Code::kIo);
  }
};

TEST_F(MovesTest, AFailedMoveKeepsBothNamesFromOthersUntilItIsMade) {
  fill(kA, 10, 1);
  fill(kB, 10, 2);
  auto file = store->open_file(kA, false).value();
  const auto identity = store->identity(kA).value();
  ASSERT_NE(identity, store->identity(kB).value());
  refuse("disk.rename");
  EXPECT_EQ(store->move(kA, kB).error().code(), Code::kIo);
  expect_kept_from_all(kA);
  expect_kept_from_all(kB);
  EXPECT_TRUE(file->serves(kB));   // who has it open goes on
  EXPECT_EQ(store->move_again(kA, kB).error().code(), Code::kIo);
  hook = nullptr;
  ASSERT_TRUE(file->file().write_at(0, Bytes(5, 9)).ok());
  ASSERT_TRUE(store->move_again(kA, kB).ok());
  EXPECT_EQ(store->identity(kB).value(), identity);
  EXPECT_EQ(store->identity(kA).value(), 0u);
  EXPECT_EQ(store->open_file(kB, false).value().get(), file.get());
  EXPECT_EQ(content(kB), Bytes({9, 9, 9, 9, 9, 1, 1, 1, 1, 1}));
  EXPECT_EQ(files_in("data"), 1u);
  fill(kA, 3, 3);                  // the name is free again, and no second move takes what is there now
  ASSERT_TRUE(store->move_again(kA, kB).ok());
  EXPECT_EQ(content(kA), Bytes(3, 3));
}

/// The place that another content was to free is taken until it has.
TEST_F(MovesTest, WhatFollowsAFailedMoveWaitsForIt) {
  fill(kA, 10, 1);
  fill(kC, 10, 3);
  refuse("disk.rename");
  EXPECT_FALSE(store->move(kA, kB).ok());
  hook = nullptr;
  EXPECT_FALSE(store->move(kC, kA).ok());
  EXPECT_FALSE(store->move_again(kC, kA).ok());
  for (InodeId inode : {kA, kB, kC}) expect_kept_from_all(inode);
  ASSERT_TRUE(store->move_again(kA, kB).ok());
  ASSERT_TRUE(store->move_again(kC, kA).ok());
  EXPECT_EQ(content(kB), Bytes(10, 1));
  EXPECT_EQ(content(kA), Bytes(10, 3));
  EXPECT_FALSE(store->exists(kC));
}

TEST_F(MovesTest, ARemovalOfWhatWasToComeTakesItsBytesAndNothingElse) {
  fill(kA, 10, 1);
  fill(kC, 10, 3);
  refuse("disk.rename");
  EXPECT_FALSE(store->move(kA, kB).ok());
  hook = nullptr;
  EXPECT_FALSE(store->move(kC, kA).ok());
  ASSERT_TRUE(store->remove(kA).ok());    // what was C's
  EXPECT_FALSE(store->exists(kC));
  ASSERT_TRUE(store->move_again(kA, kB).ok());
  EXPECT_EQ(content(kB), Bytes(10, 1));
  refuse("disk.rename");
  EXPECT_FALSE(store->move(kB, kA).ok());
  hook = nullptr;
  ASSERT_TRUE(store->remove(kB).ok());    // by now a number without a file
  ASSERT_TRUE(store->move_again(kB, kA).ok());
  EXPECT_EQ(content(kA), Bytes(10, 1));
}

TEST_F(MovesTest, NothingThatWaitsForItsMoveIsEvicted) {
  fill_clean(kA, 4096, 1);
  refuse("disk.rename");
  EXPECT_FALSE(store->move(kA, kB).ok());
  hook = nullptr;
  ListJudge judge;
  EXPECT_EQ(store->evict(judge, 0).value(), 0u);
  ASSERT_TRUE(store->move_again(kA, kB).ok());
  EXPECT_EQ(content(kB), Bytes(4096, 1));
}

/// Full disks refuse notes rather than renames.
TEST_F(MovesTest, WhatIsNotedOfAFileFollowsItOnceThereIsRoom) {
  fill(kA, 10, 1);
  ASSERT_TRUE(store->set_unseen(kA, true).ok());
  ASSERT_TRUE(store->set_vouching(kA, true).ok());
  for (const char* step : {"file.write", "file.sync"}) {
    refuse(step);
    EXPECT_FALSE(store->move(kA, kB).ok());
    hook = nullptr;
    ASSERT_TRUE(store->move_again(kA, kB).ok());
    EXPECT_TRUE(store->unseen(kB) && store->vouching(kB));
    EXPECT_FALSE(store->unseen(kA) || store->vouching(kA));
    EXPECT_EQ(content(kB), Bytes(10, 1));
    ASSERT_TRUE(store->move(kB, kA).ok());
  }
}

}  // namespace
}  // namespace skymoor::client
