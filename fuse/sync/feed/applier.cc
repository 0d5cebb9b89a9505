#include "fuse/sync/feed/applier.h"

#include "fuse/sync/claims.h"
#include "fuse/sync/plan/describe.h"
#include "shared/base/log.h"

namespace skymoor::client {

void Applier::show(const VisibleChanges& changes) {
  if (changes.replan) rebase_needed_ = true;
  if (!changes.empty()) listener_.tree_changed(changes);
  if (!changes.unlisted.empty()) list_again_(changes.unlisted);
}

/// Before the acknowledgement: planned again with these entries, the records come to the same.
Status Applier::remember(const Own& own, const std::vector<TreeEffect>& effects) {
  Aliases made = own.made;
  made.note_commit(effects, store_.identity().writer, own.up_to, state_.visible);
  if (made.empty()) return {};
  state_.aliases.merge(made);
  return file_.save(state_);
}

/// Files that turned out to be others kept their bytes, for a later plan might have told them apart again.
void Applier::remove_merged(const Own& own) {
  for (const auto& [merged, into] : own.made.inodes) {
    {
      MutexLock lock(store_.mutex());
      if (auto row = store_.inode(lock, merged); row.ok() || row.error().code() != Code::kNotFound) continue;
    }
    if (Status removed = backing_.remove(merged); !removed.ok())
      log_warn("sync.merged.kept", {{"inode", merged.value}, {"error", removed.error()}});
  }
}

/// Of what conflicts are about, the records that are left may come to something else now that the server has the ones before them.
void Applier::plan_the_rest(const Own& own, const std::vector<TreeEffect>& effects) {
  if (rebase_needed_ || !state_.visible.conflicts() || own.up_to >= state_.shown_up_to) return;
  const Aliases& visible = state_.visible;
  std::unordered_set<InodeId> touched;
  for (const auto& [from, to] : visible.inodes) touched.insert({from, to});
  for (const auto& [from, copy] : visible.copies) touched.insert({from, copy.inode});
  for (const auto& [from, to] : visible.moved) touched.insert({from.second, from.first.directory, to.directory});
  rebase_needed_ = own.made.conflicts() || std::any_of(effects.begin(), effects.end(), [&](const TreeEffect& effect) {
    return std::visit([&](const auto& one) { return touched.contains(one.inode); }, effect);
  });
}

/// Records made after the last re-plan name what is visible: once the older ones are acknowledged, no alias is needed.
Status Applier::forget_aliases() {
  const Lsn acknowledged = store_.position().acknowledged;
  if (state_.empty() || rebase_needed_ || acknowledged < state_.shown_up_to) return {};
  auto sent = std::move(state_.aliases.sent);
  state_.aliases = {};
  state_.visible = {};
  state_.aliases.sent = std::move(sent);
  state_.aliases.forget_sent(acknowledged);
  return file_.save(state_);
}

Status Applier::apply_own(Sequence sequence, const Hash256& hash, const std::vector<TreeEffect>& effects,
                          const Own& own) {
  TRY(remember(own, effects));
  if (log_debug_enabled())
    log_debug("sync.apply.own", {{"writer", store_.identity().writer.value}, {"sequence", sequence.value},
                                 {"up_to", own.up_to.value}, {"effects", describe(effects)}});
  show(TRY(claim_and_apply(store_, listener_, {}, [&] { return store_.apply_commit(sequence, hash, effects, own.up_to); })));
  history_.note(sequence, hash);
  progress_.conflicts += own.conflict_names;
  remove_merged(own);
  plan_the_rest(own, effects);
  return forget_aliases();
}

Status Applier::acknowledge(const Own& own) {
  TRY(remember(own, {}));
  log_debug("sync.acknowledge", {{"writer", store_.identity().writer.value}, {"up_to", own.up_to.value}});
  show(TRY(claim_and_apply(store_, listener_, {}, [&] { return store_.acknowledge(own.up_to); })));
  remove_merged(own);
  plan_the_rest(own, {});
  return forget_aliases();
}

Status Applier::apply_foreign(Sequence sequence, const Hash256& hash, const std::vector<TreeEffect>& effects) {
  if (log_debug_enabled())
    log_debug("sync.apply.foreign", {{"writer", store_.identity().writer.value}, {"sequence", sequence.value},
                                     {"effects", describe(effects)}});
  Coming coming;
  for (const TreeEffect& effect : effects) {
    if (const auto* put = std::get_if<PutEffect>(&effect)) coming.emplace_back(put->inode, put->content);
    if (const auto* unlink = std::get_if<UnlinkEffect>(&effect)) coming.emplace_back(unlink->inode, std::nullopt);
  }
  show(TRY(claim_and_apply(store_, listener_, std::move(coming),
                           [&] { return store_.apply_commit(sequence, hash, effects, Lsn{}); })));
  history_.note(sequence, hash);
  // Where conflicts were settled, the plan rests on things that no pending change touches.
  if (state_.visible.conflicts()) rebase_needed_ = true;
  return {};
}

Status Applier::adopt(const MetadataStore::Adoption& adoption) {
  if (!state_.aliases.sent.empty()) {   // of a history that counts no more, perhaps
    state_.aliases.sent.clear();
    TRY(file_.save(state_));
  }
  Coming coming;
  auto comes = [&](const MetadataStore::ListedRow& row) {
    if (row.inode.attributes.type == FileType::kFile) coming.emplace_back(row.inode.id, row.inode.content);
  };
  for (const auto& row : adoption.inodes) comes(row);
  for (InodeId inode : adoption.gone) coming.emplace_back(inode, std::nullopt);
  for (const auto& listing : adoption.listings)
    for (const auto& row : listing.entries) comes(row);
  show(TRY(claim_and_apply(store_, listener_, std::move(coming), [&] { return store_.adopt(adoption); })));
  return {};
}

}  // namespace skymoor::client
