// The op log's files: appends, torn tails, damage, segments, syncs.
#include "fuse/journal/log/op_log.h"

#include <fstream>
#include <set>
#include <thread>

#include "journal_support.h"
#include "tests/support/tally.h"

namespace skymoor::client {
namespace {

class OpLogTest : public ::testing::Test {
 protected:
  Result<std::unique_ptr<OpLog>> open(Lsn applied = {}, bool power_lost = false, std::uint64_t transaction = 9) {
    return OpLog::open(*disk_, clock_, {directory_.path(), test_identity().volume, test_identity().writer, segment_bytes_},
                       {applied, applied, transaction, power_lost});
  }
  static Status append(OpLog& log, const std::string& body, std::uint64_t transaction = 0) {
    log.start(FrameKind::kRecord, Lsn{log.last().value + 1}, transaction).raw(as_bytes(body));
    return log.append();
  }
  static std::vector<std::string> bodies(OpLog& log, Lsn from = Lsn{1}) {
    std::vector<std::string> out;
    Status done = log.read(from, [&](const LogFrame& frame) -> Result<bool> {
      out.push_back((frame.kind == FrameKind::kNote ? "note " : "") + std::string(as_text(frame.body)));
      return true;
    });
    EXPECT_TRUE(done.ok()) << done.error().to_string();
    return out;
  }
  std::string last_segment() const {
    std::string last;
    for (const auto& entry : std::filesystem::directory_iterator(directory_.path()))
      last = std::max(last, entry.path().string());
    return last;
  }
  void flip(const std::string& path, std::uint64_t offset) {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekg(static_cast<std::streamoff>(offset));
    char c = static_cast<char>(file.get());
    file.seekp(static_cast<std::streamoff>(offset));
    file.put(static_cast<char>(c ^ 0x40));
  }

  TemporaryDirectory directory_;
  FakeClock clock_;
  std::unique_ptr<Disk> disk_ = std::make_unique<PosixDisk>();
  std::size_t segment_bytes_ = 1u << 20;
  bool full_ = false;
  int writes_ = 0;
};

TEST_F(OpLogTest, WhatIsAppendedIsReadBackAfterReopen) {
  {
    auto log = *open();
    for (int i = 1; i <= 100; ++i) ASSERT_TRUE(append(*log, "record " + std::to_string(i)).ok());
    log->start(FrameKind::kNote, log->last(), 0).raw(as_bytes("aside"));
    ASSERT_TRUE(log->append().ok());
    EXPECT_EQ(bodies(*log).size(), 101u);
  }
  auto log = *open();
  EXPECT_EQ(log->last(), Lsn{100});
  EXPECT_THAT(bodies(*log, Lsn{99}), ::testing::ElementsAre("record 99", "record 100", "note aside"));
  EXPECT_THAT(bodies(*log, Lsn{101}), ::testing::ElementsAre("note aside")) << "notes follow the record before";
}

TEST_F(OpLogTest, TornTailAtEveryByteIsCutOff) {
  {
    auto log = *open();
    for (int i = 1; i <= 3; ++i) ASSERT_TRUE(append(*log, "record number " + std::to_string(i)).ok());
  }
  std::string path = last_segment();
  auto size = std::filesystem::file_size(path);
  std::size_t frame = (size - kSegmentHeaderBytes) / 3;
  for (std::size_t cut = 1; cut <= frame; ++cut) {
    std::filesystem::resize_file(path, size - cut);
    auto log = *open();
    EXPECT_EQ(log->last(), Lsn{2});
    ASSERT_TRUE(append(*log, "record number 3").ok());
    EXPECT_EQ(bodies(*log).size(), 3u);
  }
  skymoor::testing::tally("torn record", frame);
}

TEST_F(OpLogTest, GarbageOrZerosBehindTheEndAreCutOff) {
  for (char fill : {'\0', '\xaa'}) {
    {
      auto log = *open();
      ASSERT_TRUE(append(*log, "good").ok());
    }
    std::ofstream(last_segment(), std::ios::app | std::ios::binary) << std::string(300, fill);
    auto log = *open();
    EXPECT_GE(log->last(), Lsn{1});
    EXPECT_EQ(bodies(*log).back(), "good");
  }
}

TEST_F(OpLogTest, DamageInTheMiddleIsReportedWithFileAndOffset) {
  {
    auto log = *open();
    for (int i = 1; i <= 5; ++i) ASSERT_TRUE(append(*log, "record").ok());
  }
  flip(last_segment(), kSegmentHeaderBytes + 60);
  auto log = open();
  ASSERT_FALSE(log.ok());
  EXPECT_EQ(log.error().code(), Code::kCorrupt);
  EXPECT_THAT(log.error().to_string(), ::testing::HasSubstr("log-0000000000000001"));
  EXPECT_THAT(log.error().to_string(), ::testing::HasSubstr("offset"));
}

// After a power cut pages that were never synced may be lost in any order: that is no damage. What was synced is.
TEST_F(OpLogTest, PowerCutMayTakeUnsyncedRecordsInAnyOrderButNotSyncedOnes) {
  std::uint64_t third = 0;
  {
    auto log = *open();
    for (int i = 1; i <= 2; ++i) ASSERT_TRUE(append(*log, "record").ok());
    third = std::filesystem::file_size(last_segment());
    for (int i = 3; i <= 5; ++i) ASSERT_TRUE(append(*log, "record").ok());
  }
  std::filesystem::copy(last_segment(), directory_.path() + "-copy");
  flip(last_segment(), third + 20);
  {
    auto log = open({}, true);
    ASSERT_TRUE(log.ok()) << log.error().to_string();
    EXPECT_EQ((*log)->last(), Lsn{2});
    for (int i = 3; i <= 5; ++i) ASSERT_TRUE(append(**log, "record").ok());
    ASSERT_TRUE((*log)->sync(Lsn{5}).ok());
    ASSERT_TRUE(append(**log, "knows that 5 was synced").ok());
  }
  flip(last_segment(), third + 20);
  EXPECT_EQ(open({}, true).error().code(), Code::kCorrupt);
  std::filesystem::remove(directory_.path() + "-copy");
}

TEST_F(OpLogTest, RecordsOnTablesThatWereLostAreDropped) {
  {
    auto log = *open();
    ASSERT_TRUE(append(*log, "before", 3).ok());
    ASSERT_TRUE(append(*log, "after", 4).ok());
    ASSERT_TRUE(append(*log, "later", 4).ok());
  }
  EXPECT_EQ(open({}, false, 3).error().code(), Code::kCorrupt) << "without a power cut nothing can be lost";
  auto log = open({}, true, 3);
  ASSERT_TRUE(log.ok()) << log.error().to_string();
  EXPECT_THAT(bodies(**log), ::testing::ElementsAre("before"));
}

TEST_F(OpLogTest, RollsOverAndReadsAcrossSegments) {
  segment_bytes_ = 500;
  auto log = *open();
  for (int i = 1; i <= 50; ++i) ASSERT_TRUE(append(*log, std::string(40, 'x') + std::to_string(i)).ok());
  EXPECT_GT(log->segments(), 4u);
  EXPECT_EQ(bodies(*log).size(), 50u);
  EXPECT_EQ(bodies(*log, Lsn{33}).size(), 18u);
  log.reset();
  log = *open();
  EXPECT_EQ(log->last(), Lsn{50});
  EXPECT_EQ(bodies(*log, Lsn{49}).size(), 2u);
}

TEST_F(OpLogTest, ReleasesWhatNobodyNeedsAndOpensWithoutIt) {
  segment_bytes_ = 500;
  auto log = *open();
  for (int i = 1; i <= 50; ++i) ASSERT_TRUE(append(*log, std::string(40, 'x')).ok());
  ASSERT_TRUE(log->release(Lsn{30}).ok());
  EXPECT_EQ(bodies(*log, Lsn{31}).size(), 20u);
  EXPECT_EQ(log->read(Lsn{1}, [](const LogFrame&) -> Result<bool> { return true; }).error().code(), Code::kNotFound);
  log.reset();
  EXPECT_EQ(open(Lsn{5}).error().code(), Code::kCorrupt) << "record 6 is needed, and gone";
  log = *open(Lsn{30});
  EXPECT_EQ(log->last(), Lsn{50});
}

TEST_F(OpLogTest, MissingSegmentInTheMiddleIsReported) {
  segment_bytes_ = 500;
  {
    auto log = *open();
    for (int i = 1; i <= 50; ++i) ASSERT_TRUE(append(*log, std::string(40, 'x')).ok());
  }
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(directory_.path())) names.push_back(entry.path());
  std::sort(names.begin(), names.end());
  std::filesystem::remove(names[2]);
  auto log = open();
  EXPECT_EQ(log.error().code(), Code::kCorrupt);
  EXPECT_THAT(log.error().to_string(), ::testing::HasSubstr("missing"));
}

TEST_F(OpLogTest, SegmentOfAnotherWriterIsRefused) {
  { auto log = *open(); }
  auto log = OpLog::open(*disk_, clock_, {directory_.path(), test_identity().volume, WriterId{8}, segment_bytes_}, {});
  EXPECT_EQ(log.error().code(), Code::kUnknownServer);
}

TEST_F(OpLogTest, NewestSegmentWithoutAHeaderIsDropped) {
  segment_bytes_ = 500;
  Lsn last;
  {
    auto log = *open();
    for (int i = 1; i <= 20; ++i) ASSERT_TRUE(append(*log, std::string(40, 'x')).ok());
    last = log->last();
  }
  std::ofstream(directory_.file(segment_name(Lsn{last.value + 1}))) << "SKY";
  auto log = *open();
  EXPECT_EQ(log->last(), last);
}

TEST_F(OpLogTest, FailedAppendLeavesNothingBehind) {
  int countdown = -1;
  bool half = false;
  disk_ = std::make_unique<PosixDisk>([&](const FaultPoint& point) {
    if (point.name != "file.write" || countdown < 0 || countdown-- > 0) return 0;
    if (half) std::ofstream(last_segment(), std::ios::app | std::ios::binary) << std::string(30, 'h');
    return ENOSPC;
  });
  auto log = *open();
  ASSERT_TRUE(append(*log, "one").ok());
  for (bool torn : {false, true}) {
    half = torn;
    countdown = 0;
    Status failed = append(*log, "long body that fails");
    EXPECT_EQ(failed.error().code(), Code::kNoSpace);
  }
  ASSERT_TRUE(append(*log, "2").ok());
  EXPECT_THAT(bodies(*log), ::testing::ElementsAre("one", "2"));
  log.reset();
  EXPECT_EQ(bodies(**open()).size(), 2u);
}

TEST_F(OpLogTest, FailedSyncIsSticky) {
  bool fail = false;
  disk_ = std::make_unique<PosixDisk>([&](const FaultPoint& point) { return fail && point.name == "file.sync" ? EIO : 0; });
  auto log = *open();
  ASSERT_TRUE(append(*log, "one").ok());
  fail = true;
  EXPECT_EQ(log->sync(Lsn{1}).error().code(), Code::kIo);
  fail = false;
  EXPECT_FALSE(log->sync(Lsn{1}).ok()) << "the kernel may have dropped the pages";
}

TEST_F(OpLogTest, FailedAppendThatCannotBeUndoneClosesTheLog) {
  bool fail = false;
  disk_ = std::make_unique<PosixDisk>([&](const FaultPoint& point) {
    return fail && (point.name == "file.write" || point.name == "file.truncate") ? EIO : 0;
  });
  auto log = *open();
  ASSERT_TRUE(append(*log, "one").ok());
  fail = true;
  EXPECT_FALSE(append(*log, "two").ok());
  fail = false;
  EXPECT_FALSE(append(*log, "three").ok()) << "part of 'two' may stand where it would go";
  EXPECT_THAT(bodies(*log), ::testing::ElementsAre("one"));
}

TEST_F(OpLogTest, ANoteThatMattersIsSyncedThoughItsRecordIs) {
  int syncs = 0;
  disk_ = std::make_unique<PosixDisk>([&](const FaultPoint& point) {
    syncs += point.name == "file.sync";
    return 0;
  });
  auto log = *open();
  ASSERT_TRUE(append(*log, "one").ok());
  ASSERT_TRUE(log->sync(Lsn{1}).ok());
  log->start(FrameKind::kNote, Lsn{1}, 0).raw(as_bytes("aside"));
  ASSERT_TRUE(log->append().ok());
  syncs = 0;
  ASSERT_TRUE(log->sync(Lsn{1}).ok());
  EXPECT_EQ(syncs, 0);
  log->require_sync();
  ASSERT_TRUE(log->sync(Lsn{1}).ok());
  ASSERT_TRUE(log->sync(Lsn{1}).ok());
  EXPECT_EQ(syncs, 1);
}

// A sync that makes the file longer waits for the filesystem's own journal: where syncs are small there is room already.
TEST_F(OpLogTest, SmallSyncsFindRoomThatIsReady) {
  auto log = *open();
  const std::string path = last_segment();
  std::set<std::uintmax_t> sizes;
  for (int i = 1; i <= 200; ++i) {
    ASSERT_TRUE(append(*log, std::string(600, 'x')).ok());
    ASSERT_TRUE(log->sync(log->last()).ok());
    sizes.insert(std::filesystem::file_size(path));
  }
  EXPECT_LE(sizes.size(), 6u) << "200 records of 600 bytes";
  // Much between two syncs would be written twice.
  for (int i = 0; i < 1000; ++i) ASSERT_TRUE(append(*log, std::string(600, 'y')).ok());
  ASSERT_TRUE(log->sync(log->last()).ok());
  const auto large = std::filesystem::file_size(path);
  ASSERT_TRUE(append(*log, "z").ok());
  EXPECT_LT(std::filesystem::file_size(path) - large, 100u);
  log.reset();
  log = *open(Lsn{100});
  EXPECT_EQ(log->last(), Lsn{1201});
  EXPECT_EQ(bodies(*log).size(), 1201u);
}

TEST_F(OpLogTest, ReadyRoomIsNoTornTailAndIsWrittenOverAgain) {
  for (bool power_lost : {false, true}) {
    Lsn last;
    {
      auto log = *open({}, power_lost);
      for (int i = 1; i <= 3; ++i) {
        ASSERT_TRUE(append(*log, "one").ok());
        ASSERT_TRUE(log->sync(log->last()).ok());
      }
      last = log->last();
    }
    const auto size = std::filesystem::file_size(last_segment());
    ASSERT_GT(size, 60'000u);
    auto log = *open({}, power_lost);
    EXPECT_EQ(log->last(), last);
    EXPECT_EQ(std::filesystem::file_size(last_segment()), size) << "nothing was cut off";
    ASSERT_TRUE(append(*log, "two").ok());
    EXPECT_EQ(std::filesystem::file_size(last_segment()), size);
    EXPECT_EQ(bodies(*log).back(), "two");
  }
}

TEST_F(OpLogTest, ATornRecordInReadyRoomIsCutOff) {
  {
    auto log = *open();
    for (int i = 1; i <= 3; ++i) {
      ASSERT_TRUE(append(*log, "record number " + std::to_string(i)).ok());
      ASSERT_TRUE(log->sync(log->last()).ok());
    }
  }
  std::fstream file(last_segment(), std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(kSegmentHeaderBytes);
  const std::string all((std::istreambuf_iterator<char>(std::ifstream(last_segment()).rdbuf())), {});
  const std::size_t third = all.rfind("record number 3");
  ASSERT_NE(third, all.npos);
  file.seekp(static_cast<std::streamoff>(third + 4));
  file << std::string(11, '\0');   // the rest never came
  file.close();
  auto log = *open();
  EXPECT_EQ(log->last(), Lsn{2});
  ASSERT_TRUE(append(*log, "another").ok());
  EXPECT_THAT(bodies(*log), ::testing::ElementsAre("record number 1", "record number 2", "another"));
}

TEST_F(OpLogTest, AFullSegmentEndsWithItsLastRecord) {
  segment_bytes_ = 100'000;
  {
    auto log = *open();
    for (int i = 1; i <= 300; ++i) {
      ASSERT_TRUE(append(*log, std::string(1000, 'x')).ok());
      ASSERT_TRUE(log->sync(log->last()).ok());
    }
    EXPECT_GT(log->segments(), 2u);
  }
  auto log = *open();
  EXPECT_EQ(bodies(*log).size(), 300u);
}

TEST_F(OpLogTest, WithoutSpaceForReadyRoomRecordsAreStillWritten) {
  disk_ = std::make_unique<PosixDisk>([&](const FaultPoint& point) {
    return point.name == "file.write" && full_ && writes_++ % 2 == 1 ? ENOSPC : 0;
  });
  auto log = *open();
  for (int i = 1; i <= 2; ++i) {
    ASSERT_TRUE(append(*log, "record").ok());
    ASSERT_TRUE(log->sync(log->last()).ok());
  }
  full_ = true;
  ASSERT_TRUE(append(*log, "record").ok());
  full_ = false;
  EXPECT_EQ(bodies(*log).size(), 3u);
  EXPECT_TRUE(log->sync(log->last()).ok());
}

TEST_F(OpLogTest, ConcurrentSyncersShareSyncs) {
  std::atomic<int> syncs{0};
  disk_ = std::make_unique<PosixDisk>([&](const FaultPoint& point) {
    if (point.name == "file.sync") {
      ++syncs;
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    return 0;
  });
  auto log = *open();
  int before = syncs;
  std::mutex appender;
  std::vector<std::jthread> threads;
  for (int t = 0; t < 8; ++t)
    threads.emplace_back([&] {
      for (int i = 0; i < 10; ++i) {
        Lsn lsn;
        {
          std::lock_guard guard(appender);
          ASSERT_TRUE(append(*log, "x").ok());
          lsn = log->last();
        }
        ASSERT_TRUE(log->sync(lsn).ok());
        EXPECT_GE(log->synced(), lsn);
      }
    });
  threads.clear();
  EXPECT_LT(syncs - before, 60) << "80 syncs were asked for";
}

TEST_F(OpLogTest, DependenciesAreSyncedFirst) {
  std::vector<std::string> order;
  disk_ = std::make_unique<PosixDisk>([&](const FaultPoint& point) {
    if (point.name == "file.sync") order.push_back("log");
    return 0;
  });
  auto log = *open();
  log->set_dependencies([&]() -> Status {
    order.push_back("tables");
    return {};
  });
  ASSERT_TRUE(append(*log, "x").ok());
  order.clear();
  ASSERT_TRUE(log->sync(log->last()).ok());
  EXPECT_THAT(order, ::testing::ElementsAre("tables", "log"));
}

}  // namespace
}  // namespace skymoor::client
