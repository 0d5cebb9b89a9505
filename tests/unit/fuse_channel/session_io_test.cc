// What is noted of requests, and what a thread that was killed in a read leaves to the next process.
#include "fuse/channel/session_io.h"

#include <gtest/gtest.h>
#include <linux/fuse.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <vector>

namespace skymoor::client {
namespace {

/// A process that was killed while it read had no page for the kernel to copy to: a write was answered with EIO.
TEST(SessionIo, TheBufferIsThereBeforeItIsReadInto) {
  const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  const std::size_t size = 257 * page;
  void* buffer = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(buffer, MAP_FAILED);
  auto present = [&] {
    std::vector<unsigned char> pages(size / page);
    EXPECT_EQ(::mincore(buffer, size, pages.data()), 0);
    return std::count_if(pages.begin(), pages.end(), [](unsigned char one) { return one & 1; });
  };
  EXPECT_EQ(present(), 0);
  keep_resident(buffer, size);
  EXPECT_EQ(present(), 257);
  ::munmap(buffer, size);
}

TEST(SessionIo, ARequestsNumberIsKeptForItsThread) {
  fuse_in_header header = {};
  header.unique = 7 | kResent;
  note_request(&header, sizeof header - 1);
  EXPECT_EQ(request_just_read(), 0u);
  note_request(&header, sizeof header);
  EXPECT_EQ(request_just_read(), 7 | kResent);
}

}  // namespace
}  // namespace skymoor::client
