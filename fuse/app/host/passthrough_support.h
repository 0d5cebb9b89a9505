// Whether the kernel can read and write backing files itself (FUSE_PASSTHROUGH).
#pragma once
#include <string>

namespace skymoor::client {

struct PassthroughSupport {
  bool possible = false;
  std::string why_not;
};
/// Kernel 6.9 or newer, and CAP_SYS_ADMIN. Source: Documentation/filesystems/fuse-passthrough.rst.
PassthroughSupport passthrough_support();

/// Whether another process can go on with a mount: the kernel sends what was not answered again. Linux 6.9 or newer.
/// Source: include/uapi/linux/fuse.h (FUSE_NOTIFY_RESEND).
bool takeover_support();

}  // namespace skymoor::client
