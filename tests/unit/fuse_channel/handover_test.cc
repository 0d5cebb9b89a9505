#include "fuse/channel/handover.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>

namespace skymoor::client {
namespace {

/// The other process's view of the same memory.
std::shared_ptr<Handover> again(const Handover& handover) {
  auto adopted = Handover::adopt(UniqueFd(::fcntl(handover.fd(), F_DUPFD_CLOEXEC, 0)));
  EXPECT_TRUE(adopted.ok());
  return *adopted;
}

OpenFile file(std::uint64_t handle, std::uint64_t inode, std::uint64_t request) {
  return {{HandleId{handle}, InodeId{inode}, true, inode % 2 == 1, false, false, inode % 3 == 0}, 7, request};
}

constexpr std::uint64_t kUse = 1ull << 32;   // a handle is a slot and how often it was used

TEST(Handover, OpenFilesOutliveTheProcess) {
  auto first = *Handover::create();
  first->opened(file(kUse | 0, 10, 2));
  first->opened(file(kUse | 1, 11, 4));
  first->opened(file(kUse | 2, 12, 6));
  first->closed(HandleId{kUse | 1});
  const auto open = again(*first)->open_files();
  ASSERT_EQ(open.size(), 2u);
  EXPECT_EQ(open[0].file.inode, InodeId{10});
  EXPECT_FALSE(open[0].file.write);
  EXPECT_EQ(open[1].file.inode, InodeId{12});
  EXPECT_TRUE(open[1].file.passthrough);
  EXPECT_EQ(open[1].backing_id, 7);
  EXPECT_EQ(open[1].request, 6u);
}

TEST(Handover, TellsWhichFilesHaveNoNameYet) {
  auto first = *Handover::create();
  OpenFile named = file(kUse | 0, 10, 2), unnamed = file(kUse | 1, 11, 4);
  unnamed.file.unnamed = true;
  first->opened(named);
  first->opened(unnamed);
  const auto open = again(*first)->open_files();
  ASSERT_EQ(open.size(), 2u);
  EXPECT_FALSE(open[0].file.unnamed);
  EXPECT_TRUE(open[1].file.unnamed);
  EXPECT_TRUE(open[1].file.write);
}

TEST(Handover, ALateCloseLeavesTheSlotsNextHandle) {
  auto handover = *Handover::create();
  handover->opened(file(kUse | 5, 10, 2));
  handover->opened(file(2 * kUse | 5, 11, 4));
  handover->closed(HandleId{kUse | 5});
  ASSERT_EQ(handover->open_files().size(), 1u);
  EXPECT_EQ(handover->open_files()[0].file.inode, InodeId{11});
}

TEST(Handover, HandlesBeyondTheTableAreNotRemembered) {
  auto handover = *Handover::create();
  handover->opened(file(kUse | 0xffffffffu, 10, 2));
  EXPECT_TRUE(handover->open_files().empty());
}

TEST(Handover, TellsWhichRecordARequestWasAboutToMake) {
  auto first = *Handover::create();
  first->about_to_commit(Lsn{5});   // nobody's request
  {
    Handover::Serving serving(42);
    first->about_to_commit(Lsn{6});
  }
  first->about_to_commit(Lsn{7});
  {
    Handover::Serving serving(46);
    first->about_to_commit(Lsn{8});
    first->about_to_commit(Lsn{});   // and failed: another request may make the record
  }
  const auto second = again(*first);
  EXPECT_EQ(second->commit_of(42), Lsn{6});
  EXPECT_FALSE(second->commit_of(44));
  EXPECT_FALSE(second->commit_of(46));
  EXPECT_FALSE(second->commit_of(42 + 2 * 65536));   // the same place
  EXPECT_FALSE(second->commit_of(0));
}

/// The process after the next may find another record under that number.
TEST(Handover, ARecordThatWasNotMadeIsForgotten) {
  auto first = *Handover::create();
  for (std::uint64_t request : {42, 44}) {
    Handover::Serving serving(request);
    first->about_to_commit(Lsn{request});
  }
  auto second = again(*first);
  second->forget_commits_after(Lsn{42});
  EXPECT_EQ(second->commit_of(42), Lsn{42});
  EXPECT_FALSE(second->commit_of(44));
}

TEST(Handover, TellsWhoseSyncFailed) {
  auto first = *Handover::create();
  for (std::uint64_t n : {0, 1, 2}) first->opened(file(kUse | n, 10 + n, 2));
  first->failed(HandleId{kUse | 1});
  first->failed(HandleId{2 * kUse | 2});   // another file's by now
  const auto open = again(*first)->open_files();
  ASSERT_EQ(open.size(), 3u);
  EXPECT_FALSE(open[0].file.failed);
  EXPECT_TRUE(open[1].file.failed);
  EXPECT_FALSE(open[2].file.failed);
  first->opened(file(2 * kUse | 1, 11, 4));
  EXPECT_FALSE(first->open_files()[1].file.failed);
}

TEST(Handover, WhatWasNegotiatedIsKept) {
  auto first = *Handover::create();
  EXPECT_TRUE(first->init().empty());
  const Bytes request{1, 2, 3};
  first->keep_init(request, true);
  EXPECT_EQ(again(*first)->init(), request);
  EXPECT_TRUE(again(*first)->passthrough());
}

TEST(Handover, MissingNoticesShow) {
  auto first = *Handover::create();
  EXPECT_EQ(first->notices_missing(), 0u);
  for (int i = 0; i < 3; ++i) first->notice_queued();
  first->notices_told(1);
  auto second = again(*first);
  EXPECT_EQ(second->notices_missing(), 2u);
  second->notices_told(2);   // by way of all that the kernel may know
  EXPECT_EQ(again(*second)->notices_missing(), 0u);
}

TEST(Handover, RefusesWhatIsNotOne) {
  UniqueFd empty(::memfd_create("empty", MFD_CLOEXEC));
  EXPECT_EQ(Handover::adopt(std::move(empty)).error().code(), Code::kCorrupt);
  auto made = *Handover::create();
  const std::uint32_t other_format = Handover::kFormat + 1;
  ASSERT_EQ(::pwrite(made->fd(), &other_format, sizeof other_format, 8), 4);
  EXPECT_EQ(Handover::adopt(UniqueFd(::fcntl(made->fd(), F_DUPFD_CLOEXEC, 0))).error().code(), Code::kNotSupported);
}

}  // namespace
}  // namespace skymoor::client
