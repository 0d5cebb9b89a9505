// Where things go: revived directories, free names, this device's own conflict names, aliases.
#include "fuse/sync/plan/conflict_name.h"
#include "fuse/sync/plan/plan_run.h"

namespace skymoor::client {
namespace {
constexpr int kMaxDepth = 4096;  // deeper than any path that was ever made; ends a loop in a damaged tree
}

Result<InodeId> PlanRun::revive(InodeId directory, int depth) {
  directory = resolve(directory);
  const auto node = TRY(tree_.node(directory));
  if (node && node->live()) return directory;
  const auto last = node && depth < kMaxDepth ? TRY(tree_.last_place(directory)) : std::nullopt;
  if (!node || !node->directory()) return kRootInode;
  read_inode(directory);  // somebody may have made it alive again
  Place place = last ? *last : Place{kRootInode, "recovered"};
  place.directory = TRY(revive(place.directory, depth + 1));
  read_slot(place);
  if (const auto occupant = TRY(tree_.slot(place))) {
    const auto other = TRY(tree_.node(*occupant));
    // The directory that owns the name by now takes what was meant for the dead one. It is not made an alias: both ids
    // are real, and either may live again.
    if (other && other->directory()) {
      read_inode(*occupant);
      return *occupant;
    }
    place = TRY(conflict_place(place.directory, place.name, true));
  }
  TRY(emit(LinkEffect{place.directory, place.name, directory}));
  return directory;
}

Result<Place> PlanRun::place_for(const Place& wanted, InodeId inode, bool directory) {
  Place place{TRY(revive(wanted.directory)), wanted.name};
  read_slot(place);
  if (TRY(tree_.slot(place))) place = TRY(conflict_place(place.directory, place.name, directory));
  if (place != wanted) plan_.aliases.moved[{wanted, inode}] = place;
  return place;
}

Result<Place> PlanRun::conflict_place(InodeId directory, const std::string& name, bool is_directory) {
  const OpId own{context_.writer, record_.lsn.value};
  ConflictTag tag{context_.device_name, record_.time, context_.rules.conflict_names_are_each_records_own ? own : OpId{}, 0};
  Place place{directory, conflict_name(name, is_directory, tag)};
  while (TRY(tree_.slot(place))) {
    read_slot(place);
    ++tag.attempt;
    place.name = conflict_name(name, is_directory, tag);
  }
  ++plan_.conflict_names;
  return place;
}

Result<std::optional<Place>> PlanRun::find_place(InodeId inode, const Place& wanted, bool only_name) {
  if (TRY(tree_.slot(wanted)) == inode) return std::optional(wanted);
  for (const Aliases* aliases : {static_cast<const Aliases*>(&plan_.aliases), &known_}) {
    auto it = aliases->moved.find({wanted, inode});
    if (it == aliases->moved.end()) continue;
    read_slot(it->second);
    if (TRY(tree_.slot(it->second)) == inode) return std::optional(it->second);
  }
  // Shown elsewhere by an earlier plan: wherever this one has put it is where the author saw it. Of one that others know, and
  // may have moved, only if there is nothing that it could be mistaken for.
  const auto places = TRY(tree_.places(inode));
  const bool ours = TRY(tree_.is_new(inode)) ||
                    (only_name && places.size() == 1 && TRY(tree_.is_new_name(places.front(), inode)));
  if (!ours || places.empty()) return std::optional<Place>();
  const auto beside = std::find_if(places.begin(), places.end(), [&](const Place& place) { return place.directory == wanted.directory; });
  const Place found = beside != places.end() ? *beside : places.front();
  plan_.aliases.moved[{wanted, inode}] = found;   // for when the server has it, and it is new no more
  return std::optional(found);
}

Result<std::optional<Place>> PlanRun::any_place(InodeId inode) {
  auto places = TRY(tree_.places(inode));
  if (places.empty()) return std::optional<Place>();
  return std::optional(std::move(places.front()));
}

Result<bool> PlanRun::is_under(InodeId directory, InodeId ancestor) {
  for (int depth = 0; depth < kMaxDepth; ++depth) {
    if (directory == ancestor) return true;
    if (directory == kRootInode) return false;
    read_inode(directory);  // moved, it may be below another
    const auto places = TRY(tree_.places(directory));
    if (places.empty()) {
      // It lives where this device has not looked, perhaps below `ancestor`: the move is given up rather than refused.
      const auto node = TRY(tree_.node(directory));
      return node && node->live();
    }
    directory = places.front().directory;
  }
  return Error(Code::kInternal, "plan: the tree has a loop of directories");
}

Status PlanRun::emit(TreeEffect effect) {
  TRY(tree_.apply(effect));
  if (const auto* link = std::get_if<LinkEffect>(&effect)) {
    read_slot({link->directory, link->name});
    read_inode(link->inode);
    read_inode(link->directory);  // it must still be alive
  } else if (const auto* unlink = std::get_if<UnlinkEffect>(&effect)) {
    read_slot({unlink->directory, unlink->name});
    read_inode(unlink->inode);
  } else if (const auto* put = std::get_if<PutEffect>(&effect)) {
    read_inode(put->inode);
  }
  plan_.effects.push_back(std::move(effect));
  return {};
}

InodeId PlanRun::resolve(InodeId inode) const {
  for (int step = 0; step < 1000; ++step) {
    auto it = plan_.aliases.inodes.find(inode);
    const InodeId next = it != plan_.aliases.inodes.end() ? it->second : known_.resolve(inode);
    if (next == inode) return inode;
    inode = next;
  }
  return inode;
}

const Aliases::Copy* PlanRun::copy_of(InodeId inode) const {
  if (const auto* copy = plan_.aliases.copy_of(inode)) return copy;
  return known_.copy_of(inode);
}

OpId PlanRun::effective_seen(InodeId inode, OpId seen) const {
  if (seen.writer != context_.writer) return seen;
  return known_.equal_at(inode, Lsn{seen.counter}).value_or(seen);
}

std::optional<InodeId> PlanRun::sent_ahead(InodeId inode, OpId seen) const {
  if (const Aliases::Copy* copy = copy_of(inode); copy && copy->content == seen)
    return known_.was_sent(copy->inode, record_.lsn) ? std::optional(copy->inode) : std::nullopt;
  return known_.was_sent(inode, record_.lsn) ? std::optional(inode) : std::nullopt;
}

Result<std::optional<InodeId>> PlanRun::own_copy(InodeId inode, OpId seen) {
  const Aliases::Copy* copy = copy_of(inode);
  if (!copy || copy->content != seen) return std::optional<InodeId>();
  read_inode(copy->inode);  // whether it is there decides what the record is about
  const auto node = TRY(tree_.node(copy->inode));
  // A content that was sent ahead of its records is what the next of them saw, and more.
  if (!node || (node->content != seen && !own_and_later(node->content))) return std::optional<InodeId>();
  return std::optional(copy->inode);
}

const InodeRow* PlanRun::row_of(InodeId inode) const {
  const InodeRow* found = nullptr;
  for (const RowChange& change : record_.changes)
    if (const auto* put = std::get_if<PutInode>(&change); put && put->row.id == inode) found = &put->row;
  return found;
}

}  // namespace skymoor::client
