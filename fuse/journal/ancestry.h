// Where an inode stands in the visible tree: what it is below, and its path.
#pragma once
#include <functional>

#include "fuse/journal/metadata_store.h"

namespace skymoor::client {

/// Whether `is_root` says yes to the inode itself or to a directory above one of its names that are known here.
bool is_within(MetadataStore& store, const MutexLock& lock, InodeId inode,
               const std::function<bool(InodeId)>& is_root);

/// Path below the volume's root by its first known name, without a leading slash; empty for the root and for what has no
/// known name. A part that is not known is left out at the front, as "...".
std::string path_of(MetadataStore& store, const MutexLock& lock, InodeId inode);

}  // namespace skymoor::client
