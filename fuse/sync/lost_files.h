// What becomes of files whose unsent bytes are gone.
#pragma once
#include "fuse/cache/backing_store.h"
#include "fuse/journal/metadata_store.h"

namespace skymoor::client {

/// Looks at every file with unsent bytes, before anybody reads it, and settles those whose backing file is missing. A file that
/// the server has, and whose list of blocks is known here, becomes what the server has: recorded as a change, for nothing that it
/// holds may be replaced by nothing. One that the server never had is made anew, and reads as zeros, if the machine lost its power
/// before anybody synced it, as on any local filesystem. All others are left alone: reading them, and sending them, is an error.
/// Each is told of in the log. Errors: those of the store and the cache.
Status settle_lost_files(MetadataStore& store, BackingStore& backing);

}  // namespace skymoor::client
