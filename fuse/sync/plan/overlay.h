// Overlay: effects applied on top of a tree that itself stays as it is.
#pragma once
#include <map>
#include <set>
#include <unordered_map>

#include "fuse/journal/tree_effect.h"
#include "fuse/sync/plan/tree_view.h"

namespace skymoor::client {

/// A tree in the making: `base` with effects applied. Remembers what it read of the base, so that the difference between
/// the two (the net effects of a batch) needs no second look.
///
/// Not thread-safe. `base` must outlive it. Memory: what was read and changed. Failure: `apply` refuses what the arbiter
/// would refuse (used slot, dead parent) with Internal, because a plan must never contain it.
class Overlay final : public TreeView {
 public:
  explicit Overlay(TreeView& base) : base_(base) {}

  Result<std::optional<TreeNode>> node(InodeId inode) override;
  Result<std::optional<InodeId>> slot(const Place& place) override;
  Result<std::vector<Place>> places(InodeId inode) override;
  Result<std::optional<Place>> last_place(InodeId inode) override;
  Result<std::vector<std::string>> children(InodeId directory, std::size_t limit) override;
  Result<bool> is_new(InodeId inode) override;
  Result<bool> is_new_name(const Place& place, InodeId inode) override;
  Result<std::map<std::string, Bytes>> xattrs(InodeId inode) override;

  Status apply(const TreeEffect& effect);

  struct NodeState {
    std::optional<TreeNode> base, now;
    std::uint8_t fields = 0;                 ///< attribute fields that effects have set
    std::map<std::string, std::optional<Bytes>> xattrs;
    std::set<Place> added, removed;          ///< places against the base
    std::optional<Place> last;               ///< set when it died here
    bool created() const { return !base && now; }
    bool live() const { return now && now->live(); }
    bool content_changed() const { return now && now->content != (base ? base->content : OpId{}); }
  };
  struct SlotState {
    std::optional<InodeId> base, now;
  };
  const std::unordered_map<InodeId, NodeState>& nodes() const { return nodes_; }
  const std::unordered_map<Place, SlotState>& slots() const { return slots_; }
  TreeView& base() { return base_; }

  /// About how many effects, and bytes of a commit, the difference amounts to: for cutting batches in time.
  std::size_t effect_count() const { return effect_count_; }
  std::size_t effect_bytes() const { return effect_bytes_; }

 private:
  Result<NodeState*> load(InodeId inode);
  Result<SlotState*> load_slot(const Place& place);
  Status apply_one(const NewEffect& effect);
  Status apply_one(const LinkEffect& effect);
  Status apply_one(const UnlinkEffect& effect);
  Status apply_one(const PutEffect& effect);
  Status apply_one(const AttributeEffect& effect);
  Status apply_one(const XattrEffect& effect);
  void weigh(const NodeState& state, bool add);
  void weigh(const Place& place, const SlotState& state, bool add);

  TreeView& base_;
  std::unordered_map<InodeId, NodeState> nodes_;
  std::unordered_map<Place, SlotState> slots_;
  std::unordered_map<InodeId, std::set<std::string>> added_children_, removed_children_;
  std::size_t effect_count_ = 0, effect_bytes_ = 0;
};

/// Sets the fields of `effect` in `attributes`.
void set_fields(Attributes& attributes, std::uint8_t fields, const Attributes& values);
/// Which of `fields` differ between the two.
std::uint8_t differing_fields(const Attributes& a, const Attributes& b, std::uint8_t fields);

}  // namespace skymoor::client
