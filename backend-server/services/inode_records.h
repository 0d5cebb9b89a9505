// Inodes as pages of listings and of history hold them. Private to the room.
#pragma once
#include "backend-server/metadata_store/namespace_table.h"

namespace skymoor::server {

/// Fills a record, with the manifest if it is at most `manifest_bytes` long.
Result<InodeRecord> record_of(const NamespaceTable& names, VolumeNumber volume, InodeRow row,
                              std::size_t manifest_bytes);

/// What a record adds to a page, about.
std::size_t size_of(const InodeRecord& record);

}  // namespace skymoor::server
