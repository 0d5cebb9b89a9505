// RowMaker: turns a re-planned record's effects into the row changes they amount to.
#pragma once
#include <map>
#include <set>

#include "fuse/journal/metadata_store.h"
#include "fuse/sync/plan/planner.h"

namespace skymoor::client {

/// Used once for each record, under the store's lock. Reads the visible tree as it stands so far; where that lacks an
/// inode (a dead one that comes back), the confirmed tree.
class RowMaker {
 public:
  /// `tree` is the planned tree, in each call with the effects so far.
  RowMaker(MetadataStore& store, MetadataStore::Confirmed& confirmed, const MutexLock& lock, TreeView& tree,
           const LogRecord& record)
      : store_(store), confirmed_(confirmed), lock_(lock), tree_(tree), record_(record), writer_(store.identity().writer) {}

  Status add(const TreeEffect& effect);
  /// What the record did to inodes that only this device knows (unlinked or unnamed open files) stays as it was.
  Status add_local(const Aliases& known);
  std::vector<RowChange> take();

 private:
  Status one(const NewEffect& effect);
  Status one(const LinkEffect& effect);
  Status one(const UnlinkEffect& effect);
  Status one(const PutEffect& effect);
  Status one(const AttributeEffect& effect);
  Status one(const XattrEffect& effect);
  Result<std::optional<InodeRow>*> look(InodeId inode);
  /// To be changed. `names_more`: by how many names the effect at hand, which the tree has already, adds to it.
  Result<std::optional<InodeRow>*> row(InodeId inode, int names_more = 0);
  Result<bool> is_orphan(InodeId inode);
  bool named_then(InodeId inode) const;
  const InodeRow* row_then(InodeId inode) const;
  Result<std::optional<InodeId>> holder_of(InodeId inode, const Aliases& known);
  Status add_content(InodeId inode, const RowChange& change, const Aliases& known);
  std::uint64_t cookie_for(const LinkEffect& effect) const;

  MetadataStore& store_;
  MetadataStore::Confirmed& confirmed_;
  const MutexLock& lock_;
  TreeView& tree_;
  const LogRecord& record_;
  const WriterId writer_;
  std::map<InodeId, std::optional<InodeRow>> rows_;
  std::set<InodeId> changed_, visible_;
  std::map<InodeId, std::uint32_t> unlinked_directories_;   ///< their link counts, for when they are linked again
  std::vector<RowChange> changes_;
};

}  // namespace skymoor::client
