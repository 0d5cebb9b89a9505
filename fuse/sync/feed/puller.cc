#include "fuse/sync/feed/puller.h"

#include "shared/base/log.h"
#include "shared/crypto/hash.h"

namespace skymoor::client {
namespace {
constexpr std::size_t kPageBytes = 4u << 20;

bool damaged(const Error& error) {
  return error.code() == Code::kCorrupt || error.code() == Code::kBadSignature;
}
}  // namespace

Error Puller::stop(std::string reason) {
  d_.connection.stop_for_good(reason);
  return Error(Code::kUnknownServer, std::move(reason));
}

/// Only with the password can it become a device of its own, and only while nothing is mounted may its numbers change.
Error Puller::stop_as_copied() {
  if (Status noted = d_.state_file.note_copied(); !noted.ok()) return std::move(noted).error();
  return stop("the server has changes of this device that this state directory has not sent: it was copied or taken back to "
              "an older state. Nothing was changed, and what is unsent is kept: unmount it, run 'skymoor login' here, and "
              "mount it again: then it goes on as a new device");
}

Status Puller::check(const FeedPage& page, const SyncPosition& at) {
  if (page.epoch != at.epoch)
    return Error(Code::kResync, "the server is in epoch " + std::to_string(page.epoch.value) + ", this device in " +
                                    std::to_string(at.epoch.value));
  if (page.head < at.cursor)
    return Error(Code::kResync, "the server ends at " + std::to_string(page.head.value) + ", this device is at " +
                                    std::to_string(at.cursor.value));
  // What follows the cursor was made on top of something else.
  if (!page.entries.empty() && page.entries.front().sequence.value == at.cursor.value + 1 &&
      FeedOpener::next_hash(at.hash, page.entries.front().commit) != page.entries.front().hash)
    return Error(Code::kResync, "the server's chain of changes is another one than this device knows at " +
                                    std::to_string(at.cursor.value));
  return {};
}

Result<std::size_t> Puller::pull(const CallOptions& options) {
  std::size_t taken = 0;
  while (true) {
    const SyncPosition at = d_.store.position();
    auto page = d_.remote.changes(at.epoch, at.cursor, kPageBytes, options);
    d_.connection.note(page.ok() ? Status() : Status(page.error()));
    if (!page.ok()) {
      const Code code = page.error().code();
      if (code == Code::kResync) return std::move(page).error();
      if (code == Code::kNotFound || code == Code::kUnknownServer)
        return stop("the server does not know this volume's history as this device does: " + page.error().to_string());
      if (damaged(page.error())) return stop("the server's list of changes is damaged: " + page.error().to_string());
      return std::move(page).error();
    }
    TRY(check(*page, at));
    head_ = page->head;
    NameFinder names(d_.store, d_.cipher);
    for (const FeedEntry& entry : page->entries) {
      TRY(take(entry, names, options));
      ++taken;
    }
    if (!page->entries.empty()) TRY(rebase_if_needed(options));
    const Sequence cursor = d_.store.position().cursor;
    if (cursor >= page->head) return taken;
    if (page->entries.empty()) return stop("the server holds changes back that it says it has");
  }
}

Status Puller::take(const FeedEntry& entry, NameFinder& names, const CallOptions& options) {
  auto opened = d_.opener.open(entry, d_.store.position(), names, options);
  if (!opened.ok()) {
    if (damaged(opened.error()))
      return stop("the server's history is damaged or forged: " + opened.error().to_string() +
                  "; nothing of it was shown, and nothing more is sent. See 'skymoor devices ls', and ask whoever runs the server");
    return std::move(opened).error();
  }
  if (!opened->own) return d_.applier.apply_foreign(entry.sequence, entry.hash, opened->effects);
  if (!d_.store.has_offered(Lsn{opened->op.counter}, crypto::sha256(entry.commit.payload)))
    return stop_as_copied();
  // Given up for lost, its records sent again in another commit, and then it arrived after all: the server's order counts.
  if (opened->op.counter <= d_.store.position().acknowledged.value)
    return d_.applier.apply_foreign(entry.sequence, entry.hash, opened->effects);
  // What came before this commit must show before its records count as done.
  TRY(rebase_if_needed(options));
  return d_.applier.apply_own(entry.sequence, entry.hash, opened->effects, TRY(own_commit(opened->op)));
}

/// What is to be remembered of an own commit. Found in the feed after a restart, its records are planned once more:
/// nothing that they read has changed since the server accepted them, so the same comes out.
Result<Applier::Own> Puller::own_commit(OpId op) {
  Applier::Own own;
  own.up_to = Lsn{op.counter};
  if (d_.outstanding && d_.outstanding->op == op) {
    own = std::move(d_.outstanding->own);
    d_.outstanding.reset();
    return own;
  }
  if (own.up_to <= d_.store.position().acknowledged) return own;
  auto batch = TRY(Batch::open(d_.store, d_.state.aliases, d_.context, Batch::Unlisted::kEmpty));
  const std::size_t any = std::size_t(-1);
  TRY(batch->extend(own.up_to, {any, any, any, any}));
  own.made = batch->made();
  own.conflict_names = batch->conflict_names();
  return own;
}

Status Puller::rebase_if_needed(const CallOptions& options, bool force) {
  const bool listed = d_.directories.take_replan();
  if (!force && !listed && !d_.applier.rebase_needed()) return {};
  d_.applier.need_rebase();  // until it is done
  auto outcome = d_.rebaser.run(!d_.outstanding.has_value(), options);
  if (!outcome.ok()) return outcome.error().wrap("plan the pending changes anew");
  if (outcome->files.ok()) d_.applier.rebase_done();
  log_info("sync.replanned", {{"conflict_names", outcome->conflict_names}});
  d_.applier.show(outcome->changes);
  if (!outcome->files.ok()) return outcome->files.error().wrap("give a conflict copy its file");
  return {};
}

}  // namespace skymoor::client
