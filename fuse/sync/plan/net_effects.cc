#include "fuse/sync/plan/net_effects.h"

#include <algorithm>
#include <map>

#include "shared/model/change.h"

namespace skymoor::client {
namespace {

constexpr int kMaxDepth = 4096;

/// Depths of directories in one state of the tree, each walked once.
class Depths {
 public:
  explicit Depths(TreeView& tree) : tree_(tree) {}

  /// 0 for the root; dead directories count from their last place.
  Result<int> of(InodeId directory, int guard = 0) {
    if (directory == kRootInode || guard > kMaxDepth) return 0;
    if (auto it = known_.find(directory); it != known_.end()) return it->second;
    const auto places = TRY(tree_.places(directory));
    std::optional<Place> place;
    if (!places.empty()) place = places.front();
    const int depth = place ? 1 + TRY(of(place->directory, guard + 1)) : kMaxDepth;
    known_[directory] = depth;
    return depth;
  }

 private:
  TreeView& tree_;
  std::unordered_map<InodeId, int> known_;
};

template <typename Kept>
struct AtDepth {
  int depth = 0;
  Kept effect;
};

class Net {
 public:
  explicit Net(Overlay& tree) : tree_(tree), before_(tree.base()), after_(tree) {}

  Result<std::vector<TreeEffect>> run() {
    sort_nodes();
    for (const auto& [inode, state] : nodes_)
      if (state->created() && state->live()) effects_.push_back(NewEffect{inode, birth_attributes(*state), state->now->target});
    TRY(names());
    for (const auto& [inode, state] : nodes_)
      if (state->live() && state->content_changed()) effects_.push_back(put(inode, *state));
    for (const auto& [inode, state] : nodes_) attributes(inode, *state);
    for (const auto& [inode, state] : nodes_)
      if (state->live())
        for (const auto& [name, value] : state->xattrs) effects_.push_back(XattrEffect{inode, name, value});
    return std::move(effects_);
  }

 private:
  void sort_nodes() {
    for (const auto& [inode, state] : tree_.nodes()) nodes_.push_back({inode, &state});
    std::sort(nodes_.begin(), nodes_.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
    directories_move_ = std::any_of(nodes_.begin(), nodes_.end(), [](const auto& entry) {
      const Overlay::NodeState& s = *entry.second;
      return s.now && s.now->directory() && (!s.added.empty() || !s.removed.empty());
    });
  }

  static Attributes birth_attributes(const Overlay::NodeState& state) {
    Attributes attributes = state.now->attributes;
    if (attributes.type == FileType::kFile) attributes.size = 0;
    return attributes;
  }

  static TreeEffect put(InodeId inode, const Overlay::NodeState& state) {
    const Attributes& a = state.now->attributes;
    return PutEffect{inode, state.now->content, a.size, a.mtime, a.ctime, {}};
  }

  Status names() {
    std::vector<AtDepth<UnlinkEffect>> unlinks;
    std::vector<AtDepth<LinkEffect>> links;
    for (const auto& [place, slot] : tree_.slots()) {
      if (slot.base == slot.now) continue;
      // Only where directories come, go or move does the order between directories matter.
      if (slot.base)
        unlinks.push_back({directories_move_ ? TRY(before_.of(place.directory)) : 0,
                           {place.directory, place.name, *slot.base}});
      if (slot.now)
        links.push_back({directories_move_ ? TRY(after_.of(place.directory)) : 0,
                         {place.directory, place.name, *slot.now}});
    }
    auto key = [](const auto& e) { return std::tie(e.effect.inode, e.effect.directory, e.effect.name); };
    std::sort(unlinks.begin(), unlinks.end(), [&](const auto& a, const auto& b) {
      return a.depth != b.depth ? a.depth > b.depth : key(a) < key(b);
    });
    std::sort(links.begin(), links.end(), [&](const auto& a, const auto& b) {
      return a.depth != b.depth ? a.depth < b.depth : key(a) < key(b);
    });
    for (auto& unlink : unlinks) effects_.push_back(std::move(unlink.effect));
    for (auto& link : links) effects_.push_back(std::move(link.effect));
    return {};
  }

  void attributes(InodeId inode, const Overlay::NodeState& state) {
    if (!state.base || !state.live() || !state.fields) return;
    Attributes before = state.base->attributes;
    if (state.content_changed()) set_fields(before, kFieldMtime | kFieldCtime, state.now->attributes);
    const std::uint8_t fields = differing_fields(before, state.now->attributes, state.fields);
    if (fields) effects_.push_back(AttributeEffect{inode, fields, state.now->attributes});
  }

  Overlay& tree_;
  Depths before_, after_;
  std::vector<std::pair<InodeId, const Overlay::NodeState*>> nodes_;
  bool directories_move_ = false;
  std::vector<TreeEffect> effects_;
};

}  // namespace

Result<std::vector<TreeEffect>> net_effects(Overlay& tree) { return Net(tree).run(); }

}  // namespace skymoor::client
