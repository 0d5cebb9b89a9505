// Durability of writes: shared syncs, failed syncs, full disks.
#include <thread>

#include "tests/unit/server_block_store/store_fixture.h"

namespace skymoor::server {
namespace {

using Commit = SegmentStoreTest;

TEST_F(Commit, ManySmallBlocksInOnePutShareOneSync) {
  open();
  std::vector<TestBlock> blocks;
  std::vector<NewBlock> fresh;
  for (std::uint64_t i = 0; i < 2000; ++i) blocks.push_back(make_block(200, i));
  for (const TestBlock& b : blocks) fresh.push_back(b.as_new());
  ASSERT_TRUE(put(make_block(1, 0)).ok());  // creates the segment
  const int before = faults_.count("file.sync");
  ASSERT_TRUE(store_->put(volume_, fresh).ok());
  EXPECT_EQ(faults_.count("file.sync") - before, 1);
}

TEST_F(Commit, ConcurrentPutsShareSyncs) {
  // A sync of 2 ms: while one runs, all other threads gather for the next.
  PosixDisk slow([this](const FaultPoint& p) {
    if (p.name == "file.sync") std::this_thread::sleep_for(std::chrono::milliseconds(2));
    return faults_.hook()(p);
  });
  auto store = SegmentBlockStore::open(slow, random_, options_);
  ASSERT_TRUE(store.ok());
  constexpr int kThreads = 16, kEach = 40;
  std::vector<std::jthread> threads;
  std::atomic<int> failed = 0;
  for (int t = 0; t < kThreads; ++t)
    threads.emplace_back([&, t] {
      for (int i = 0; i < kEach; ++i) {
        TestBlock b = make_block(100, static_cast<std::uint64_t>(t * 1000 + i));
        NewBlock fresh = b.as_new();
        failed += !(*store)->put(volume_, {&fresh, 1}).ok();
        auto bytes = (*store)->get(volume_, b.id);
        failed += !bytes.ok() || *bytes != b.bytes;
      }
    });
  threads.clear();
  EXPECT_EQ(failed, 0);
  EXPECT_EQ((*store)->stats().blocks, static_cast<std::uint64_t>(kThreads * kEach));
  EXPECT_LT(faults_.count("file.sync"), kThreads * kEach / 4);
}

TEST_F(Commit, NothingIsVisibleBeforeItsSync) {
  open();
  ASSERT_TRUE(put(make_block(10, 1)).ok());
  TestBlock b = make_block(10, 2);
  bool seen = true;
  faults_.set([&](const FaultPoint& p) {
    if (p.name == "file.sync") seen = has(b);
    return 0;
  });
  ASSERT_TRUE(put(b).ok());
  EXPECT_FALSE(seen);
  faults_.clear();
  EXPECT_TRUE(has(b));
}

TEST_F(Commit, AFailedSyncIsAnErrorAndStaysOne) {
  open();
  TestBlock before = make_block(500, 1), lost = make_block(500, 2), after = make_block(500, 3);
  ASSERT_TRUE(put(before).ok());
  faults_.fail("file.sync", EIO);
  EXPECT_EQ(put(lost).error().code(), Code::kIo);
  faults_.clear();
  EXPECT_FALSE(has(lost));
  EXPECT_TRUE(reads(before));

  // Putting again writes again, to another segment: the first copy is never believed.
  const auto old_size = std::filesystem::file_size(segment(1));
  ASSERT_TRUE(put(lost).ok());
  ASSERT_TRUE(put(after).ok());
  EXPECT_EQ(std::filesystem::file_size(segment(1)), old_size);
  EXPECT_TRUE(std::filesystem::exists(segment(2)));
  open();
  EXPECT_TRUE(reads(before));
  EXPECT_TRUE(reads(lost));
  EXPECT_TRUE(reads(after));
}

TEST_F(Commit, WhatAFailedSyncLeftBehindDoesNotComeBack) {
  open();
  TestBlock before = make_block(500, 1), lost = make_block(500, 2);
  ASSERT_TRUE(put(before).ok());
  // The cut fails too: only the hint says where the segment ends.
  faults_.set([](const FaultPoint& p) {
    return (p.name == "file.truncate" || p.name == "file.sync") && p.detail.ends_with(".segment") ? EIO : 0;
  });
  EXPECT_FALSE(put(lost).ok());
  faults_.clear();
  ASSERT_GT(std::filesystem::file_size(segment(1)), 1000u);
  open();
  EXPECT_TRUE(reads(before));
  EXPECT_FALSE(has(lost));
  EXPECT_EQ(get_error(lost), Code::kNotFound);
}

TEST_F(Commit, AFailedSyncFailsAllThatSharedItAndNoOther) {
  open();
  ASSERT_TRUE(put(make_block(10, 0)).ok());
  std::atomic<int> syncs = 0;
  faults_.set([&](const FaultPoint& p) {
    if (p.name != "file.sync" || !p.detail.ends_with("1.segment")) return 0;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    return ++syncs % 3 == 2 ? EIO : 0;
  });
  std::mutex mutex;
  std::vector<std::pair<TestBlock, bool>> outcome;
  std::vector<std::jthread> threads;
  for (int t = 0; t < 8; ++t)
    threads.emplace_back([&, t] {
      for (int i = 0; i < 10; ++i) {
        TestBlock b = make_block(100, static_cast<std::uint64_t>(100 + t * 100 + i));
        bool ok = put(b).ok();
        std::lock_guard lock(mutex);
        outcome.emplace_back(std::move(b), ok);
      }
    });
  threads.clear();
  faults_.clear();
  open();
  int failed = 0;
  for (const auto& [b, ok] : outcome) {
    failed += !ok;
    EXPECT_EQ(has(b), ok);
    if (ok) {
      EXPECT_TRUE(reads(b));
    }
  }
  EXPECT_GT(failed, 0);
  EXPECT_LT(failed, 80);
}

TEST_F(Commit, AFullDiskIsNoSpaceAndTheStoreStaysUsable) {
  open();
  TestBlock before = make_block(5000, 1), refused = make_block(5000, 2);
  ASSERT_TRUE(put(before).ok());
  faults_.fail("file.write", ENOSPC);
  EXPECT_EQ(put(refused).error().code(), Code::kNoSpace);
  EXPECT_TRUE(reads(before));
  EXPECT_FALSE(has(refused));
  faults_.clear();
  ASSERT_TRUE(put(refused).ok());
  open();
  EXPECT_TRUE(reads(before));
  EXPECT_TRUE(reads(refused));
  EXPECT_FALSE(std::filesystem::exists(segment(2)));  // a failed write alone does not cost a segment
}

TEST_F(Commit, AFullDiskAtTheFirstWriteLeavesNoFile) {
  open();
  for (const char* step : {"disk.open", "file.write", "file.sync", "disk.sync_directory"}) {
    faults_.fail(step, ENOSPC);
    EXPECT_EQ(put(make_block(10, 1)).error().code(), Code::kNoSpace) << step;
    faults_.clear();
    for (const auto& entry : std::filesystem::directory_iterator(directory_))
      EXPECT_EQ(entry.path().filename(), "lock") << step;
  }
  EXPECT_TRUE(put(make_block(10, 1)).ok());
}

TEST_F(Commit, TheReserveIsForRemovals) {
  open();
  TestBlock b = make_block(100, 1);
  ASSERT_TRUE(put(b).ok());
  options_.reserve_bytes = 1ull << 60;  // more than any disk has free
  open();
  EXPECT_EQ(put(make_block(100, 2)).error().code(), Code::kNoSpace);
  EXPECT_TRUE(reads(b));
  EXPECT_EQ(remove(b), 1u);
}

TEST_F(Commit, FullSegmentsAreClosedAndAllStaysReadable) {
  options_.segment_bytes = 2 << 20;
  open();
  std::vector<TestBlock> blocks;
  for (std::uint64_t i = 0; i < 20; ++i) blocks.push_back(make_block(700'000, i));
  for (const TestBlock& b : blocks) ASSERT_TRUE(put(b).ok());
  EXPECT_EQ(store_->stats().segments, 10u);
  EXPECT_TRUE(std::filesystem::exists(hint(1)));
  for (const TestBlock& b : blocks) EXPECT_TRUE(reads(b));
  open();
  for (const TestBlock& b : blocks) EXPECT_TRUE(reads(b));
}

TEST_F(Commit, TheFailureOfAnyStepLeavesAcknowledgedBlocksIntact) {
  // Every disk step in turn fails once while segments fill, roll and are compacted.
  options_.segment_bytes = 4000;
  int fired = 0;
  for (int nth = 1; nth < 60; ++nth) {
    std::filesystem::remove_all(directory_);
    open();
    std::shared_ptr<int> step = std::make_shared<int>(0);
    faults_.set([step, nth](const FaultPoint& p) { return p.name != "file.read" && ++*step == nth ? EIO : 0; });
    std::map<BlockId, TestBlock> kept;
    for (std::uint64_t i = 0; i < 12; ++i) {
      TestBlock b = make_block(900, i);
      if (put(b).ok()) kept.emplace(b.id, b);
      if (i % 4 == 3 && !kept.empty()) {
        TestBlock gone = kept.begin()->second;
        if (store_->remove(volume_, {&gone.id, 1}).ok()) kept.erase(gone.id);
      }
    }
    for (int i = 0; i < 10; ++i) (void)store_->maintain();
    faults_.clear();
    fired += *step >= nth;
    for (const auto& [id, b] : kept) EXPECT_TRUE(reads(b)) << nth;
    open();
    for (const auto& [id, b] : kept) EXPECT_TRUE(reads(b)) << nth;
  }
  EXPECT_EQ(fired, 59);
}

TEST_F(Commit, OneDirectoryHasOneStore) {
  open();
  EXPECT_EQ(SegmentBlockStore::open(disk_, random_, options_).error().code(), Code::kBusy);
}

}  // namespace
}  // namespace skymoor::server
