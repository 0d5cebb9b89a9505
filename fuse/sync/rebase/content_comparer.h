// ContentComparer: whether two devices wrote the same bytes.
#pragma once
#include "fuse/cache/backing_store.h"
#include "fuse/journal/metadata_store.h"
#include "fuse/sync/download/block_reader.h"

namespace skymoor::client {

/// Compares without moving data: a block's id follows from its bytes, so the other side's manifest says what ours must
/// seal to. Used by the sync thread alone.
class ContentComparer {
 public:
  ContentComparer(MetadataStore& store, BackingStore& backing, VolumeRemote& remote, Bytes block_key,
                  const crypto::VolumeCipher& cipher)
      : store_(store), backing_(backing), remote_(remote), block_key_(std::move(block_key)), cipher_(cipher) {}

  /// Whether `mine`, as it is now, holds what `theirs` holds in version `their_content`. False when that cannot be told
  /// here and now. Errors: those of the store; Offline, TimedOut when the manifest has to be asked for.
  Result<bool> same(InodeId mine, InodeId theirs, OpId their_content, MetadataStore::Confirmed& confirmed,
                    const CallOptions& options);

 private:
  Result<std::optional<Manifest>> manifest_of(InodeId inode, OpId content, MetadataStore::Confirmed& confirmed,
                                              const CallOptions& options);
  Result<bool> holds(BackingFile& file, const Manifest& manifest, const std::stop_token& stop);

  MetadataStore& store_;
  BackingStore& backing_;
  VolumeRemote& remote_;
  const Bytes block_key_;
  const crypto::VolumeCipher& cipher_;
};

}  // namespace skymoor::client
