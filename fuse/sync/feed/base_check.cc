#include "fuse/sync/feed/base_check.h"

#include <algorithm>

#include "fuse/sync/feed/feed_opener.h"

namespace skymoor::client {
namespace {

constexpr std::size_t kPageBytes = 4u << 20;

Error elsewhere() { return Error(Code::kCorrupt, "it was made on another history than this one"); }
Error again() { return Error(Code::kCorrupt, "it is in the history already"); }

}  // namespace

void BaseCheck::note(const SyncPosition& before, Sequence sequence, const Hash256& hash, OpId op) {
  if (!changes_.empty() && (changes_.back().sequence != before.cursor || changes_.back().hash != before.hash)) changes_.clear();
  changes_.push_back({sequence, before.hash, hash, op});
  if (changes_.size() > kKept) changes_.pop_front();
}

bool BaseCheck::covers(Sequence base, const SyncPosition& at) const {
  return !changes_.empty() && changes_.back().sequence == at.cursor && changes_.back().hash == at.hash &&
         changes_.front().sequence.value <= base.value + 1;
}

Status BaseCheck::check(const Commit& commit, const SyncPosition& at, const CallOptions& options) {
  if (commit.base == at.cursor) return commit.base_hash == at.hash ? Status() : elsewhere();
  if (!covers(commit.base, at)) return check_in_feed(commit, at, options);
  const auto between = changes_.end() - static_cast<std::ptrdiff_t>(at.cursor.value - commit.base.value);
  if (between->before != commit.base_hash) return elsewhere();
  const bool there = std::any_of(between, changes_.end(), [&](const Change& change) { return change.op == commit.op; });
  return there ? Status(again()) : Status();
}

Status BaseCheck::check_in_feed(const Commit& commit, const SyncPosition& at, const CallOptions& options) {
  SyncPosition from{at.epoch, commit.base, commit.base_hash, {}};
  while (from.cursor < at.cursor) {
    const FeedPage page = TRY(remote_->changes(at.epoch, from.cursor, kPageBytes, options));
    if (page.epoch != at.epoch || page.head < at.cursor)
      return Error(Code::kResync, "the server was put back while its changes were looked at");
    if (page.entries.empty()) return Error(Code::kCorrupt, "the server does not show what lies before it");
    for (const FeedEntry& entry : page.entries) {
      if (from.cursor == at.cursor) break;
      if (entry.sequence.value != from.cursor.value + 1) return elsewhere();
      const OpId op = TRY(decode_commit(entry.commit.payload)).op;
      if (op == commit.op) return again();
      const Hash256 hash = FeedOpener::next_hash(from.hash, entry.commit);
      note(from, entry.sequence, hash, op);
      from.cursor = entry.sequence;
      from.hash = hash;
    }
  }
  return from.hash == at.hash ? Status() : elsewhere();
}

}  // namespace skymoor::client
