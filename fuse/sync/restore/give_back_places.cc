// Where what is given back goes, and what goes out of its way.
#include "fuse/sync/plan/conflict_name.h"
#include "fuse/sync/restore/give_back.h"

namespace skymoor::client {
namespace {
constexpr int kMaxDepth = 4096;
}

Result<bool> GiveBack::is_under(InodeId directory, InodeId ancestor) {
  for (int depth = 0; depth < kMaxDepth; ++depth) {
    if (directory == ancestor) return true;
    if (directory == kRootInode) return false;
    const auto places = TRY(tree_.places(directory));
    if (places.empty()) return false;
    directory = places.front().directory;
  }
  return true;
}

/// The directory, alive: given back itself, or brought back to where it was here.
Result<bool> GiveBack::ensure_live(InodeId directory) {
  if (auto it = open_.find(directory); it != open_.end() && !it->second.done) TRY(give(directory));
  const auto node = TRY(tree_.node(directory));
  if (node && node->live()) return true;
  if (!node || !node->directory() || !reviving_.insert(directory).second) return false;
  const auto links = TRY(d_.mine.links(directory));
  bool placed = false;
  if (!links.empty()) placed = TRY(link_at({links.front().directory, links.front().name}, directory, true));
  reviving_.erase(directory);
  return placed;
}

/// The place itself, or one beside it under a conflict name.
Result<Place> GiveBack::free_place(Place place, bool directory) {
  const std::string wanted = place.name;
  const OpId id{d_.writer, ++d_.ids};
  for (unsigned attempt = 0; TRY(tree_.slot(place)); ++attempt)
    place.name = conflict_name(wanted, directory, {d_.context.device_name, d_.now, id, attempt});
  return place;
}

/// Takes away what the lost part of history had taken away from there.
Result<bool> GiveBack::make_room(const Place& place, InodeId occupant) {
  auto it = open_.find(occupant);
  if (it == open_.end()) {
    const auto mine = TRY(d_.mine.inode(occupant));
    return mine && mine->links > 0 ? Result<bool>(false) : remove(place, occupant);
  }
  if (d_.history.touches(occupant).names || !TRY(left(occupant, it->second, place))) return false;
  if (!it->second.done) {
    TRY(give(occupant));
    if (TRY(tree_.slot(place)) != occupant) return true;
  }
  // It is on its way to another place, further up.
  TRY(tree_.apply(UnlinkEffect{place.directory, place.name, occupant}));
  return true;
}

Result<bool> GiveBack::link_at(const Place& wanted, InodeId inode, bool directory) {
  if (!TRY(ensure_live(wanted.directory))) return false;
  if (directory && TRY(is_under(wanted.directory, inode))) return false;
  Place place = wanted;
  const auto occupant = TRY(tree_.slot(place));
  if (occupant == inode) return true;
  if (occupant && !TRY(make_room(place, *occupant))) place = TRY(free_place(place, directory));
  // Making room may have moved things.
  if (TRY(tree_.slot(place))) place = TRY(free_place(place, directory));
  const auto parent = TRY(tree_.node(place.directory));
  if (!parent || !parent->live() || (directory && TRY(is_under(place.directory, inode)))) return false;
  if (directory)
    for (const Place& old : TRY(tree_.places(inode)))
      if (TRY(tree_.slot(old)) == inode) TRY(tree_.apply(UnlinkEffect{old.directory, old.name, inode}));
  if (directory)
    if (const auto node = TRY(tree_.node(inode)); node->live()) return false;  // it is where nobody has looked
  TRY(tree_.apply(LinkEffect{place.directory, place.name, inode}));
  return true;
}

/// Deleted here, and nobody has worked on it since, or given it back from a later state than this device knows.
bool GiveBack::may_delete(InodeId inode) const {
  const auto& touches = d_.history.touches(inode);
  return !touches.content && !touches.names && touches.given_back <= d_.cursor;
}

Result<bool> GiveBack::remove(const Place& place, InodeId inode, int depth) {
  const auto mine = TRY(d_.mine.inode(inode));
  if ((mine && mine->links > 0) || !may_delete(inode) || depth > kMaxDepth) return false;
  const auto node = TRY(tree_.node(inode));
  if (!node || !node->live()) return false;
  if (node->directory()) {
    const auto entries = *TRY(d_.server.entries(inode));
    for (const auto& [name, child] : entries) {
      TRY(give(child));
      if (TRY(tree_.slot({inode, name})) != child) continue;
      if (!TRY(remove({inode, name}, child, depth + 1))) return false;
    }
    if (!TRY(tree_.children(inode, 1)).empty()) return false;
    emptied_.insert({ReadKind::kChildren, inode, {}});
  }
  TRY(tree_.apply(UnlinkEffect{place.directory, place.name, inode}));
  states_.push_back({inode, d_.cursor});
  return true;
}

Status GiveBack::deletions() {
  for (InodeId directory : directories_) {
    const auto entries = *TRY(d_.server.entries(directory));
    for (const auto& [name, inode] : entries) {
      if (full()) return {};
      const auto here = d_.mine.dentry(directory, name);
      if (!here.ok() && here.error().code() == Code::kNotPresent) break;  // not known in full: nothing is known to be gone
      if (!here.ok()) return here.error();
      if (*here == inode || TRY(tree_.slot({directory, name})) != inode) continue;
      TRY(remove({directory, name}, inode));
    }
  }
  return {};
}

}  // namespace skymoor::client
