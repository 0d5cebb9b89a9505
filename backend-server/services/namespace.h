// NamespaceService: applies commits to a volume's tree, and lists it.
#pragma once
#include <vector>

#include "backend-server/services/caller.h"
#include "shared/base/clock.h"
#include "shared/model/listing.h"
#include "shared/protocol/volumes.h"

namespace skymoor::server {

class BlockStore;
class ChangesService;
class MetadataStore;

struct DirectoryRequest {
  VolumeId volume;
  InodeId directory;
  Bytes after;                          ///< `next` of the page before; empty: from the start
  std::size_t limit = 1000;             ///< entries; at most kMaxListedEntries
  std::size_t manifest_bytes = 0;       ///< sealed manifests up to this long are included
  std::size_t max_bytes = 4u << 20;     ///< stop early rather than build a larger page
};

/// The compare-and-set arbiter of a volume. Thread-safe: commits of many clients are applied one after the other by the
/// store's writer, which makes all that wait durable with one fsync; listings read a snapshot and block nobody.
/// Failure: a commit is applied whole or not at all.
class NamespaceService {
 public:
  NamespaceService(MetadataStore& store, ChangesService& changes, BlockStore& blocks, const Clock& clock)
      : store_(store), changes_(changes), blocks_(blocks), clock_(clock) {}

  /// The same op id with the same payload again gives the stored sequence and hash.
  /// Durability: on return the commit survives kill -9 and power loss.
  /// Errors: InvalidArgument, TooLarge (malformed); NotFound, Forbidden (caller); BadSignature; Resync (epoch, base in the
  /// future, base hash); Conflict (a read object changed after base, or the commit does not fit a tree that is newer than
  /// base: pull and plan again); Unprocessable (it does not fit the very tree it was planned for; op id reused with another
  /// body; writer or device not the caller's); BlockMissing (names blocks); QuotaExceeded; Busy (queue full).
  Result<protocol::CommitReply> commit(const Caller& caller, const VolumeId& volume, const SignedCommit& commit);

  /// Errors: NotFound, NotDirectory, InvalidArgument (cursor).
  Result<DirectoryPage> directory(const Caller& caller, const DirectoryRequest& request);
  struct InodesOptions {
    bool dead = false;                  ///< deleted ones, too, with 0 links
    std::size_t max_bytes = 8u << 20;
  };
  /// At most kMaxListedEntries ids; unknown ones are left out. Manifests beyond `max_bytes` are left out of their
  /// records (`manifest_left_out`: ask again for those; the first record has its own always).
  /// Errors: NotFound (volume), TooLarge (too many ids, or the xattrs alone are too much: ask for fewer).
  Result<InodePage> inodes(const Caller& caller, const VolumeId& volume, const std::vector<InodeId>& ids) {
    return inodes(caller, volume, ids, InodesOptions{});
  }
  Result<InodePage> inodes(const Caller& caller, const VolumeId& volume, const std::vector<InodeId>& ids,
                           InodesOptions options);

 private:
  Result<std::vector<BlockId>> lost_blocks(const Commit& commit) const;

  // Constant after construction.
  MetadataStore& store_;
  ChangesService& changes_;
  BlockStore& blocks_;
  const Clock& clock_;
};

}  // namespace skymoor::server
