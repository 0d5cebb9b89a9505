#include "fuse/sync/plan/overlay.h"

#include "shared/model/change.h"
#include "shared/model/manifest.h"

namespace skymoor::client {
namespace {

Error broken(const char* what, InodeId inode, const std::string& name = {}) {
  return Error(Code::kInternal, std::string("plan: ") + what + " (inode " + std::to_string(inode.value) +
                                    (name.empty() ? ")" : ", name of " + std::to_string(name.size()) + " bytes)"));
}

constexpr std::size_t kEffectBytes = 90;          // ids, attributes and lengths of one effect
constexpr std::size_t kChunkBytes = 110;          // a chunk in a sealed manifest and in the list of blocks
constexpr std::uint64_t kAverageChunk = 512 * 1024;  // a cautious guess: more chunks than there will be

std::size_t put_bytes(const Attributes& attributes) {
  if (attributes.size <= kMaxInlineBytes) return kEffectBytes + static_cast<std::size_t>(attributes.size);
  return kEffectBytes + static_cast<std::size_t>(attributes.size / kAverageChunk + 1) * kChunkBytes;
}

}  // namespace

void set_fields(Attributes& attributes, std::uint8_t fields, const Attributes& values) {
  if (fields & kFieldMode) attributes.mode = values.mode;
  if (fields & kFieldUid) attributes.uid = values.uid;
  if (fields & kFieldGid) attributes.gid = values.gid;
  if (fields & kFieldAtime) attributes.atime = values.atime;
  if (fields & kFieldMtime) attributes.mtime = values.mtime;
  if (fields & kFieldCtime) attributes.ctime = values.ctime;
}

std::uint8_t differing_fields(const Attributes& a, const Attributes& b, std::uint8_t fields) {
  std::uint8_t differ = 0;
  if (a.mode != b.mode) differ |= kFieldMode;
  if (a.uid != b.uid) differ |= kFieldUid;
  if (a.gid != b.gid) differ |= kFieldGid;
  if (a.atime != b.atime) differ |= kFieldAtime;
  if (a.mtime != b.mtime) differ |= kFieldMtime;
  if (a.ctime != b.ctime) differ |= kFieldCtime;
  return differ & fields;
}

Result<Overlay::NodeState*> Overlay::load(InodeId inode) {
  auto it = nodes_.find(inode);
  if (it != nodes_.end()) return &it->second;
  NodeState state;
  state.base = TRY(base_.node(inode));
  state.now = state.base;
  return &nodes_.emplace(inode, std::move(state)).first->second;
}

Result<Overlay::SlotState*> Overlay::load_slot(const Place& place) {
  auto it = slots_.find(place);
  if (it != slots_.end()) return &it->second;
  // A directory made here holds only what was linked here.
  auto directory = nodes_.find(place.directory);
  SlotState state;
  if (directory == nodes_.end() || !directory->second.created()) state.base = TRY(base_.slot(place));
  state.now = state.base;
  return &slots_.emplace(place, state).first->second;
}

Result<std::optional<TreeNode>> Overlay::node(InodeId inode) { return TRY(load(inode))->now; }

Result<std::optional<InodeId>> Overlay::slot(const Place& place) { return TRY(load_slot(place))->now; }

Result<std::vector<Place>> Overlay::places(InodeId inode) {
  const NodeState* state = TRY(load(inode));
  std::set<Place> found = state->added;
  if (state->base)
    for (Place& place : TRY(base_.places(inode)))
      if (!state->removed.contains(place)) found.insert(std::move(place));
  return std::vector<Place>(found.begin(), found.end());
}

Result<std::optional<Place>> Overlay::last_place(InodeId inode) {
  const NodeState* state = TRY(load(inode));
  if (state->last) return state->last;
  return base_.last_place(inode);
}

Result<std::vector<std::string>> Overlay::children(InodeId directory, std::size_t limit) {
  const NodeState* state = TRY(load(directory));
  std::vector<std::string> found;
  if (auto added = added_children_.find(directory); added != added_children_.end())
    for (const std::string& name : added->second) {
      if (found.size() >= limit) return found;
      found.push_back(name);
    }
  if (!state->base || found.size() >= limit) return found;
  auto removed = removed_children_.find(directory);
  const std::size_t gone = removed == removed_children_.end() ? 0 : removed->second.size();
  for (std::string& name : TRY(base_.children(directory, limit + gone))) {
    if (gone && removed->second.contains(name)) continue;
    if (found.size() >= limit) break;
    found.push_back(std::move(name));
  }
  return found;
}

Result<bool> Overlay::is_new_name(const Place& place, InodeId inode) {
  if (TRY(slot(place)) != inode) return false;
  return TRY(base_.slot(place)) == inode ? base_.is_new_name(place, inode) : Result<bool>(true);
}

Result<bool> Overlay::is_new(InodeId inode) {
  const NodeState* state = TRY(load(inode));
  if (!state->now) return false;
  return state->base ? base_.is_new(inode) : Result<bool>(true);
}

Result<std::map<std::string, Bytes>> Overlay::xattrs(InodeId inode) {
  const NodeState* state = TRY(load(inode));
  std::map<std::string, Bytes> found;
  if (state->base) found = TRY(base_.xattrs(inode));
  for (const auto& [name, value] : state->xattrs) {
    if (value) found[name] = *value;
    else found.erase(name);
  }
  return found;
}

void Overlay::weigh(const NodeState& state, bool add) {
  if (!state.live()) return;
  std::size_t count = 0, bytes = 0;
  if (state.created()) {
    ++count;
    bytes += kEffectBytes + 64 + state.now->target.size();
  }
  if (state.content_changed()) {
    ++count;
    bytes += put_bytes(state.now->attributes);
  }
  if (state.fields && !state.created()) {
    ++count;
    bytes += kEffectBytes;
  }
  for (const auto& [name, value] : state.xattrs) {
    ++count;
    bytes += kEffectBytes + name.size() + (value ? value->size() : 0);
  }
  effect_count_ += add ? count : -count;
  effect_bytes_ += add ? bytes : -bytes;
}

void Overlay::weigh(const Place& place, const SlotState& state, bool add) {
  if (state.base == state.now) return;
  const std::size_t count = (state.base ? 1 : 0) + (state.now ? 1 : 0);
  const std::size_t bytes = count * (kEffectBytes + 64) + place.name.size();
  effect_count_ += add ? count : -count;
  effect_bytes_ += add ? bytes : -bytes;
}

Status Overlay::apply(const TreeEffect& effect) {
  return std::visit([&](const auto& e) { return apply_one(e); }, effect);
}

Status Overlay::apply_one(const NewEffect& effect) {
  NodeState* state = TRY(load(effect.inode));
  if (state->now) return broken("the new inode exists", effect.inode);
  state->now = TreeNode{effect.attributes, effect.target, {}, 0};
  return {};
}

Status Overlay::apply_one(const LinkEffect& effect) {
  const Place place{effect.directory, effect.name};
  NodeState* parent = TRY(load(effect.directory));
  if (!parent->live()) return broken("link into a dead directory", effect.directory, effect.name);
  NodeState* state = TRY(load(effect.inode));
  if (!state->now) return broken("link to an unknown inode", effect.inode, effect.name);
  if (state->now->directory() && state->now->live())
    return broken("second link to a directory", effect.inode, effect.name);
  SlotState* slot = TRY(load_slot(place));
  if (slot->now) return broken("the slot is in use", effect.inode, effect.name);

  weigh(*state, false);
  weigh(place, *slot, false);
  slot->now = effect.inode;
  ++state->now->names;
  if (!state->removed.erase(place)) state->added.insert(place);
  if (slot->base) {
    removed_children_[effect.directory].erase(effect.name);
  } else {
    added_children_[effect.directory].insert(effect.name);
  }
  weigh(place, *slot, true);
  weigh(*state, true);
  return {};
}

Status Overlay::apply_one(const UnlinkEffect& effect) {
  const Place place{effect.directory, effect.name};
  SlotState* slot = TRY(load_slot(place));
  if (slot->now != effect.inode) return broken("unlink of a slot that holds another", effect.inode, effect.name);
  NodeState* state = TRY(load(effect.inode));
  if (!state->live()) return broken("unlink of a dead inode", effect.inode, effect.name);

  weigh(*state, false);
  weigh(place, *slot, false);
  slot->now.reset();
  --state->now->names;
  if (!state->now->live()) state->last = place;
  if (!state->added.erase(place)) state->removed.insert(place);
  if (!added_children_[effect.directory].erase(effect.name)) removed_children_[effect.directory].insert(effect.name);
  weigh(place, *slot, true);
  weigh(*state, true);
  return {};
}

Status Overlay::apply_one(const PutEffect& effect) {
  NodeState* state = TRY(load(effect.inode));
  if (!state->now) return broken("content for an unknown inode", effect.inode);
  weigh(*state, false);
  state->now->content = effect.content;
  state->now->attributes.size = effect.size;
  state->now->attributes.mtime = effect.mtime;
  state->now->attributes.ctime = effect.ctime;
  weigh(*state, true);
  return {};
}

Status Overlay::apply_one(const AttributeEffect& effect) {
  NodeState* state = TRY(load(effect.inode));
  if (!state->now) return broken("attributes for an unknown inode", effect.inode);
  weigh(*state, false);
  state->fields |= effect.fields;
  set_fields(state->now->attributes, effect.fields, effect.values);
  weigh(*state, true);
  return {};
}

Status Overlay::apply_one(const XattrEffect& effect) {
  NodeState* state = TRY(load(effect.inode));
  if (!state->now) return broken("xattr for an unknown inode", effect.inode);
  weigh(*state, false);
  state->xattrs[effect.name] = effect.value;
  weigh(*state, true);
  return {};
}

}  // namespace skymoor::client
