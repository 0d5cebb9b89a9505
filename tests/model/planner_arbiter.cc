#include "tests/model/planner_simulation.h"

namespace skymoor::client::model {
namespace {

/// Objects whose version an effect moves.
std::vector<PlannedRead> touched(const TreeEffect& effect) {
  if (const auto* e = std::get_if<NewEffect>(&effect)) return {{ReadKind::kInode, e->inode, {}}};
  if (const auto* e = std::get_if<LinkEffect>(&effect))
    return {{ReadKind::kSlot, e->directory, e->name},
            {ReadKind::kInode, e->inode, {}},
            {ReadKind::kChildren, e->directory, {}}};
  if (const auto* e = std::get_if<UnlinkEffect>(&effect))
    return {{ReadKind::kSlot, e->directory, e->name},
            {ReadKind::kInode, e->inode, {}},
            {ReadKind::kChildren, e->directory, {}}};
  if (const auto* e = std::get_if<PutEffect>(&effect)) return {{ReadKind::kInode, e->inode, {}}};
  return {};
}

bool under(TreeView& tree, InodeId directory, InodeId ancestor) {
  for (int steps = 0; steps < 1000; ++steps) {
    if (directory == ancestor) return true;
    if (directory == kRootInode) return false;
    auto places = tree.places(directory).value();
    if (places.empty()) return false;
    directory = places.front().directory;
  }
  throw Violation("cycle at the arbiter");
}

}  // namespace

bool Arbiter::fits(const std::vector<TreeEffect>& effects) {
  Overlay after(tree_);
  for (const TreeEffect& effect : effects) {
    if (const auto* e = std::get_if<NewEffect>(&effect); e && tree_.node(e->inode).value()) return false;
    if (const auto* e = std::get_if<LinkEffect>(&effect)) {
      auto node = after.node(e->inode).value();
      if (node && node->directory() && under(after, e->directory, e->inode)) return false;  // the device plans again
    }
    if (Status applied = after.apply(effect); !applied.ok())
      throw Violation("the arbiter was sent nonsense: " + applied.error().message());
  }
  for (const auto& [inode, state] : after.nodes())
    if (state.now && state.now->directory() && !state.live() && !after.children(inode, 1).value().empty())
      throw Violation("a directory with entries was removed");
  return true;
}

void Arbiter::bump(const TreeEffect& effect) {
  for (const PlannedRead& object : touched(effect)) versions_[object] = log_.size();
}

bool Arbiter::commit(OpId op, std::uint64_t base, const std::vector<TreeEffect>& effects,
                     const std::vector<PlannedRead>& reads) {
  if (options_.knows_op_ids && done_.contains(op)) return true;
  if (options_.compares_versions)
    for (const PlannedRead& read : reads) {
      auto it = versions_.find(read);
      if (it != versions_.end() && it->second > base) return false;
    }
  if (!fits(effects)) return false;
  log_.push_back({op, effects});
  for (const TreeEffect& effect : effects) {
    tree_.apply(effect);
    bump(effect);
  }
  done_.insert(op);
  return true;
}

}  // namespace skymoor::client::model
