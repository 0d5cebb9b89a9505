// ServerTree: the server's tree at one sequence, fetched as it is asked for.
#pragma once
#include <map>
#include <unordered_map>

#include "fuse/journal/metadata_store.h"
#include "fuse/remote/volume_remote.h"
#include "fuse/sync/download/directory_fetcher.h"
#include "fuse/sync/plan/tree_view.h"
#include "fuse/sync/restore/new_history.h"

namespace skymoor::client {

/// All answers are of one sequence. Used by the sync thread alone. Errors of every read: Conflict (the server has moved
/// on: begin anew), Resync (another epoch), Corrupt, those of the server.
class ServerTree final : public TreeView {
 public:
  struct Dependencies {
    VolumeRemote& remote;
    const crypto::VolumeCipher& cipher;
    DirectoryFetcher& rows;                ///< opens records
    MetadataStore::Confirmed& confirmed;   ///< tells where directories are that nobody has moved
    const NewHistory& history;
    const CallOptions& options;
  };
  ServerTree(Dependencies dependencies, const protocol::VolumeInfo& at)
      : d_(dependencies), epoch_(at.epoch), sequence_(at.head) {}

  /// Asks for many at once.
  Status load(const std::vector<InodeId>& inodes);
  /// Nothing: the server has never had it. Dead ones have no links.
  Result<const MetadataStore::ListedRow*> row(InodeId inode);
  /// What is in a directory, by name; empty for one that is not there.
  Result<const std::map<std::string, InodeId>*> entries(InodeId directory);

  Result<std::optional<TreeNode>> node(InodeId inode) override;
  Result<std::optional<InodeId>> slot(const Place& place) override;
  Result<std::vector<Place>> places(InodeId inode) override;   ///< in directories that were looked at
  Result<std::optional<Place>> last_place(InodeId) override { return std::optional<Place>(); }
  Result<std::vector<std::string>> children(InodeId directory, std::size_t limit) override;
  Result<std::map<std::string, Bytes>> xattrs(InodeId inode) override;

  Sequence sequence() const { return sequence_; }

 private:
  Status check(Epoch epoch, Sequence sequence) const;
  Result<std::optional<Place>> place_unseen(InodeId inode, bool directory);

  Dependencies d_;
  const Epoch epoch_;
  const Sequence sequence_;
  std::unordered_map<InodeId, std::optional<MetadataStore::ListedRow>> rows_;
  std::unordered_map<InodeId, std::map<std::string, InodeId>> entries_;
  std::unordered_map<InodeId, std::vector<Place>> places_;
};

}  // namespace skymoor::client
