// LostContents: contents that the server lacks, made whole there again from what this device holds.
#pragma once
#include <map>
#include <optional>
#include <unordered_map>
#include <unordered_set>

#include "fuse/cache/backing_store.h"
#include "fuse/journal/metadata_store.h"
#include "fuse/sync/upload/upload_round.h"
#include "shared/model/manifest.h"

namespace skymoor::client {

/// Used by the sync thread alone. Blocks that the server still has are not sent. Failure: what was stored stays stored.
class LostContents {
 public:
  struct Dependencies {
    MetadataStore& store;
    BackingStore& backing;
    UploadContext& upload;
  };
  explicit LostContents(Dependencies dependencies) : d_(dependencies) {}

  struct Wanted {
    InodeId inode;
    OpId content;
  };
  /// Has the confirmed contents of these files stored at the server, as far as this device can.
  /// Errors: those of the disk and of the server.
  Status prepare(const std::vector<Wanted>& wanted, MetadataStore::Confirmed& confirmed, const CallOptions& options);
  bool prepared(InodeId inode) const { return manifests_.contains(inode); }
  /// The content's manifest; nothing: neither the server nor this device holds all of it.
  std::optional<Bytes> manifest(InodeId inode) const {
    auto it = manifests_.find(inode);
    return it == manifests_.end() ? std::nullopt : it->second;
  }

 private:
  /// A content on its way: chunks that the server lacks are sealed anew from the backing file.
  struct Sending {
    Wanted wanted;
    Manifest manifest;
    std::vector<std::pair<std::size_t, std::uint64_t>> lacking;   ///< chunk, its offset
    bool whole = true;            ///< false: a chunk is not here
    bool clean = false;           ///< the backing file holds this content and nothing else
    std::uint64_t generation = 0;
  };
  Status ask(const std::vector<Sending>& all, const CallOptions& options);
  Status send(Sending& sending, UploadRound& round);
  Result<bool> read(const Sending& sending, BackingFile& file, std::uint64_t offset, std::span<std::uint8_t> out);
  Result<bool> is_clean(const Wanted& wanted);

  Dependencies d_;
  std::unordered_map<BlockId, bool> stored_;
  std::map<InodeId, std::optional<Bytes>> manifests_;
};

}  // namespace skymoor::client
