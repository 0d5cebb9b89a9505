#include "fuse/sync/restore/new_history.h"

namespace skymoor::client {
namespace {
constexpr std::size_t kPageBytes = 4u << 20;
}

Result<NewHistory::Parting> NewHistory::part(const HistoryFile& known, const SyncPosition& at,
                                             const protocol::VolumeInfo& info, const CallOptions& options) {
  std::vector<std::pair<Sequence, Hash256>> seen{{Sequence{}, Hash256{}}};
  for (const auto& [sequence, hash] : known.hashes())
    if (sequence.value > 0 && sequence < at.cursor && sequence <= info.head) seen.emplace_back(sequence, hash);
  if (at.cursor <= info.head && at.cursor) seen.emplace_back(at.cursor, at.hash);
  auto same = [&](std::size_t i) -> Result<bool> {
    const auto& [sequence, hash] = seen[i];
    if (sequence.value == 0) return true;
    if (sequence == info.head) return hash == info.head_hash;
    const FeedPage page = TRY(d_.remote.changes(info.epoch, Sequence{sequence.value - 1}, 1, options));
    if (page.entries.empty() || page.entries.front().sequence != sequence)
      return Error(Code::kCorrupt, "the server does not show change " + std::to_string(sequence.value));
    return page.entries.front().hash == hash;
  };
  // Once they part they never meet again.
  std::size_t good = 0, bad = seen.size();
  if (bad > 1 && TRY(same(bad - 1))) good = bad - 1;
  while (bad - good > 1) {
    const std::size_t middle = good + (bad - good) / 2;
    (TRY(same(middle)) ? good : bad) = middle;
  }
  Parting parting{seen[good].first, seen[good].second, true};
  const Sequence next = bad < seen.size() ? seen[bad].first : Sequence{std::min(info.head, at.cursor).value + 1};
  parting.exact = parting.sequence.value + 1 == next.value;
  return parting;
}

Status NewHistory::read_on(const Parting& from, const CallOptions& options) {
  if (!begun_) at_ = {epoch_, from.sequence, from.hash, {}};
  begun_ = true;
  while (true) {
    const FeedPage page = TRY(d_.remote.changes(epoch_, at_.cursor, kPageBytes, options));
    if (page.epoch != epoch_) return Error(Code::kResync, "the server has begun yet another epoch");
    NameFinder names(d_.store, d_.cipher);
    for (const FeedEntry& entry : page.entries) TRY(take(entry, names, options));
    if (at_.cursor >= page.head) return {};
    if (page.entries.empty()) return Error(Code::kCorrupt, "the server holds changes back that it says it has");
  }
}

Status NewHistory::take(const FeedEntry& entry, NameFinder& names, const CallOptions& options) {
  const FeedOpener::Opened opened = TRY(d_.opener.open(entry, at_, names, options));
  const Commit commit = TRY(decode_commit(entry.commit.payload));
  at_.cursor = entry.sequence;
  at_.hash = entry.hash;
  const bool gives_back = commit.restored && commit.restored->epoch == ended_;
  if (gives_back)
    for (const Restored::State& state : commit.restored->states) {
      Sequence& known = touches_[state.inode].given_back;
      known = std::max(known, state.version);
    }
  for (const TreeEffect& effect : opened.effects) {
    if (const auto* e = std::get_if<LinkEffect>(&effect)) {
      Touches& touches = touches_[e->inode];
      touches.linked = Place{e->directory, e->name};
      touches.names = touches.names || !gives_back;
    }
    if (gives_back) continue;
    if (const auto* e = std::get_if<UnlinkEffect>(&effect)) touches_[e->inode].names = true;
    if (const auto* e = std::get_if<PutEffect>(&effect)) touches_[e->inode].content = true;
    if (const auto* e = std::get_if<XattrEffect>(&effect)) touches_[e->inode].xattrs = true;
    // Times of directories come with what happens in them.
    constexpr std::uint8_t kTimes = kFieldAtime | kFieldMtime | kFieldCtime;
    if (const auto* e = std::get_if<AttributeEffect>(&effect); e && (e->fields & ~kTimes))
      touches_[e->inode].attributes = true;
  }
  return {};
}

const NewHistory::Touches& NewHistory::touches(InodeId inode) const {
  static const Touches kNone;
  auto it = touches_.find(inode);
  return it == touches_.end() ? kNone : it->second;
}

}  // namespace skymoor::client
