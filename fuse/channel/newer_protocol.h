// What the kernel's FUSE protocol has and libfuse 3.14 does not know.
#pragma once
#include <sys/types.h>

#include <atomic>
#include <cstdint>
#include <string_view>

struct iovec;

namespace skymoor::client {

/// What stands in a create request instead of a name when the file is to have none (O_TMPFILE): the kernel's own word for
/// it (slash_name), and no name that a directory can hold.
inline constexpr std::string_view kNoName = "/";
/// Beside XATTR_CREATE and XATTR_REPLACE in the flags of a setxattr: the access list that is set comes from an owner who
/// is not in the file's group, so that setgid goes.
inline constexpr int kSetxattrKillSgid = 1 << 30;

/// Stands between the session and libfuse. Requests that libfuse does not know are given the shape of ones that it does,
/// so that it carries them like any other, interrupts included; the INIT answer says that we take them:
/// - FUSE_TMPFILE becomes a FUSE_CREATE of `kNoName` (same body, same answer).
/// - FUSE_SETXATTR_EXT: the extended setxattr loses its extension, whose flag becomes `kSetxattrKillSgid`.
/// - FUSE_HANDLE_KILLPRIV_V2: writes, truncations and changes of owner clear setuid and setgid here. The kernel then need
///   not ask for security.capability at each write, and says by a SETATTR of nothing when a caller without privileges
///   writes through passthrough.
/// Thread-safe.
/// Source: include/uapi/linux/fuse.h (7.33, 7.37), fs/fuse/dir.c, fs/fuse/acl.c.
class NewerProtocol {
 public:
  /// Takes the `size` bytes just read from the session; answers how many there are now.
  ssize_t translate(void* request, ssize_t size);
  /// Looks at an answer on its way out.
  void complete(const iovec* iov, int count);

 private:
  void note_init(const char* body, std::size_t size, std::uint64_t unique);

  std::atomic<std::uint64_t> init_unique_{0};
  std::atomic<std::uint32_t> taken_{0};   // flags of INIT that the kernel offers and we take
};

}  // namespace skymoor::client
