// Moves that a disk refuses: the file is its new owner's all the same, nobody else gets at it, and nothing is lost.
#include "tests/unit/fuse_cache/cache_fixture.h"

namespace skymoor::client {
namespace {

constexpr InodeId kA{0x1000001}, kB{0x1000002}, kC{0x1000003};

class MovesTest : public CacheTest {
 protected:
  void refuse(std::string_view step) {
    hook = [step](const FaultPoint& point) { return point.name == step ? EIO : 0; };
  }
  /// Which `step` then does not let happen.
  void move_badly(InodeId from, InodeId to, std::string_view step = "disk.rename") {
    refuse(step);
    EXPECT_EQ(store->move(from, to).error().code(), Code::kIo);
    EXPECT_EQ(store->finish_move(to).error().code(), Code::kIo);
    hook = nullptr;
  }
  void expect_no_place_for(InodeId inode) {
    EXPECT_FALSE(store->exists(inode));
    EXPECT_EQ(store->open_file(inode, true).error().code(), Code::kIo);
    EXPECT_EQ(store->make_dirty(inode).error().code(), Code::kIo);
    EXPECT_EQ(store->set_unseen(inode, true).error().code(), Code::kIo);
    EXPECT_TRUE(store->remove(inode).ok() && store->sync(inode).ok() && store->make_clean(inode).ok());
  }
};

TEST_F(MovesTest, AFileThatCannotBeRenamedHasGoneOverAllTheSame) {
  fill(kA, 10, 1);
  fill(kB, 10, 2);
  auto file = store->open_file(kA, false).value(), before = store->open_file(kB, false).value();
  const auto identity = store->identity(kA).value();
  ASSERT_NE(identity, store->identity(kB).value());
  move_badly(kA, kB);
  EXPECT_TRUE(file->serves(kB));
  EXPECT_FALSE(before->serves(kB));
  EXPECT_EQ(store->open_file(kB, false).value().get(), file.get());
  EXPECT_EQ(store->identity(kB).value(), identity);
  expect_no_place_for(kA);
  ASSERT_TRUE(file->file().write_at(0, Bytes(5, 9)).ok());
  ASSERT_TRUE(store->sync(kB).ok() && store->make_clean(kB).ok() && store->make_dirty(kB).ok());
  file.reset();
  EXPECT_EQ(content(kB), Bytes({9, 9, 9, 9, 9, 1, 1, 1, 1, 1}));
  ASSERT_TRUE(store->finish_move(kB).ok());
  EXPECT_EQ(store->identity(kB).value(), identity);
  EXPECT_EQ(content(kB), Bytes({9, 9, 9, 9, 9, 1, 1, 1, 1, 1}));
  EXPECT_EQ(files_in("data"), 1u);
  fill(kA, 3, 3);
  ASSERT_TRUE(store->finish_move(kB).ok());
  EXPECT_EQ(content(kA), Bytes(3, 3));
  reopen();
  EXPECT_EQ(content(kA), Bytes(3, 3));
  EXPECT_EQ(store->identity(kB).value(), identity);
}

/// The name that another file was to leave is taken until it has.
TEST_F(MovesTest, WhatFollowsAFailedMoveWaitsForIt) {
  fill(kA, 10, 1);
  fill(kC, 10, 3);
  move_badly(kA, kB);
  EXPECT_FALSE(store->move(kC, kA).ok());
  EXPECT_FALSE(store->finish_move(kA).ok());
  EXPECT_EQ(content(kA), Bytes(10, 3));
  EXPECT_EQ(content(kB), Bytes(10, 1));
  expect_no_place_for(kC);
  ASSERT_TRUE(store->finish_move(kB).ok());
  ASSERT_TRUE(store->finish_move(kA).ok());
  reopen();
  EXPECT_EQ(content(kB), Bytes(10, 1));
  EXPECT_EQ(content(kA), Bytes(10, 3));
  EXPECT_FALSE(store->exists(kC));
}

TEST_F(MovesTest, ARemovalTakesTheFileFromWhereItLiesAndNoOther) {
  fill(kA, 10, 1);
  fill(kC, 10, 3);
  move_badly(kA, kB);
  EXPECT_FALSE(store->move(kC, kA).ok());
  ASSERT_TRUE(store->remove(kA).ok());    // what was C's
  EXPECT_FALSE(store->exists(kA) || store->exists(kC));
  EXPECT_EQ(files_in("data"), 1u);
  ASSERT_TRUE(store->finish_move(kB).ok());
  EXPECT_EQ(content(kB), Bytes(10, 1));
  fill(kA, 10, 2);
  move_badly(kB, kA, "disk.unlink");      // what stands there does not go
  ASSERT_TRUE(store->remove(kA).ok());
  EXPECT_EQ(files_in("data"), 0u);
  fill(kB, 4, 4);                         // the name is free again
}

TEST_F(MovesTest, NothingThatWaitsForItsNameIsEvictedOrSwept) {
  fill_clean(kA, 4096, 1);
  move_badly(kA, kB);
  ListJudge judge;
  EXPECT_EQ(store->evict(judge, 0).value(), 0u);
  ASSERT_TRUE(store->sweep([](InodeId inode) { return inode == kB; }).ok());
  EXPECT_EQ(content(kB), Bytes(4096, 1));
  ASSERT_TRUE(store->finish_move(kB).ok());
  EXPECT_EQ(content(kB), Bytes(4096, 1));
}

/// Full disks refuse notes rather than renames.
TEST_F(MovesTest, WhatIsNotedOfAFileFollowsIt) {
  fill(kA, 10, 1);
  ASSERT_TRUE(store->set_unseen(kA, true).ok());
  ASSERT_TRUE(store->set_vouching(kA, true).ok());
  for (const char* step : {"file.write", "file.sync"}) {
    move_badly(kA, kB, step);
    EXPECT_TRUE(store->unseen(kB) && store->vouching(kB));
    EXPECT_FALSE(store->unseen(kA) || store->vouching(kA));
    ASSERT_TRUE(store->finish_move(kB).ok());
    EXPECT_TRUE(store->unseen(kB) && store->vouching(kB));
    EXPECT_FALSE(store->unseen(kA) || store->vouching(kA));
    ASSERT_TRUE(store->move(kB, kA).ok());
  }
  move_badly(kA, kB);
  ASSERT_TRUE(store->set_unseen(kB, false).ok() && store->set_vouching(kB, false).ok());
  ASSERT_TRUE(store->finish_move(kB).ok());
  EXPECT_FALSE(store->unseen(kB) || store->vouching(kB));
  reopen();
  EXPECT_TRUE(store->unseen_inodes().empty() && store->vouching_inodes().empty());
}

/// The rename was made, but that the old name means nothing any more could not be noted.
TEST_F(MovesTest, ANewFileUnderTheOldNameInheritsNoNote) {
  fill(kA, 10, 1);
  ASSERT_TRUE(store->set_vouching(kA, true).ok());
  bool renamed = false;
  hook = [&](const FaultPoint& point) {
    renamed |= point.name == "disk.rename";
    return renamed && point.name == "file.sync" ? EIO : 0;
  };
  ASSERT_TRUE(store->move(kA, kB).ok());
  EXPECT_FALSE(store->open_file(kA, true).ok());
  hook = nullptr;
  fill(kA, 3, 3);
  EXPECT_FALSE(store->vouching(kA));
  EXPECT_TRUE(store->vouching(kB));
}

}  // namespace
}  // namespace skymoor::client
