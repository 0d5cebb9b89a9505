// MemoryTree: a whole tree in memory as a TreeView, for tests of what plans against one.
#pragma once
#include <map>
#include <set>

#include "fuse/journal/tree_effect.h"
#include "fuse/sync/plan/overlay.h"
#include "fuse/sync/plan/tree_view.h"

namespace skymoor::client {

/// A value; starts with the root alone. Applies effects without judging them.
class MemoryTree final : public TreeView {
 public:
  MemoryTree() {
    nodes_[kRootInode].node.attributes.type = FileType::kDirectory;
    nodes_[kRootInode].node.names = 1;
  }

  Result<std::optional<TreeNode>> node(InodeId inode) override {
    auto it = nodes_.find(inode);
    return it == nodes_.end() ? std::optional<TreeNode>() : std::optional(it->second.node);
  }
  Result<std::optional<InodeId>> slot(const Place& place) override {
    auto it = slots_.find(place);
    return it == slots_.end() ? std::optional<InodeId>() : std::optional(it->second);
  }
  Result<std::vector<Place>> places(InodeId inode) override {
    auto it = nodes_.find(inode);
    if (it == nodes_.end()) return std::vector<Place>();
    return std::vector<Place>(it->second.places.begin(), it->second.places.end());
  }
  Result<std::optional<Place>> last_place(InodeId inode) override {
    auto it = nodes_.find(inode);
    return it == nodes_.end() ? std::optional<Place>() : it->second.last;
  }
  Result<std::vector<std::string>> children(InodeId directory, std::size_t limit) override {
    std::vector<std::string> names;
    for (auto it = slots_.lower_bound({directory, ""}); it != slots_.end() && it->first.directory == directory; ++it) {
      if (names.size() == limit) break;
      names.push_back(it->first.name);
    }
    return names;
  }

  Result<std::map<std::string, Bytes>> xattrs(InodeId inode) override {
    auto it = nodes_.find(inode);
    return it == nodes_.end() ? std::map<std::string, Bytes>() : it->second.xattrs;
  }

  void apply(const TreeEffect& effect) {
    if (const auto* e = std::get_if<NewEffect>(&effect)) nodes_[e->inode].node = {e->attributes, e->target, {}, 0};
    if (const auto* e = std::get_if<LinkEffect>(&effect)) {
      const Place place{e->directory, e->name};
      slots_[place] = e->inode;
      nodes_[e->inode].places.insert(place);
      ++nodes_[e->inode].node.names;
    }
    if (const auto* e = std::get_if<UnlinkEffect>(&effect)) {
      const Place place{e->directory, e->name};
      slots_.erase(place);
      Kept& kept = nodes_[e->inode];
      kept.places.erase(place);
      if (--kept.node.names == 0) kept.last = place;
    }
    if (const auto* e = std::get_if<PutEffect>(&effect)) {
      TreeNode& node = nodes_[e->inode].node;
      node.content = e->content;
      node.attributes.size = e->size;
      node.attributes.mtime = e->mtime;
      node.attributes.ctime = e->ctime;
    }
    if (const auto* e = std::get_if<AttributeEffect>(&effect))
      set_fields(nodes_[e->inode].node.attributes, e->fields, e->values);
    if (const auto* e = std::get_if<XattrEffect>(&effect)) {
      if (e->value) {
        nodes_[e->inode].xattrs[e->name] = *e->value;
      } else {
        nodes_[e->inode].xattrs.erase(e->name);
      }
    }
  }

  struct Kept {
    TreeNode node;
    std::set<Place> places;
    std::optional<Place> last;
    std::map<std::string, Bytes> xattrs;
  };
  const std::map<InodeId, Kept>& nodes() const { return nodes_; }
  const std::map<Place, InodeId>& slots() const { return slots_; }

 private:
  std::map<InodeId, Kept> nodes_;
  std::map<Place, InodeId> slots_;
};

}  // namespace skymoor::client
