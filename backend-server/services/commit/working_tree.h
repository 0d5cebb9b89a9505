// WorkingTree: the part of a volume's tree that one commit touches, as it becomes effect by effect.
#pragma once
#include <map>
#include <optional>
#include <unordered_map>

#include "backend-server/metadata_store/namespace_table.h"

namespace skymoor::server {

struct SlotKey {
  InodeId directory;
  NameToken token;
  friend bool operator==(const SlotKey&, const SlotKey&) = default;
};
struct SlotKeyHash {
  std::size_t operator()(const SlotKey& key) const noexcept {
    return std::hash<InodeId>()(key.directory) ^ std::hash<NameToken>()(key.token);
  }
};

/// An inode as the effects so far have left it, and what they did to it.
struct WorkingInode {
  InodeRow row;
  bool exists = false;           ///< false: no inode of this id, now
  bool is_new = false;
  bool was_live = false;
  std::uint64_t counted_bytes = 0;  ///< what it gave to the volume's content_bytes
  bool relinked = false;         ///< linked or unlinked
  bool children_changed = false;
  std::size_t entries_added = 0;    ///< slots that hold something now and were free before
  std::size_t entries_vacated = 0;  ///< slots that are free now and held something before
  bool edited = false;           ///< content, attributes or an xattr set
  const PutContent* put = nullptr;  ///< the last one
  std::map<NameToken, const SetXattr*> xattrs;
  struct LastPlace {
    SlotKey slot;
    Bytes sealed_name;
  };
  std::optional<LastPlace> last_place;  ///< where it was unlinked last
  bool changed() const { return is_new || relinked || children_changed || edited; }
};

struct WorkingSlot {
  std::optional<SlotRow> before, now;
  bool changed = false;
};

/// Loads inodes and slots when they are first asked for and keeps them, so that a commit reads each row once. Writes
/// nothing. Not thread-safe; lives for one commit, whose effects outlive it. References stay valid as more is loaded.
class WorkingTree {
 public:
  WorkingTree(const NamespaceTable& names, VolumeNumber volume) : names_(names), volume_(volume) {}

  Result<WorkingInode*> inode(InodeId id);
  Result<WorkingSlot*> slot(const SlotKey& key);
  /// Whether a directory has no entry now. Errors: Io.
  Result<bool> is_empty(const WorkingInode& directory) const;

  std::unordered_map<InodeId, WorkingInode>& inodes() { return inodes_; }
  std::unordered_map<SlotKey, WorkingSlot, SlotKeyHash>& slots() { return slots_; }

 private:
  const NamespaceTable& names_;
  const VolumeNumber volume_;
  std::unordered_map<InodeId, WorkingInode> inodes_;
  std::unordered_map<SlotKey, WorkingSlot, SlotKeyHash> slots_;
};

}  // namespace skymoor::server
