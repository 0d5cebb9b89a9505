// GiveBack: one commit's worth of what the server has lost.
#pragma once
#include <map>
#include <set>
#include <unordered_set>

#include "fuse/sync/plan/overlay.h"
#include "fuse/sync/plan/planner.h"
#include "fuse/sync/restore/lost_contents.h"
#include "fuse/sync/restore/server_tree.h"

namespace skymoor::client {

/// Compares the confirmed tree with the server's, and makes on top of the latter what the lost part of history had made
/// and nobody has made differently since. The rules: RESTORE.md. Used once, by the sync thread. Failure: forget it.
class GiveBack {
 public:
  struct Dependencies {
    MetadataStore::Confirmed& mine;
    ServerTree& server;
    const NewHistory& history;
    LostContents& contents;
    const PlanContext& context;
    Sequence cursor;               ///< of the ended epoch
    WriterId writer;               ///< of ids made here
    std::uint64_t& ids;            ///< how many were made
    Timestamp now{};
    std::size_t max_effects = 8000;
    const CallOptions& options;
  };
  explicit GiveBack(Dependencies dependencies) : d_(dependencies), tree_(dependencies.server) {}

  /// `lost`: the inodes that the lost part touched. Errors: those of the server, Internal.
  Status run(const std::vector<InodeId>& lost);

  struct Missing {
    InodeId inode;
    OpId content;
  };
  Overlay& tree() { return tree_; }
  bool more() const { return more_; }                     ///< a limit was reached
  const std::vector<Restored::State>& states() const { return states_; }
  const std::vector<Missing>& missing() const { return missing_; }
  /// Directories whose entries the lost part touched.
  const std::set<InodeId>& directories() const { return directories_; }
  /// Names its contents' manifests in the net effects.
  Status fill_in(std::vector<TreeEffect>& effects) const;
  std::set<PlannedRead> reads() const;

 private:
  struct Lost {
    InodeRow row;
    std::vector<Place> places;
    bool done = false;
  };
  // What to look at.
  Status find_open(const std::vector<InodeId>& lost);
  Status find_deleted_directories();
  Status prepare_contents();
  Result<bool> wants_content(InodeId inode, const Lost& lost);
  // One inode.
  Status give(InodeId inode);
  Status names(InodeId inode, const Lost& lost);
  Status content(InodeId inode, const Lost& lost, bool& complete);
  Status conflict_copy(InodeId inode, const Lost& lost, const Bytes& manifest);
  Status attributes(InodeId inode, const Lost& lost, bool complete);
  Status xattrs(InodeId inode);
  // Places.
  Result<bool> link_at(const Place& place, InodeId inode, bool directory);
  Result<bool> make_room(const Place& place, InodeId occupant);
  Result<bool> ensure_live(InodeId directory);
  Result<bool> is_under(InodeId directory, InodeId ancestor);
  Result<Place> free_place(Place place, bool directory);
  Result<bool> left(InodeId inode, const Lost& lost, const Place& place);
  Status leave_old_places(InodeId inode, const Lost& lost);
  // Deletions.
  Status deletions();
  bool may_delete(InodeId inode) const;
  Result<bool> remove(const Place& place, InodeId inode, int depth = 0);
  bool full();

  Dependencies d_;
  Overlay tree_;
  std::map<InodeId, Lost> open_;              ///< lost and not given back by anybody yet
  std::set<InodeId> directories_;
  std::unordered_set<InodeId> reviving_;
  std::map<InodeId, Bytes> manifests_;        ///< of contents that are put
  std::vector<Restored::State> states_;
  std::vector<Missing> missing_;
  std::set<PlannedRead> emptied_;
  bool more_ = false;
};

}  // namespace skymoor::client
