// Between the kernel's structures and ours.
#pragma once
#define FUSE_USE_VERSION 314
#include <fuse3/fuse_lowlevel.h>

#include "fuse/filesystem/filesystem.h"

namespace skymoor::client {

/// On the thread that read it, for its `number`.
Request request_of(fuse_req_t req);
/// By which the kernel knows it.
inline InodeId number_of(const Node& node) { return node.number ? node.number : node.id; }
struct stat to_stat(const Node& node);
fuse_entry_param to_entry(const Node& node);
OpenFlags to_open_flags(int flags);
timespec to_timespec(Timestamp time);
Timestamp to_timestamp(const timespec& time);

}  // namespace skymoor::client
