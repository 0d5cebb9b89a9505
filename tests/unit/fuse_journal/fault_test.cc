// Every write, sync, truncate, open and rename of a scripted workload, SQLite's own too, made to fail, one at a time:
// afterwards the state is the one with or without exactly the operation that failed, live and after opening again.
#include <cerrno>

#include "journal_support.h"
#include "tests/support/sqlite_on_disk.h"
#include "tests/support/tally.h"

namespace skymoor::client {
namespace {

/// Fails the Nth step (from 0) whose name it is told to watch.
class Injector {
 public:
  FaultHook hook() {
    return [this](const FaultPoint& point) {
      if (!armed_ || point.name == "file.read") return 0;
      if (count_++ != target_) return 0;
      fired = std::string(point.name) + " " + std::string(point.detail);
      return error_;
    };
  }
  void arm(std::uint64_t target, int error) {
    armed_ = true;
    count_ = 0;
    target_ = target;
    error_ = error;
    fired.clear();
  }
  void disarm() { armed_ = false; }
  std::string fired;

 private:
  bool armed_ = false;
  std::uint64_t count_ = 0, target_ = 0;
  int error_ = EIO;
};

struct Workload {
  explicit Workload(int segment_bytes) {
    options = quiet_options(directory.path());
    options.segment_bytes = static_cast<std::size_t>(segment_bytes);
    options.max_unchecked_records = 9;
  }
  Status open(Disk& with) {
    store = TRY(MetadataStore::open(with, clock, options, test_identity(), nullptr));
    tree.use(*store);
    return {};
  }
  Status prepare() {
    TRY(open(disk));
    TRY(tree.make_root());
    TRY(store->merge_listing(kRootInode, Sequence{0}, {.inode = Reference().inodes.at(kRootInode).row}, {}, true));
    return {};
  }
  /// Steps; after each failed one the caller looks at what became of it.
  Status step(int i) {
    // After a failure the script goes on without what is missing.
    auto there = [&](InodeId in, const char* name) { return tree.reference.dentries.count({in, name}) > 0; };
    if ((i == 6 && !there(dir, "a")) || (i == 11 && !there(dir, "c")) || (i == 15 && !there(kRootInode, "b"))) return {};
    switch (i) {
      case 0: return made(tree.create(kRootInode, "dir", FileType::kDirectory), dir);
      case 1: return made(tree.create(dir, "a"), a);
      case 2: return tree.write(a, {0, 1000});
      case 3: return store->sync(store->last_lsn());
      case 4: return tree.set_xattr(a, "user.x", "1");
      case 5: return store->checkpoint();
      case 6: return tree.rename(dir, "a", kRootInode, "b");
      case 7: return made(tree.create(dir, "c"), c);
      case 8: return tree.link(c, kRootInode, "d");
      case 9: return tree.chmod(a, 0600);
      case 10: return tree.truncate(a, 10);
      case 11: return tree.unlink(dir, "c");
      case 12: return tree.chmod(a, 0640);
      case 13: return store->checkpoint();
      case 14: return tree.remove_xattr(a, "user.x");
      case 15: return tree.unlink(kRootInode, "b");
      case 16: return store->sync(store->last_lsn());
      default: return {};
    }
  }
  static constexpr int kSteps = 17;

  static Status made(Result<InodeId> id, InodeId& into) {
    if (!id.ok()) return std::move(id).error();
    into = *id;
    return {};
  }

  TemporaryDirectory directory;
  Injector injector;
  PosixDisk disk{injector.hook()};
  skymoor::testing::SqliteOnDisk database{disk, directory.path()};
  FakeClock clock;
  MetadataStore::Options options;
  std::unique_ptr<MetadataStore> store;
  Tree tree;
  InodeId dir, a, c;
};

bool is_operation(int step) { return step != 3 && step != 5 && step != 13 && step != 16; }

// What came back is the reference, or the reference with the failed operation.
void expect_one_of(MetadataStore& store, const Tree& tree, bool failed_operation, const std::string& when) {
  std::string found = dump(store), without = tree.reference.dump();
  if (failed_operation && found == tree.after_failure.dump()) return;
  EXPECT_EQ(found, without) << when;
}

class FaultSweep : public ::testing::TestWithParam<int> {};

TEST_P(FaultSweep, LeavesTheStateWithOrWithoutTheFailedOperation) {
  int error = GetParam(), faults = 0;
  for (int segment_bytes : {700, 1 << 20}) {
    for (std::uint64_t n = 0;; ++n) {
      Workload work(segment_bytes);
      ASSERT_TRUE(work.prepare().ok());
      work.injector.arm(n, error);
      int step = 0;
      Status done;
      for (; step < Workload::kSteps && done.ok(); ++step) done = work.step(step);
      std::string fired = work.injector.fired;
      work.injector.disarm();
      if (fired.empty()) break;
      ++faults;
      std::string when = "fault " + std::to_string(n) + " (" + fired + ") at step " + std::to_string(step - 1);
      // Housekeeping after a checkpoint may swallow a failure; an operation may not.
      bool failed_operation = !done.ok() && is_operation(step - 1);
      // A failed operation has changed nothing that is seen; it is not there after a kill either.
      EXPECT_EQ(dump(*work.store), work.tree.reference.dump()) << when;
      TemporaryDirectory copy;
      copy_files(work.options.directory, copy.path());
      auto options = work.options;
      options.directory = copy.path();
      PosixDisk sound;
      auto again = MetadataStore::open(sound, work.clock, options, test_identity(), nullptr);
      ASSERT_TRUE(again.ok()) << when << ": " << again.error().to_string();
      expect_one_of(**again, work.tree, failed_operation, when + ", opened again");
      EXPECT_THAT(*(*again)->check(), ::testing::IsEmpty()) << when;
      // And the store that lives on does its work, unless a sync has failed.
      if (fired.find("file.sync") != 0 || fired.find("wal") != std::string::npos) {
        for (; step < Workload::kSteps; ++step) {
          if (!work.dir || !work.a || (!work.c && step > 7)) break;
          Status later = work.step(step);
          if (!later.ok() && fired.find("sync") == std::string::npos) {
            ADD_FAILURE() << when << ", then step " << step << ": " << later.error().to_string();
          }
          if (!later.ok()) break;
        }
        EXPECT_EQ(dump(*work.store), work.tree.reference.dump()) << when << ", going on";
      } else {
        EXPECT_FALSE(work.store->sync(Lsn{work.store->last_lsn().value}).ok() &&
                     fired.find("log-0000000000000001") != std::string::npos && segment_bytes > 1000)
            << when << ": a failed sync is sticky";
      }
      if (::testing::Test::HasFailure()) return;
    }
  }
  EXPECT_GT(faults, 50);
  std::cout << faults << " faults\n";
  skymoor::testing::tally(error == ENOSPC ? "disk full" : "disk step failed", static_cast<std::uint64_t>(faults));
}

INSTANTIATE_TEST_SUITE_P(Errors, FaultSweep, ::testing::Values(ENOSPC, EIO, EMFILE));

// The same for opening: it fails, or it gives the whole state.
TEST(FaultSweepOpen, OpeningFailsCleanlyOrSucceeds) {
  Workload work(700);
  ASSERT_TRUE(work.prepare().ok());
  for (int step = 0; step < Workload::kSteps; ++step) ASSERT_TRUE(work.step(step).ok());
  TemporaryDirectory killed;
  copy_files(work.options.directory, killed.path());
  int opened = 0;
  for (std::uint64_t n = 0; n < 200; ++n) {
    TemporaryDirectory copy;
    copy_files(killed.path(), copy.path());
    Injector injector;
    PosixDisk disk(injector.hook());
    auto options = work.options;
    options.directory = copy.path();
    injector.arm(n, EIO);
    {
      auto store = MetadataStore::open(disk, work.clock, options, test_identity(), nullptr);
      injector.disarm();
      if (store.ok()) {
        EXPECT_EQ(dump(**store), work.tree.reference.dump());
      }
    }
    auto store = MetadataStore::open(disk, work.clock, options, test_identity(), nullptr);
    ASSERT_TRUE(store.ok()) << n << ": " << store.error().to_string();
    EXPECT_EQ(dump(**store), work.tree.reference.dump());
    if (injector.fired.empty() && ++opened > 1) break;
  }
  EXPECT_GT(opened, 0);
}

TEST(StickySync, EverySyncAfterAFailedOneFails) {
  Workload work(1 << 20);
  ASSERT_TRUE(work.prepare().ok());
  ASSERT_TRUE(work.step(0).ok());
  work.injector.arm(0, EIO);
  EXPECT_EQ(work.store->sync(work.store->last_lsn()).error().code(), Code::kIo);
  work.injector.disarm();
  EXPECT_FALSE(work.store->sync(work.store->last_lsn()).ok());
  EXPECT_FALSE(work.store->checkpoint().ok()) << "the tables must not get ahead of the log";
  EXPECT_FALSE(work.store->records_after(Lsn{}, 10, 1000).ok()) << "nothing leaves that may not survive";
}

}  // namespace
}  // namespace skymoor::client
