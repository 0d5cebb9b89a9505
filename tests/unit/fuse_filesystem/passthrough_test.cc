// Files that the kernel reads and writes itself. The test plays the kernel: it writes to the backing file directly.
#include <fcntl.h>
#include <sys/mman.h>

#include <thread>

#include "tests/unit/fuse_filesystem/fs_stack.h"

namespace skymoor::client {
namespace {

class PassthroughTest : public FsTest {
 protected:
  void SetUp() override {
    stack.options.passthrough = stack.options.passthrough_empty = true;
    stack.open();
  }
  Opened open(InodeId inode, OpenFlags flags = FsStack::rw()) {
    auto opened = stack.fs->open(r, inode, flags);
    EXPECT_TRUE(opened.ok()) << opened.error().to_string();
    return std::move(opened).value();
  }
  static void kernel_writes(const Opened& opened, std::uint64_t at, std::string_view text) {
    ASSERT_TRUE(opened.passthrough);
    ASSERT_EQ(::pwrite(opened.passthrough->fd(), text.data(), text.size(), static_cast<off_t>(at)),
              static_cast<ssize_t>(text.size()));
  }
  /// The channel lets go of the registered file before it releases the handle.
  void release(Opened& opened) {
    opened.passthrough.reset();
    stack.fs->release(opened.handle);
  }
  InodeId file(std::string_view name, std::string_view text) {
    auto made = stack.create(name);
    EXPECT_TRUE(made.opened.passthrough);
    kernel_writes(made.opened, 0, text);
    release(made.opened);
    return made.node.id;
  }
};

/// The disk below may have larger files. A record of such a size could not be read again: the state would not open any more.
TEST_F(PassthroughTest, WhatIsWrittenPastTheLargestFileIsCutOffAndTold) {
  const InodeId a = file("a", "here");
  Opened opened = open(a);
  kernel_writes(opened, kMaxFileBytes + (1ull << 30), "too far");
  EXPECT_EQ(stack.fs->flush(r, opened.handle).error().code(), Code::kFileTooLarge);
  EXPECT_EQ(stack.fs->sync_file(r, opened.handle, false).error().code(), Code::kFileTooLarge);
  release(opened);
  EXPECT_EQ(stack.node(a).attributes.size, kMaxFileBytes);
  stack.reopen();
  EXPECT_EQ(stack.node(a).attributes.size, kMaxFileBytes);
  auto again = open(a);
  EXPECT_TRUE(stack.fs->flush(r, again.handle).ok()) << "it was told";
  stack.fs->release(again.handle);
}

/// Nobody is asked about what the kernel writes by itself, so nobody could say EDQUOT.
TEST_F(PassthroughTest, NearTheQuotaFilesAreWrittenThroughUs) {
  const auto look_anew = [] { std::this_thread::sleep_for(std::chrono::milliseconds(110)); };   // ten times a second
  const InodeId a = file("a", "here");
  stack.fetcher.statistics = {.total_bytes = 1ull << 40, .free_bytes = 100 << 20};
  look_anew();
  Opened reading = open(a, {});
  EXPECT_TRUE(reading.passthrough);
  release(reading);
  Opened near = open(a);
  EXPECT_FALSE(near.passthrough);
  stack.fetcher.statistics.free_bytes = 1000;
  look_anew();
  EXPECT_CODE(stack.write(near.handle, 0, std::string(6000, 'x')), Code::kQuotaExceeded);
  stack.fs->release(near.handle);
  stack.fetcher.statistics.free_bytes = 1ull << 39;
  look_anew();
  Opened far = open(a);
  EXPECT_TRUE(far.passthrough);
  release(far);
}

TEST_F(PassthroughTest, WhatTheKernelWroteIsThereAfterRelease) {
  Lsn before = stack.store->last_lsn();
  InodeId a = file("a", "written unseen");
  EXPECT_EQ(stack.node(a).attributes.size, 14u);
  EXPECT_EQ(stack.content(a), "written unseen");
  ContentRow row = stack.content_row(a);
  EXPECT_TRUE(row.valid.contains({0, 14}));
  EXPECT_TRUE(row.dirty.contains({0, 14}));
  auto records = stack.records(before);
  ASSERT_EQ(records.size(), 2u);
  EXPECT_TRUE(std::holds_alternative<WriteIntent>(records[1].intent));
  EXPECT_FALSE(stack.backing->unseen(a));
  stack.expect_sound();
}

// Each reader of a database that had opened it for writing made a version of it, and all of it was cut anew.
TEST_F(PassthroughTest, AnOpenForWritingThatWritesNothingChangesNothing) {
  const std::string theirs(5000, 't');   // more than a manifest carries
  stack.publish({{"a", theirs}});
  const InodeId a = stack.find("a")->id;
  EXPECT_EQ(stack.content(a), theirs);
  ASSERT_OK(stack.backing->make_clean(a));
  ASSERT_EQ(stack.backing_files("cache"), 1u);
  const Attributes before = stack.node(a).attributes;
  const Lsn lsn = stack.store->last_lsn();
  Opened opened = open(a);
  ASSERT_TRUE(opened.passthrough);
  EXPECT_TRUE(stack.backing->unseen(a));
  EXPECT_EQ(stack.backing_files("data"), 1u) << "what is written to it may be the only copy";
  ASSERT_OK(stack.fs->sync_file(r, opened.handle, false));
  EXPECT_EQ(stack.node(a).attributes, before);
  release(opened);
  EXPECT_EQ(stack.store->last_lsn(), lsn);
  EXPECT_EQ(stack.node(a).attributes, before);
  EXPECT_FALSE(stack.backing->unseen(a));
  EXPECT_EQ(stack.backing_files("cache"), 1u) << "it may be evicted again";
  Opened again = open(a);
  kernel_writes(again, 0, "mine");
  release(again);
  EXPECT_EQ(stack.store->last_lsn().value, lsn.value + 1);
  EXPECT_EQ(stack.content(a), "mine" + theirs.substr(4));
  EXPECT_EQ(stack.backing_files("data"), 1u);
  stack.expect_sound();
}

// Between the claim and what comes, a program opens the file: nothing but the journal's question stood against a mixture.
TEST_F(PassthroughTest, WhatComesFromElsewhereWaitsUntilAnOpenFileIsClaimed) {
  const std::string mine(5000, 'm');
  stack.publish({{"a", mine}});
  const InodeId a = stack.find("a")->id;
  EXPECT_EQ(stack.content(a), mine);
  ASSERT_OK(stack.backing->make_clean(a));
  PutEffect put{a, {WriterId{9}, 999}, 7, {}, {}, {}};
  UnlinkEffect unlink{kRootInode, "a", a};
  Opened opened = open(a);
  for (const TreeEffect& effect : {TreeEffect(put), TreeEffect(unlink)}) {
    EXPECT_CODE(stack.store->apply_commit(Sequence{2}, Hash256{}, {effect}, {}), Code::kBusy);
    EXPECT_EQ(stack.store->held_back(), a);
    EXPECT_EQ(stack.content(a), mine);
  }
  ASSERT_OK(stack.fs->claim_unseen({{a, OpId{}}}));
  EXPECT_EQ(stack.row(a).content.writer, WriterId{7});
  auto changes = stack.store->apply_commit(Sequence{2}, Hash256{}, {put}, {});
  ASSERT_OK(changes);
  EXPECT_TRUE(changes->replan);   // and the two contents part
  kernel_writes(opened, 0, "more");
  release(opened);
  EXPECT_EQ(stack.content(a), "more" + mine.substr(4));
}

TEST_F(PassthroughTest, WhatNobodyWroteIsReplacedOnceItIsClosed) {
  stack.publish({{"a", std::string(5000, 'm')}});
  const InodeId a = stack.find("a")->id;
  (void)stack.content(a);
  PutEffect put{a, {WriterId{9}, 999}, 7, {}, {}, {}};
  Opened opened = open(a);
  EXPECT_CODE(stack.store->apply_commit(Sequence{2}, Hash256{}, {put}, {}), Code::kBusy);
  release(opened);
  ASSERT_OK(stack.store->apply_commit(Sequence{2}, Hash256{}, {put}, {}));
  EXPECT_EQ(stack.row(a).content, put.content);
}

// Another device's edit brings it back, and the claim of an unwritten file, which had no name, ended in its old bytes over that.
TEST_F(PassthroughTest, AnUnlinkedFileIsClaimedForNobody) {
  stack.publish({{"a", std::string(5000, 'm')}});
  const InodeId a = stack.find("a")->id;
  (void)stack.content(a);
  Opened opened = open(a);
  ASSERT_OK(stack.unlink("a"));
  const Lsn last = stack.store->last_lsn();
  ASSERT_OK(stack.fs->claim_unseen({{a, OpId{}}, {a, OpId{WriterId{9}, 999}}}));
  EXPECT_EQ(stack.store->last_lsn(), last);
  ASSERT_OK(stack.store->apply_commit(Sequence{2}, Hash256{}, {PutEffect{a, {WriterId{9}, 999}, 7, {}, {}, {}}}, {}));
  release(opened);
  EXPECT_EQ(stack.store->last_lsn(), last);
}

// The kernel would put each write on the disk, and nobody would know after a power cut that it was one.
TEST_F(PassthroughTest, ASynchronousHandleIsServedByUsOrItsFileVouches) {
  const InodeId a = file("a", "first");
  OpenFlags sync = FsStack::rw();
  sync.sync = true;
  Opened alone = open(a, sync);
  EXPECT_FALSE(alone.passthrough);
  stack.fs->release(alone.handle);
  Opened other = open(a);
  ASSERT_TRUE(other.passthrough);
  EXPECT_FALSE(stack.backing->vouching(a));
  Opened beside = open(a, sync);
  EXPECT_TRUE(beside.passthrough);
  EXPECT_TRUE(stack.backing->vouching(a));
  release(beside);
  release(other);
  EXPECT_FALSE(stack.backing->vouching(a));
}

TEST_F(PassthroughTest, BytesOfAWriteThatWasNeverRecordedDoNotShow) {
  InodeId a = file("a", "kept");
  stack.reopen();
  {
    // What a write leaves that was killed between its bytes and its record.
    auto left = stack.backing->open_file(a, false);
    ASSERT_TRUE(left.ok());
    ASSERT_EQ(::pwrite((*left)->fd(), "never recorded", 14, 4), 14);
  }
  Opened reader = open(a, FsStack::ro());
  ASSERT_TRUE(reader.passthrough);
  EXPECT_EQ(*reader.passthrough->file().size(), 4u);
  EXPECT_EQ(stack.node(a).attributes.size, 4u);
  release(reader);
  EXPECT_EQ(stack.content(a), "kept");
}

TEST_F(PassthroughTest, StatSeesUnseenWritesAndStaysTrue) {
  InodeId a = file("a", "x");
  Opened opened = open(a);
  kernel_writes(opened, 0, "longer");
  Node seen = stack.node(a);
  EXPECT_EQ(seen.attributes.size, 6u);
  EXPECT_EQ(stack.find("a")->attributes.size, 6u);
  EXPECT_EQ(stack.node(a).attributes.mtime, seen.attributes.mtime);
  release(opened);
  EXPECT_EQ(stack.node(a).attributes.mtime, seen.attributes.mtime);   // as git's index expects
}

TEST_F(PassthroughTest, EveryAnswerWithAttributesSeesUnseenWrites) {
  InodeId a = file("a", "x");
  Opened opened = open(a);
  kernel_writes(opened, 0, "123");
  EXPECT_EQ(stack.fs->link(r, a, kRootInode, "b")->attributes.size, 3u);
  kernel_writes(opened, 0, "12345");
  EXPECT_EQ(stack.fs->read_directory(r, kRootInode, 0, 9, true).value()[0].node.attributes.size, 5u);
  kernel_writes(opened, 0, "1234567");
  SetAttributesRequest wanted;
  wanted.mode = 0600;
  EXPECT_EQ(stack.fs->set_attributes(r, a, wanted)->attributes.size, 7u);
}

TEST_F(PassthroughTest, EveryWriteIsNoticedHoweverFast) {
  InodeId a = file("a", "0000");
  Opened opened = open(a);
  OpId last = stack.row(a).content;
  for (int i = 0; i < 200; ++i) {   // many within one tick of the kernel's clock
    kernel_writes(opened, 0, std::to_string(1000 + i));
    ASSERT_OK(stack.fs->flush(r, opened.handle));
    ASSERT_NE(stack.row(a).content, last) << i;
    last = stack.row(a).content;
    ASSERT_OK(stack.fs->flush(r, opened.handle));
    ASSERT_EQ(stack.row(a).content, last) << i;
  }
}

TEST_F(PassthroughTest, TheFirstOpenDecidesForAll) {
  stack.options.passthrough = false;
  stack.reopen();
  InodeId a = stack.write_file("a", "x");
  stack.options.passthrough = true;
  stack.reopen();
  OpenFlags direct = FsStack::ro();
  direct.direct = true;
  Opened cached = open(a, direct);
  EXPECT_FALSE(cached.passthrough);
  Opened second = open(a);
  EXPECT_FALSE(second.passthrough);
  ASSERT_OK(stack.write(second.handle, 0, "y"));
  release(cached);
  release(second);
  Opened third = open(a), fourth = open(a);
  EXPECT_TRUE(third.passthrough);
  EXPECT_EQ(third.passthrough.get(), fourth.passthrough.get());
  release(third);
  kernel_writes(fourth, 0, "zz");
  EXPECT_EQ(stack.node(a).attributes.size, 2u);
}

TEST_F(PassthroughTest, NormalWritesAndTruncatesMixWithUnseenOnes) {
  InodeId a = file("a", "0123456789");
  Opened opened = open(a);
  kernel_writes(opened, 0, "AB");
  ASSERT_OK(stack.write(opened.handle, 4, "cd"));
  kernel_writes(opened, 8, "YZ");
  ASSERT_OK(stack.set_size(a, 9));
  EXPECT_EQ(*stack.read(opened.handle), "AB23cd67Y");
  kernel_writes(opened, 9, "!");
  ASSERT_OK(stack.set_size(a, 12));
  EXPECT_EQ(stack.node(a).attributes.size, 12u);
  release(opened);
  EXPECT_EQ(stack.content(a), std::string("AB23cd67Y!\0\0", 12));
  stack.expect_sound();
}

TEST_F(PassthroughTest, TimesSetByTheOwnerStay) {
  InodeId a = file("a", "x");
  Opened opened = open(a);
  kernel_writes(opened, 0, "copied");
  SetAttributesRequest wanted;
  wanted.mtime = Timestamp(std::chrono::seconds(1000));
  ASSERT_OK(stack.fs->set_attributes(r, a, wanted));
  release(opened);
  EXPECT_EQ(stack.node(a).attributes.mtime, *wanted.mtime);
  EXPECT_EQ(stack.node(a).attributes.size, 6u);
}

TEST_F(PassthroughTest, FsyncTakesUnseenWritesIn) {
  InodeId a = file("a", "x");
  Opened opened = open(a);
  kernel_writes(opened, 0, "synced");
  ASSERT_OK(stack.fs->sync_file(r, opened.handle, false));
  EXPECT_EQ(stack.row(a).attributes.size, 6u);
}

TEST_F(PassthroughTest, FromTheThirdOnAnFdatasyncSyncsTheFileAlone) {
  InodeId a = file("a", "some text");
  Opened opened = open(a);
  int data = 0, log = 0;
  stack.hook = [&](const FaultPoint& point) {
    if (point.name == "file.sync" && point.detail.find("/backing/") != point.detail.npos) ++data;
    if (point.name == "file.sync" && point.detail.find("/log-") != point.detail.npos) ++log;
    return 0;
  };
  auto sync_after = [&](std::string_view text, bool data_only) {
    kernel_writes(opened, 0, text);
    data = log = 0;
    EXPECT_OK(stack.fs->sync_file(r, opened.handle, data_only));
    EXPECT_EQ(data, 1);
    return log;
  };
  EXPECT_EQ(sync_after("one", true), 1);
  EXPECT_FALSE(stack.backing->vouching(a));
  EXPECT_EQ(sync_after("two", true), 1);
  EXPECT_TRUE(stack.backing->vouching(a));
  EXPECT_EQ(sync_after("three", true), 0);
  EXPECT_EQ(sync_after("four", true), 0);
  EXPECT_EQ(sync_after("five", false), 1) << "fsync answers for the times, too";
  EXPECT_EQ(sync_after("six", true), 0);
  SetAttributesRequest mode;
  mode.mode = 0600;
  ASSERT_OK(stack.fs->set_attributes(r, a, mode));
  EXPECT_EQ(sync_after("seven", true), 1) << "another record came in between";
  EXPECT_EQ(sync_after("eight", true), 0);
  log = 0;
  release(opened);
  EXPECT_EQ(log, 1) << "the records are on the disk before the note goes";
  EXPECT_FALSE(stack.backing->vouching(a));
  EXPECT_FALSE(stack.backing->unseen(a));
  EXPECT_EQ(stack.content(a), "eighttext");
  Opened again = open(a);
  opened = std::move(again);
  EXPECT_EQ(sync_after("nine", true), 1);
  release(opened);
  stack.expect_sound();
}

TEST_F(PassthroughTest, AConflictCopyTakesTheNoteWithTheFile) {
  InodeId a = file("a", "some text"), copy = stack.touch("copy");
  Opened opened = open(a);
  for (int i = 0; i < 3; ++i) {
    kernel_writes(opened, 0, "mine" + std::to_string(i));
    ASSERT_OK(stack.fs->sync_file(r, opened.handle, true));
  }
  ASSERT_TRUE(stack.backing->vouching(a));
  stack.move_content(a, copy);
  EXPECT_FALSE(stack.backing->vouching(a));
  EXPECT_TRUE(stack.backing->vouching(copy));
  kernel_writes(opened, 0, "more");
  int log = 0;
  stack.hook = [&](const FaultPoint& point) {
    log += point.name == "file.sync" && point.detail.find("/log-") != point.detail.npos;
    return 0;
  };
  ASSERT_OK(stack.fs->sync_file(r, opened.handle, true));
  EXPECT_EQ(log, 1);
  stack.hook = nullptr;
  release(opened);
  EXPECT_FALSE(stack.backing->vouching(copy));
}

TEST_F(PassthroughTest, TheTickTakesUnseenWritesIn) {
  InodeId a = file("a", "x");
  Opened opened = open(a);
  kernel_writes(opened, 0, "ticked");
  stack.fs->tick();
  EXPECT_EQ(stack.row(a).attributes.size, 6u);
}

/// A file on a disk, open, and mapped as the kernel maps it: by the backing file, not by our handle.
struct MappedFile {
  MappedFile() : on_disk(skymoor::testing::TempDir::disk_directory()), stack(on_disk / "mount") {
    stack.options.passthrough = true;
    stack.open();
    id = stack.write_file("a", std::string(4096, 'a'));
    opened = stack.fs->open(r, id, FsStack::rw()).value();
    const UniqueFd fd(::open(("/proc/self/fd/" + std::to_string(opened.passthrough->fd())).c_str(), O_RDWR));
    map = static_cast<char*>(::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 0));
  }
  ~MappedFile() { unmap(); }
  void unmap() {
    if (map) ::munmap(std::exchange(map, nullptr), 4096);
  }
  void release() {
    opened.passthrough.reset();
    stack.fs->release(opened.handle);
  }
  void tick() { stack.fs->tick(); }
  /// Whether the store, and what follows it, made a record.
  bool stored(char letter, const std::function<void()>& then) {
    const OpId before = stack.row(id).content;
    map[0] = letter;
    then();
    return stack.row(id).content != before;
  }
  skymoor::testing::TempDir on_disk;
  FsStack stack;
  Request r;
  InodeId id;
  Opened opened;
  char* map = nullptr;
};

// The page is dirty still, so that a second store leaves no sign: fsync answers for it all the same.
TEST(PassthroughMapping, StoresWithoutASignAreSynced) {
  MappedFile file;
  EXPECT_TRUE(file.stored('X', [&] { file.tick(); }));
  EXPECT_TRUE(file.stored('Y', [&] { ASSERT_OK(file.stack.fs->sync_file(file.r, file.opened.handle, false)); }));
  file.release();
}

// Killed with nobody to take over: the mapping keeps the file, and goes on writing it.
TEST(PassthroughMapping, MayOutliveTheProcess) {
  MappedFile file;
  file.release();
  file.tick();
  file.stack.reopen();
  EXPECT_TRUE(file.stack.backing->unseen(file.id));
  EXPECT_TRUE(file.stored('Y', [&] { file.tick(); }));
  file.unmap();
  file.tick();
  EXPECT_FALSE(file.stack.backing->unseen(file.id));
}

TEST(PassthroughMapping, MayWriteAfterTheRelease) {
  MappedFile file;
  file.release();
  EXPECT_TRUE(file.stack.backing->unseen(file.id));   // somebody can still write it
  EXPECT_TRUE(file.stored('Z', [&] { file.tick(); }));
  file.unmap();
  file.tick();
  EXPECT_FALSE(file.stack.backing->unseen(file.id));
  EXPECT_EQ(file.stack.content(file.id)[0], 'Z');
}

/// The time of a file moves with the first store to a page; after a stamp more stores to it left no sign, and were lost.
TEST(PassthroughMapping, MayWriteWithoutASign) {
  MappedFile file;
  const auto tick = [&] { file.tick(); };
  EXPECT_TRUE(file.stored('1', tick));
  EXPECT_FALSE(file.stored('2', tick)) << "this kernel tells: the test tests nothing";
  EXPECT_TRUE(file.stored('3', [&] {
    file.stack.clock.advance(std::chrono::seconds(41));
    tick();
  }));
  EXPECT_TRUE(file.stored('4', tick)) << "its pages were not protected";
  EXPECT_TRUE(file.stored('5', [&] { ASSERT_OK(file.stack.fs->sync_all(file.r)); }));
  EXPECT_TRUE(file.stored('6', tick));
  EXPECT_TRUE(file.stored('7', [&] {
    file.unmap();
    file.release();
    tick();
  }));
  EXPECT_FALSE(file.stack.backing->unseen(file.id));
  EXPECT_EQ(file.stack.content(file.id)[0], '7');
}

TEST_F(PassthroughTest, AnOrphanIsWrittenUnseenToo) {
  InodeId a = file("a", "x");
  Opened opened = open(a);
  ASSERT_OK(stack.unlink("a"));
  kernel_writes(opened, 0, "gone");
  EXPECT_EQ(stack.node(a).attributes.size, 4u);
  stack.fs->forget(a);
  release(opened);
  EXPECT_CODE(stack.fs->get_attributes(r, a), Code::kStale);
  EXPECT_EQ(stack.backing_files("data"), 0u);
  EXPECT_FALSE(stack.backing->unseen(a));
}

TEST_F(PassthroughTest, WritersFollowAConflictCopy) {
  InodeId a = file("a", "mine"), copy = stack.touch("a (conflict)");
  Opened opened = open(a);
  stack.move_content(a, copy);
  kernel_writes(opened, 0, "still mine");
  Opened other = open(a);
  kernel_writes(other, 0, "theirs");
  stack.fs->tick();
  EXPECT_EQ(stack.row(copy).attributes.size, 10u);
  EXPECT_EQ(stack.row(a).attributes.size, 6u);
  release(opened);
  release(other);
  stack.fs->tick();
  EXPECT_EQ(stack.content(copy), "still mine");
  EXPECT_EQ(stack.content(a), "theirs");
  EXPECT_FALSE(stack.backing->unseen(copy));
  EXPECT_FALSE(stack.backing->unseen(a));
  stack.expect_sound();
}

// Found by reading: what was written to the file that a move had removed was put on record for the one in its place.
TEST_F(PassthroughTest, WhatAMoveRemovedIsNobodysAnyMore) {
  InodeId a = file("a", "mine");
  auto held = stack.create("a (conflict)");
  const InodeId copy = held.node.id;
  stack.move_content(a, copy);
  kernel_writes(held.opened, 0, "to nobody");
  stack.fs->tick();
  EXPECT_EQ(stack.row(copy).attributes.size, 4u);
  EXPECT_CODE(stack.fs->open(r, copy, FsStack::rw()), Code::kBusy);   // the kernel knows one file an inode
  release(held.opened);
  Opened again = open(copy);
  kernel_writes(again, 0, "M");
  release(again);
  EXPECT_EQ(stack.content(copy), "Mine");
  EXPECT_FALSE(stack.backing->unseen(copy));
  stack.expect_sound();
}

// An fsync between the rows and the file of a re-plan's move once put the copy's bytes on record for the original, whose
// file then went away.
TEST_F(PassthroughTest, UnseenWritesAreRecordedBeforeOrAfterAMoveNotWithinIt) {
  InodeId a = file("a", "mine"), copy = stack.touch("a (conflict)");
  Opened opened = open(a);
  kernel_writes(opened, 0, "still mine");
  std::jthread syncing;
  stack.move_content(a, copy, [&] {
    syncing = std::jthread([&] {
      Request own;
      (void)stack.fs->sync_file(own, opened.handle, false);
    });
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  });
  syncing.join();
  EXPECT_EQ(stack.row(a).attributes.size, 0u);
  EXPECT_EQ(stack.row(copy).attributes.size, 10u);
  release(opened);
}

// The kernel may hold the old file a moment longer than the handle: who opens the original does not wait for that.
TEST_F(PassthroughTest, TheOriginalOpensAtOnceAfterTheCopysLastWriter) {
  skymoor::testing::TempDir on_disk(skymoor::testing::TempDir::disk_directory());
  FsStack disk_stack(on_disk / "mount");
  disk_stack.options.passthrough = true;
  ASSERT_NO_FATAL_FAILURE(disk_stack.open());
  InodeId a = disk_stack.write_file("a", std::string(4096, 'a')), copy = disk_stack.touch("a (conflict)");
  Opened opened = disk_stack.fs->open(r, a, FsStack::rw()).value();
  std::string path = "/proc/self/fd/" + std::to_string(opened.passthrough->fd());
  UniqueFd held(::open(path.c_str(), O_RDWR));
  ASSERT_TRUE(held);
  disk_stack.move_content(a, copy);
  opened.passthrough.reset();
  disk_stack.fs->release(opened.handle);
  auto again = disk_stack.fs->open(r, a, FsStack::rw());
  ASSERT_TRUE(again.ok()) << again.error().to_string();
  // What is written through the old file meanwhile is the copy's.
  ASSERT_EQ(::pwrite(held.get(), "Z", 1, 5000), 1);
  disk_stack.fs->tick();
  EXPECT_EQ(disk_stack.row(copy).attributes.size, 5001u);
  held = UniqueFd();
  disk_stack.fs->tick();
  EXPECT_FALSE(disk_stack.backing->unseen(copy));
  again->passthrough.reset();
  disk_stack.fs->release(again->handle);
}

TEST_F(PassthroughTest, EmptyFilesAreWrittenThroughUsUnlessWished) {
  stack.options.passthrough_empty = false;
  stack.reopen();
  auto made = stack.create("a");
  EXPECT_FALSE(made.opened.passthrough);
  ASSERT_OK(stack.write(made.opened.handle, 0, "x"));
  release(made.opened);
  Opened again = open(made.node.id);
  EXPECT_TRUE(again.passthrough);
}

TEST_F(PassthroughTest, AbsentFilesAreNotPassedThrough) {
  stack.close();
  skymoor::testing::TempDir other;
  FsStack remote(other / "mount");
  remote.root_listed = false;
  remote.options.passthrough = true;
  ASSERT_NO_FATAL_FAILURE(remote.open());
  remote.publish({{"big", std::string(100000, 'b')}});
  InodeId big = remote.find("big")->id;
  Opened opened = remote.fs->open(r, big, FsStack::rw()).value();
  EXPECT_FALSE(opened.passthrough);
  EXPECT_EQ(remote.read(opened.handle)->size(), 100000u);
  Opened second = remote.fs->open(r, big, FsStack::rw()).value();
  EXPECT_FALSE(second.passthrough);
  remote.fs->release(opened.handle);
  remote.fs->release(second.handle);
  EXPECT_TRUE(remote.fs->open(r, big, FsStack::rw())->passthrough);
}

}  // namespace
}  // namespace skymoor::client
