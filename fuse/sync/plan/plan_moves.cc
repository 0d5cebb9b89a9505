// Renames: moves, replacements, exchanges.
#include "fuse/sync/plan/plan_run.h"

namespace skymoor::client {

Status PlanRun::on(const RenameIntent& intent) {
  if (intent.exchange) return exchange(intent);
  InodeId inode = resolve(intent.inode);
  const OpId seen = effective_seen(intent.inode, intent.seen);
  const Place wanted_from{resolve(intent.from_directory), intent.from_name};
  auto node = TRY(tree_.node(inode));
  if (!node) return drop();
  const bool directory = node->directory();
  read_inode(inode);
  read_slot(wanted_from);
  std::optional<Place> from = TRY(find_place(inode, wanted_from, had_one_name(intent.inode, *node)));
  if (!from && !directory)
    if (auto copy = TRY(own_copy(inode, seen)))
      if (auto place = TRY(any_place(*copy))) {
        inode = *copy;
        from = place;
        read_inode(inode);
      }
  if (from) read_slot(*from);
  // Somebody moved it first: the first committed wins. Deleted meanwhile: the rename revives it.
  if (!from) {
    const bool live = TRY(tree_.node(inode))->live();
    if (live ? context_.rules.first_rename_wins : !context_.rules.rename_revives_deleted) return drop();
  }

  const Place wanted_to{resolve(intent.to_directory), intent.to_name};
  Place to{TRY(revive(wanted_to.directory)), intent.to_name};
  read_inode(to.directory);
  read_slot(to);
  if (directory && context_.rules.moves_check_cycles && TRY(is_under(to.directory, inode))) return drop();
  const auto occupant = TRY(tree_.slot(to));
  if (occupant == inode) return drop();
  if (occupant) {
    if (TRY(may_replace(intent, inode, to))) {
      const auto victim = TRY(tree_.slot(to));
      TRY(emit(UnlinkEffect{to.directory, to.name, *victim}));
    } else {
      to = TRY(conflict_place(to.directory, to.name, directory));
    }
  }
  if (from) TRY(emit(UnlinkEffect{from->directory, from->name, inode}));
  if (to != wanted_to) plan_.aliases.moved[{wanted_to, inode}] = to;
  return emit(LinkEffect{to.directory, to.name, inode});
}

Result<bool> PlanRun::may_replace(const RenameIntent& intent, InodeId moving, Place& place) {
  Place to = place;
  InodeId occupant = *TRY(tree_.slot(to));
  read_inode(occupant);
  if (!context_.rules.replace_checks_inode) return true;
  if (!intent.replaced) return false;
  InodeId expected = resolve(intent.replaced);
  const OpId seen = effective_seen(intent.replaced, intent.replaced_seen);
  const Place wanted{resolve(intent.to_directory), intent.to_name};
  // This device's own object may stand under a conflict name: a later save of mine replaces mine, not theirs.
  const auto copy = TRY(own_copy(expected, seen));
  if (copy) {
    const auto expected_node = TRY(tree_.node(expected));
    if (occupant != expected || (expected_node && expected_node->content != seen)) expected = *copy;
  }
  if (occupant != expected) {
    if (expected == moving) return false;  // the two have become one: what is there is a third
    const auto own = copy ? TRY(any_place(expected)) : TRY(find_place(expected, wanted, intent.replaced_last));
    const auto own_node = TRY(tree_.node(expected));
    if (!own || !own_node || own->directory != to.directory || own_node->content != seen) return false;
    to = *own;
    occupant = expected;
    read_slot(to);
    read_inode(occupant);
  }
  const auto node = TRY(tree_.node(occupant));
  const auto moved = TRY(tree_.node(moving));
  if (!node || !moved || node->directory() != moved->directory()) return false;
  if (node->directory()) {
    read_children(occupant);
    if (!TRY(tree_.children(occupant, 1)).empty()) return false;
  } else if (context_.rules.replace_checks_content && !(node->content == seen && intent.replaced_last) && node->names <= 1) {
    return false;
  }
  place = to;
  return true;
}

Status PlanRun::exchange(const RenameIntent& intent) {
  const InodeId a = resolve(intent.inode), b = resolve(intent.replaced);
  const auto node_a = TRY(tree_.node(a)), node_b = TRY(tree_.node(b));
  const Place wanted_a{resolve(intent.from_directory), intent.from_name};
  const Place wanted_b{resolve(intent.to_directory), intent.to_name};
  read_inode(a);
  read_inode(b);
  read_slot(wanted_a);
  read_slot(wanted_b);
  if (!node_a || !node_b) return drop();
  const auto place_a = TRY(find_place(a, wanted_a, had_one_name(intent.inode, *node_a)));
  const auto place_b = TRY(find_place(b, wanted_b, had_one_name(intent.replaced, *node_b)));
  // One of the two was moved or deleted first: that stands, and nothing is lost by leaving the other where it is.
  if (!place_a || !place_b || a == b) return drop();
  read_slot(*place_a);
  read_slot(*place_b);
  if (node_a->directory() && TRY(is_under(place_b->directory, a))) return drop();
  if (node_b->directory() && TRY(is_under(place_a->directory, b))) return drop();
  TRY(emit(UnlinkEffect{place_a->directory, place_a->name, a}));
  TRY(emit(UnlinkEffect{place_b->directory, place_b->name, b}));
  TRY(emit(LinkEffect{place_b->directory, place_b->name, a}));
  TRY(emit(LinkEffect{place_a->directory, place_a->name, b}));
  if (*place_b != wanted_b) plan_.aliases.moved[{wanted_b, a}] = *place_b;
  if (*place_a != wanted_a) plan_.aliases.moved[{wanted_a, b}] = *place_a;
  return {};
}

}  // namespace skymoor::client
