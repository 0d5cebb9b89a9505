// Files whose bytes the server has: what is asked for, what is not, what local changes do to them.
#include <fcntl.h>
#include <linux/falloc.h>

#include "tests/unit/fuse_filesystem/fs_stack.h"

namespace skymoor::client {
namespace {

class AbsentContentTest : public FsTest {
 protected:
  AbsentContentTest() {
    for (std::size_t i = 0; i < big.size(); ++i) big[i] = static_cast<char>('a' + i / 4096 % 26);
  }
  void SetUp() override {
    stack.root_listed = false;
    stack.open();
    stack.publish({{"big", big}, {"small", "a small file"}, {"sparse", sparse}});
  }
  InodeId id(std::string_view name) { return stack.find(name)->id; }
  std::string big = std::string(8u << 20, '\0');
  std::string sparse = std::string(2u << 20, '\0') + std::string(1u << 20, 's');
};

TEST_F(AbsentContentTest, AReadSaysWhatItNeeds) {
  HandleId handle = stack.open_file(id("big"), FsStack::ro());
  EXPECT_CODE(stack.fs->read(r, handle, 1000, 5000), Code::kNotPresent);
  ASSERT_TRUE(r.need);
  EXPECT_EQ(r.need->kind, Need::Kind::kContent);
  EXPECT_EQ(r.need->extent, (Extent{1000, 6000}));
  EXPECT_CODE(stack.fs->read(r, handle, big.size() - 10, 5000), Code::kNotPresent);
  EXPECT_EQ(r.need->extent, (Extent{big.size() - 10, big.size()}));
  EXPECT_EQ(*stack.read(handle, 1000, 5000), big.substr(1000, 5000));
  EXPECT_OK(stack.fs->read(r, handle, 1000, 5000));
  EXPECT_CODE(stack.fs->read(r, handle, 900, 5000), Code::kNotPresent);
  EXPECT_EQ(r.need->extent, (Extent{900, 1000}));
}

/// The cache's limit is far away, but the disk has no more than its reserve.
TEST_F(AbsentContentTest, WhatIsFetchedMakesRoomForItself) {
  FsStack full(dir / "full");
  full.root_listed = false;
  full.options.reserve_bytes = UINT64_MAX / 2;
  full.open();
  full.publish({{"big", big}, {"sparse", sparse}});
  const InodeId file = full.find("big")->id;
  EXPECT_EQ(full.content(file), big);
  ASSERT_OK(full.backing->make_clean(file));
  EXPECT_GE(full.backing->usage().clean_bytes, big.size());
  // For what cannot come nothing goes.
  full.fetcher.reachable = false;
  auto server = std::exchange(full.fetcher.on_fetch, nullptr);
  const Need need{Need::Kind::kContent, full.find("sparse")->id, {0, 4096}};
  EXPECT_CODE(full.fs->fetch(need, SystemClock().monotonic() + std::chrono::seconds(30), {}), Code::kOffline);
  EXPECT_GE(full.backing->usage().clean_bytes, big.size());
  full.fetcher.reachable = true;
  full.fetcher.on_fetch = std::move(server);
  EXPECT_EQ(full.content(full.find("sparse")->id), sparse);
  EXPECT_LT(full.backing->usage().clean_bytes, big.size());
  EXPECT_EQ(full.content(file), big);
}

TEST_F(AbsentContentTest, SmallFilesComeFromTheManifest) {
  EXPECT_EQ(stack.content(id("small")), "a small file");
  EXPECT_TRUE(stack.fetcher.needs().empty());
  HandleId handle = stack.open_file(id("small"));
  ASSERT_OK(stack.write(handle, 2, "SMALL"));
  EXPECT_EQ(*stack.read(handle), "a SMALL file");
  EXPECT_EQ(*stack.read(handle, 3, 6), "MALL f");
  ASSERT_OK(stack.write(handle, 14, "!"));
  EXPECT_EQ(*stack.read(handle), std::string("a SMALL file\0\0!", 15));
  EXPECT_TRUE(stack.fetcher.needs().empty());
}

TEST_F(AbsentContentTest, AWriteNeverWaits) {
  HandleId handle = stack.open_file(id("big"));
  ASSERT_OK(stack.write(handle, 100000, "local"));
  EXPECT_TRUE(stack.fetcher.needs().empty());
  ContentRow row = stack.content_row(id("big"));
  EXPECT_EQ(row.valid.all(), (std::vector<Extent>{{100000, 100005}}));
  EXPECT_EQ(row.dirty.all(), (std::vector<Extent>{{100000, 100005}}));
  std::string expected = big;
  expected.replace(100000, 5, "local");
  EXPECT_EQ(stack.content(id("big")), expected);
}

TEST_F(AbsentContentTest, AWriteOverAnUnknownVersionAsksForItsManifest) {
  // Its version may be gone from the server when somebody else writes it: then nothing could fill in the rest.
  FsStack bare(dir / "bare");
  bare.root_listed = false;
  bare.open();
  bare.publish({{"big", big}}, false);
  const InodeId file = bare.find("big")->id;
  HandleId handle = bare.open_file(file);
  auto source = [](int, std::uint64_t) -> Result<std::size_t> { return Error(Code::kInternal, "not to be called"); };
  EXPECT_CODE(bare.fs->write(r, handle, 100000, 5, source), Code::kNotPresent);
  ASSERT_TRUE(r.need);
  EXPECT_EQ(r.need->kind, Need::Kind::kInode);
  EXPECT_TRUE(bare.content_row(file).dirty.empty());
  ASSERT_OK(bare.set_size(file, 0));
  ASSERT_OK(bare.write(handle, 0, "all of it is new"));
}

// The backing file ended before the hole: after a restart the zeros counted as lost.
TEST_F(AbsentContentTest, AHoleInWhatIsNotHereIsPartOfTheFile) {
  HandleId handle = stack.open_file(id("big"));
  for (int mode : {FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE}) {
    const std::uint64_t at = mode & FALLOC_FL_PUNCH_HOLE ? 10 : 5000;
    ASSERT_OK(stack.fs->allocate(r, handle, mode, at, 100));
    big.replace(at, 100, std::string(100, '\0'));
    auto file = stack.backing->open_file(id("big"), false);
    ASSERT_TRUE(file.ok());
    EXPECT_GE((*file)->file().size().value(), at + 100);
  }
  EXPECT_TRUE(stack.fetcher.needs().empty());
  EXPECT_EQ(stack.content(id("big")), big);
}

TEST_F(AbsentContentTest, OverwritingAndCuttingNeedNothing) {
  OpenFlags flags = FsStack::rw();
  flags.truncate = true;
  HandleId handle = stack.open_file(id("big"), flags);
  ASSERT_OK(stack.write(handle, 0, "new"));
  EXPECT_EQ(*stack.read(handle), "new");
  ASSERT_OK(stack.set_size(id("sparse"), 100));
  EXPECT_TRUE(stack.fetcher.needs().empty());
  EXPECT_EQ(stack.content(id("sparse")), std::string(100, '\0'));
}

TEST_F(AbsentContentTest, GrowingACutFileShowsZerosNotTheOldBytes) {
  InodeId file = id("big");
  ASSERT_OK(stack.set_size(file, 4096));
  ASSERT_OK(stack.set_size(file, 8192));
  EXPECT_EQ(stack.content(file), big.substr(0, 4096) + std::string(4096, '\0'));
}

TEST_F(AbsentContentTest, SequentialReadersAreAnticipated) {
  HandleId handle = stack.open_file(id("big"), FsStack::ro());
  for (std::uint64_t at = 0; at < 2u << 20; at += 128 * 1024) ASSERT_OK(stack.read(handle, at, 128 * 1024));
  auto hints = stack.fetcher.prefetches();
  ASSERT_GE(hints.size(), 2u);
  EXPECT_EQ(hints[0].second, (Extent{128 * 1024, (1u << 20) + 128 * 1024}));
  EXPECT_GT(hints.back().second.length(), 1u << 20);
  std::size_t before = hints.size();
  HandleId random = stack.open_file(id("big"), FsStack::ro());
  ASSERT_OK(stack.read(random, 5u << 20, 4096));
  ASSERT_OK(stack.read(random, 3u << 20, 4096));
  EXPECT_EQ(stack.fetcher.prefetches().size(), before);
}

TEST_F(AbsentContentTest, SeekAsksTheManifest) {
  HandleId handle = stack.open_file(id("sparse"), FsStack::ro());
  EXPECT_EQ(stack.fs->seek(r, handle, 0, SEEK_HOLE).value(), 0u);
  EXPECT_EQ(stack.fs->seek(r, handle, 0, SEEK_DATA).value(), 2u << 20);
  EXPECT_EQ(stack.fs->seek(r, handle, 2u << 20, SEEK_HOLE).value(), sparse.size());
  EXPECT_EQ(stack.node(id("sparse")).allocated_bytes, 1u << 20);
  EXPECT_EQ(stack.node(id("big")).allocated_bytes, big.size());
}

TEST_F(AbsentContentTest, CopyRangeNeedsItsSource) {
  HandleId from = stack.open_file(id("big"), FsStack::ro()), to = stack.create("copy").opened.handle;
  EXPECT_CODE(stack.fs->copy_range(r, from, 0, to, 0, 100), Code::kNotPresent);
  EXPECT_EQ(r.need->extent, (Extent{0, 100}));
  ASSERT_OK(stack.fs->fetch(*r.need, Instant::max(), {}));
  EXPECT_EQ(stack.fs->copy_range(r, from, 0, to, 0, 200).value(), 100u);
  EXPECT_EQ(*stack.read(to), big.substr(0, 100));
}

TEST_F(AbsentContentTest, CopyRangeOfWhatIsNotHereNamesItsBlocks) {
  const InodeId source = id("big");
  HandleId from = stack.open_file(source, FsStack::ro()), to = stack.create("copy").opened.handle;
  const InodeId copy = id("copy");
  EXPECT_EQ(stack.fs->copy_range(r, from, 0, to, 0, (2u << 20) + 5).value(), 2u << 20);   // ends within a block
  EXPECT_EQ(stack.fs->copy_range(r, from, 2u << 20, to, 2u << 20, 1u << 30).value(), big.size() - (2u << 20));
  EXPECT_EQ(stack.fs->copy_range(r, from, big.size(), to, big.size(), 1u << 30).value(), 0u);
  EXPECT_TRUE(stack.fetcher.needs().empty());
  auto as_the_source = [&] {
    const ContentRow row = stack.content_row(copy), original = stack.content_row(source);
    EXPECT_EQ(row.manifest, original.manifest);
    EXPECT_EQ(row.manifest_content, stack.row(copy).content);
    EXPECT_TRUE(row.valid.empty());
    EXPECT_TRUE(row.dirty.empty()) << "nothing of it has to be sent";
    EXPECT_EQ(stack.find("copy")->attributes.size, big.size());
  };
  as_the_source();
  // After a kill.
  stack.close();
  stack.open();
  as_the_source();
  stack.server[copy.value] = big;
  HandleId again = stack.open_file(copy);
  ASSERT_OK(stack.write(again, 3u << 20, "local"));
  std::string expected = big;
  expected.replace(3u << 20, 5, "local");
  EXPECT_TRUE(stack.content(copy) == expected);
  EXPECT_TRUE(stack.content(source) == big);
}

TEST_F(AbsentContentTest, CopyRangeNamesBlocksOnlyWhereTheyAreTheWholeTruth) {
  auto asks = [&](HandleId from, std::uint64_t from_offset, HandleId to, std::uint64_t to_offset, std::size_t length) {
    const auto copied = stack.fs->copy_range(r, from, from_offset, to, to_offset, length);
    return !copied.ok() && copied.error().code() == Code::kNotPresent;
  };
  const std::size_t block = 1u << 20;
  HandleId from = stack.open_file(id("big"));
  EXPECT_TRUE(asks(from, 0, stack.create("short").opened.handle, 0, block - 1));            // within one
  EXPECT_TRUE(asks(from, 1, stack.create("shifted").opened.handle, 0, 4 * block));
  EXPECT_TRUE(asks(from, 0, stack.create("sparse to be").opened.handle, block, 4 * block));   // not at its end
  EXPECT_TRUE(asks(from, 0, from, 8 * block, block));                                       // itself
  HandleId written = stack.create("written").opened.handle;
  ASSERT_OK(stack.write(written, 0, std::string(5000, 'w')));
  EXPECT_TRUE(asks(from, 0, written, 5000, 4 * block));
  HandleId sparse_from = stack.open_file(id("sparse"), FsStack::ro()), holes = stack.create("holes").opened.handle;
  EXPECT_EQ(stack.fs->copy_range(r, sparse_from, 100, holes, 0, block + 5).value(), block + 5);   // a hole begins anywhere
  stack.server[id("holes").value] = std::string(block + 5, '\0');
  EXPECT_TRUE(stack.content(id("holes")) == std::string(block + 5, '\0'));
  ASSERT_OK(stack.write(from, 5 * block, "changed here"));
  EXPECT_TRUE(asks(from, 0, stack.create("of a changed one").opened.handle, 0, 8 * block));
  // What is here is copied.
  HandleId whole = stack.open_file(id("sparse"), FsStack::ro());
  EXPECT_TRUE(stack.content(id("sparse")) == sparse);
  const HandleId copy = stack.create("copied").opened.handle;
  EXPECT_EQ(stack.fs->copy_range(r, whole, 0, copy, 0, sparse.size()).value(), sparse.size());
  EXPECT_TRUE(stack.content_row(id("copied")).valid.contains({0, sparse.size()}));
}

TEST_F(AbsentContentTest, WithoutTheServerAReadFailsAndNothingElse) {
  stack.fetcher.on_fetch = nullptr;
  HandleId handle = stack.open_file(id("big"));
  EXPECT_CODE(stack.read(handle), Code::kOffline);
  EXPECT_OK(stack.write(handle, 0, "x"));
  EXPECT_OK(stack.rename("big", "bigger"));
  EXPECT_OK(stack.fs->statistics(r));
}

TEST_F(AbsentContentTest, AWipedCacheIsFetchedAgain) {
  InodeId file = id("big");
  EXPECT_EQ(stack.content(file), big);
  ASSERT_OK(stack.backing->make_clean(file));
  HandleId handle = stack.open_file(file, FsStack::ro());
  stack.close();
  for (const auto& entry : std::filesystem::recursive_directory_iterator(stack.directory() + "/cache/backing"))
    if (entry.is_regular_file()) std::filesystem::remove(entry.path());
  stack.open();
  std::size_t before = stack.fetcher.needs().size();
  EXPECT_EQ(stack.content(file), big);
  EXPECT_GT(stack.fetcher.needs().size(), before);
  (void)handle;
}

/// The kernel took the end of what was left for the end of the file, and programs that wrote it back made it so.
TEST_F(AbsentContentTest, WhatIsLeftOfAWipedCacheIsNotGivenToTheKernel) {
  FsStack wiped(dir / "wiped");
  wiped.root_listed = false;
  wiped.options.passthrough = true;
  wiped.open();
  wiped.publish({{"gone", big}, {"cut", big}});
  const InodeId gone = wiped.find("gone")->id, cut = wiped.find("cut")->id;
  for (InodeId file : {gone, cut}) {
    EXPECT_EQ(wiped.content(file), big);
    ASSERT_OK(wiped.backing->make_clean(file));
    Opened whole = wiped.fs->open(r, file, FsStack::ro()).value();
    EXPECT_TRUE(whole.passthrough);
    wiped.fs->release(whole.handle);
  }
  wiped.close();
  for (const auto& entry : std::filesystem::recursive_directory_iterator(wiped.directory() + "/cache/backing"))
    if (entry.is_regular_file()) std::filesystem::remove(entry.path());
  wiped.open();
  {
    auto file = wiped.backing->open_file(cut, true).value();
    ASSERT_OK(file->file().write_at(0, as_bytes(std::string_view(big).substr(0, 1u << 20))));
  }
  for (InodeId file : {gone, cut}) {
    Opened opened = wiped.fs->open(r, file, FsStack::ro()).value();
    EXPECT_FALSE(opened.passthrough);
    EXPECT_EQ(*wiped.read(opened.handle, 0, big.size()), big);
    wiped.fs->release(opened.handle);
    Opened again = wiped.fs->open(r, file, FsStack::rw()).value();
    EXPECT_TRUE(again.passthrough) << "all of it is here again";
    wiped.fs->release(again.handle);
  }
}

TEST_F(AbsentContentTest, AWipedCacheOfASmallFileIsReadFromItsManifest) {
  InodeId file = id("small");
  ASSERT_OK(stack.backing->open_file(file, true).value()->file().write_at(0, as_bytes("a small file")));
  {
    MutexLock lock(stack.store->mutex());
    ASSERT_TRUE(stack.store->note_content(lock, file, {0, 12}, true).ok());
  }
  ASSERT_OK(stack.backing->remove(file));
  EXPECT_EQ(stack.content(file), "a small file");
}

/// By a cleaner that does not ask who uses it: folders and all, while the file's descriptor is still kept.
TEST_F(AbsentContentTest, ACacheThatIsWipedUnderAMountIsMadeAgain) {
  const InodeId file = id("big");
  EXPECT_EQ(stack.content(file), big);
  ASSERT_OK(stack.backing->make_clean(file));
  std::filesystem::remove_all(stack.directory() + "/cache/backing");
  HandleId handle = stack.open_file(file, FsStack::rw());
  ASSERT_TRUE(stack.write(handle, 10, "changed").ok());
  big.replace(10, 7, "changed");
  EXPECT_EQ(*stack.read(handle, 0, big.size()), big);
  stack.fs->release(handle);
  const InodeId other = id("sparse");
  std::filesystem::remove_all(stack.directory() + "/cache/backing");
  EXPECT_EQ(stack.content(other), sparse);
  ASSERT_OK(stack.backing->make_clean(other));
}

TEST_F(AbsentContentTest, ACacheFileCutByAPowerCutIsFetchedAgain) {
  InodeId file = id("big");
  EXPECT_EQ(stack.content(file), big);
  ASSERT_OK(stack.backing->open_file(file, false).value()->file().truncate(1u << 20));
  EXPECT_EQ(stack.content(file), big);
}

TEST_F(AbsentContentTest, EvictionTakesCleanFilesNotInUse) {
  InodeId file = id("big");
  EXPECT_EQ(stack.content(file), big);
  ASSERT_OK(stack.backing->make_clean(file));
  struct All final : EvictionJudge {
    bool give_up(InodeId) override { return true; }
  };
  stack.options.reserve_bytes = UINT64_MAX / 2;   // as if the disk were full: everything clean goes
  HandleId handle = stack.open_file(file, FsStack::ro());
  stack.fs->release(handle);
  InodeId written = stack.write_file("mine", "unsent");
  stack.close();
  stack.open();
  ASSERT_OK(stack.backing->sweep([](InodeId) { return true; }));
  EXPECT_CODE(stack.fs->make_directory(r, kRootInode, "d", 0755), Code::kNoSpace);
  EXPECT_FALSE(stack.backing->exists(file));
  EXPECT_TRUE(stack.backing->exists(written));
  EXPECT_FALSE(stack.content_row(file).valid.intersects({0, big.size()}));
  EXPECT_EQ(stack.content(written), "unsent");
  EXPECT_EQ(stack.content(file), big);
}

TEST_F(AbsentContentTest, ARemoteChangeShowsInOpenFilesAndDoubtsThePages) {
  InodeId file = id("small");
  HandleId handle = stack.open_file(file, FsStack::ro());
  EXPECT_EQ(*stack.read(handle), "a small file");
  Manifest manifest;
  manifest.inline_data = to_bytes("changed");
  manifest.size = 7;
  PutEffect put{file, {WriterId{9}, 999}, 7, {}, {}, encode_manifest(manifest)};
  auto changes = stack.store->apply_commit(Sequence{2}, Hash256{}, {put}, {});
  ASSERT_OK(changes);
  stack.fs->tree_changed(*changes);
  EXPECT_EQ(*stack.read(handle), "changed");
  auto opened = stack.fs->open(r, file, FsStack::ro()).value();
  EXPECT_FALSE(opened.keep_cache);
  EXPECT_TRUE(stack.fs->open(r, file, FsStack::ro())->keep_cache);
}

TEST_F(AbsentContentTest, ARemoteUnlinkKeepsTheOpenFile) {
  InodeId file = id("small");
  HandleId handle = stack.open_file(file, FsStack::ro());
  auto changes = stack.store->apply_commit(Sequence{2}, Hash256{}, {UnlinkEffect{kRootInode, "small", file}}, {});
  ASSERT_OK(changes);
  stack.fs->tree_changed(*changes);
  EXPECT_CODE(stack.find("small"), Code::kNotFound);
  EXPECT_EQ(*stack.read(handle), "a small file");
  stack.fs->release(handle);
  EXPECT_CODE(stack.fs->get_attributes(r, file), Code::kStale);
}

}  // namespace
}  // namespace skymoor::client
