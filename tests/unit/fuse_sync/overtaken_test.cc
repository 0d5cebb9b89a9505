// What happens to a file in the middle of something else that is done with it.
#include <fcntl.h>
#include <unistd.h>

#include <thread>

#include "tests/unit/fuse_sync/sync_fixture.h"

namespace skymoor::client {
namespace {

using OvertakenTest = SyncEngineTest;

/// Another device has cut the file, and made it anew, when a write behind its new end is on its way: between the two are zeros,
/// not what was there before.
TEST_F(OvertakenTest, AWriteBehindTheNewEndShowsNothingOfTheOldBytes) {
  SyncDevice& a = device("anna");
  SyncDevice& b = device("berta");
  a.write("f", noise(3u << 20, 1));
  a.sync();
  b.catch_up();
  b.read("f");
  Request r;
  const auto opened = b.files().open(r, b.inode_of("f"), {.read = true, .write = true});
  ASSERT_TRUE(opened.ok());
  const std::string shorter = noise(100000, 2), written = noise(4096, 3);
  const std::uint64_t at = 2u << 20;
  const auto done = b.files().write(r, opened->handle, at, written.size(), [&](int fd, std::uint64_t offset) -> Result<std::size_t> {
    std::thread([&] {   // as the devices are: a thread that holds a lock of one takes none of the other
      a.write("f", shorter);
      a.sync();
      b.catch_up();
    }).join();
    return static_cast<std::size_t>(::pwrite(fd, written.data(), written.size(), static_cast<off_t>(offset)));
  });
  ASSERT_TRUE(done.ok()) << done.error().to_string();
  b.files().release(opened->handle);
  std::string expected = shorter;
  expected.resize(at, '\0');
  expected += written;
  EXPECT_TRUE(b.read("f") == expected);
  b.sync();
  EXPECT_TRUE(volume_.tree().at("f").bytes == expected);
  expect_converged();
}

/// The kernel writes some files by itself, and nobody's lock keeps it out: what is sent is what the file was at one moment.
TEST_F(OvertakenTest, WhatIsWrittenPastUsWhileAFileIsReadIsSentWholeOrNotAtAll) {
  SyncDevice& a = device("anna");
  a.sync();
  a.paths();
  a.remote().set_offline(true);
  const std::string before = noise(96u << 20, 1);   // more than may be on its way at a time
  a.write("f", before);
  const auto backing = a.backing().open_file(a.inode_of("f"), false);
  ASSERT_TRUE(backing.ok());
  std::string after = before;
  after.replace(0, 5, "first");
  after.replace(after.size() - 6, 6, "second");
  std::atomic<bool> written{false};
  a.remote().carry = [&](std::string_view) -> Status {
    // By the time anything is sent the beginning was read, and the end was not.
    if (a.remote().packs == 1 && !written.exchange(true)) {
      EXPECT_EQ(::pwrite((*backing)->fd(), "first", 5, 0), 5);
      EXPECT_EQ(::pwrite((*backing)->fd(), "second", 6, static_cast<off_t>(before.size() - 6)), 6);
    }
    return {};
  };
  a.remote().set_offline(false);
  a.sync();
  ASSERT_TRUE(written);
  EXPECT_TRUE(volume_.tree().at("f").bytes == after);
}

/// The same for a small file, which is read at once while changes through us wait: what is seen to have been written beside it
/// is read once more.
TEST_F(OvertakenTest, WhatIsWrittenPastUsWhileASmallFileIsReadIsReadAgain) {
  const std::string before = noise(100000, 1);
  std::string after = before, backing;
  after.replace(0, 5, "first");
  std::atomic<bool> looking{false};
  std::atomic<int> reads{0};
  PosixDisk disk([&](const FaultPoint& point) {
    if (point.name != "file.read" || !looking || point.detail != backing) return 0;
    if (++reads == 1) {
      UniqueFd other(::open(backing.c_str(), O_WRONLY | O_CLOEXEC));
      EXPECT_EQ(::pwrite(other.get(), "first", 5, 0), 5);
    }
    return 0;
  });
  SyncDevice a(volume_, "anna", 1, directory_ + "/anna", {.disk = &disk});
  a.sync();
  a.paths();
  a.remote().set_offline(true);
  a.write("f", before);
  {
    const auto opened = a.backing().open_file(a.inode_of("f"), false);
    ASSERT_TRUE(opened.ok());
    backing = std::filesystem::read_symlink("/proc/self/fd/" + std::to_string((*opened)->fd()));
  }
  looking = true;
  a.remote().set_offline(false);
  a.sync();
  EXPECT_GE(reads, 2);
  EXPECT_TRUE(volume_.tree().at("f").bytes == after);
}

}  // namespace
}  // namespace skymoor::client
