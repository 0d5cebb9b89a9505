// What the session's own read and write do beside reading and writing.
#pragma once
#include <sys/types.h>

#include <cstdint>

namespace skymoor::client {

/// Set in the number of a request that the kernel sends again (FUSE_NOTIFY_RESEND). Source: include/uapi/linux/fuse.h.
inline constexpr std::uint64_t kResent = 1ull << 63;

/// The number of the request that the calling thread read last; 0: it reads none.
std::uint64_t request_just_read();
/// Takes the number from what was just read.
void note_request(const void* request, ssize_t size);

}  // namespace skymoor::client
