// What the session's own read and write do beside reading and writing.
#pragma once
#include <sys/types.h>

#include <cstddef>
#include <cstdint>

namespace skymoor::client {

/// Set in the number of a request that the kernel sends again (FUSE_NOTIFY_RESEND). Source: include/uapi/linux/fuse.h.
inline constexpr std::uint64_t kResent = 1ull << 63;

/// The number of the request that the calling thread read last; 0: it reads none.
std::uint64_t request_just_read();
/// Before each read of the calling thread: makes the buffer's pages be there, once. The kernel cannot give a page to a process
/// that was killed meanwhile: it ends the request that it was about to copy with EIO, where one that was read, or not yet, is
/// asked of the next process.
/// Source: fs/fuse/dev.c, fuse_dev_do_read and fuse_copy_fill; mm/gup.c (fatal_signal_pending).
void keep_resident(void* buffer, std::size_t size);
/// Takes the number from what was just read.
void note_request(const void* request, ssize_t size);

}  // namespace skymoor::client
