#include "fuse/sync/download/directory_fetcher.h"

#include "fuse/remote/backoff.h"
#include "fuse/sync/claims.h"
#include "fuse/sync/waiting.h"
#include "shared/base/must_finish.h"

namespace skymoor::client {
namespace {
constexpr std::size_t kEntriesAtOnce = 1000;
constexpr std::size_t kSmallManifestBytes = 512;  // of files that are cheaper to take along than to ask for later
constexpr int kMaxRestarts = 10, kMaxRepeats = 10;   // of a listing, of one page, that the feed overtakes
}  // namespace

void DirectoryFetcher::show(const VisibleChanges& changes) {
  if (changes.replan) replan_ = true;
  if (!changes.empty()) d_.listener.tree_changed(changes);
  if (!changes.unlisted.empty()) d_.unlisted(changes.unlisted);
}

Result<MetadataStore::ListedRow> DirectoryFetcher::open_row(const InodeRecord& record, InodeId parent) const {
  MetadataStore::ListedRow row;
  row.inode.id = record.inode;
  row.inode.attributes = record.attributes;
  row.inode.links = record.links;
  row.inode.parent = parent;
  row.inode.content = record.content;
  row.inode.version = record.version;
  if (record.attributes.type == FileType::kSymlink)
    row.inode.target = TRY(d_.cipher.open_target(record.inode, record.sealed_target));
  for (const SetXattr& xattr : record.xattrs) {
    auto opened = TRY(d_.cipher.open_xattr(record.inode, xattr.sealed));
    row.xattrs.emplace_back(std::move(opened.name), std::move(opened.value));
  }
  row.inode.has_xattrs = !row.xattrs.empty();
  if (!record.sealed_manifest.empty())
    row.manifest = TRY(d_.cipher.open_manifest(record.inode, record.content, record.sealed_manifest));
  return row;
}

Result<MetadataStore::ListedRow> DirectoryFetcher::open_entry(const ListedEntry& entry, InodeId directory) const {
  std::string name = TRY(d_.cipher.open_name(directory, entry.inode.inode, entry.sealed_name));
  TRY(check_name(name));
  if (d_.cipher.name_token(directory, name) != entry.token) return Error(Code::kCorrupt, "a name does not fit its token");
  auto row = TRY(open_row(entry.inode, directory));
  row.name = std::move(name);
  return row;
}

/// Numbers of another history mean nothing here, until sync has taken the tree over to it.
Status DirectoryFetcher::check_epoch(Epoch epoch) const {
  if (epoch == d_.store.position().epoch) return {};
  return Error(Code::kUnavailable, "the server was put back from a backup, and this device is about to give back what it lacks");
}

Status DirectoryFetcher::fetch_pages(InodeId directory, const CallOptions& options) {
  Bytes cursor;
  std::uint32_t before = 0;   // subdirectories in the pages so far
  int repeats = 0;
  for (bool first = true;;) {
    auto page = retry_while_busy(
        options.stop, [&] { return d_.remote.list_directory(directory, cursor, kEntriesAtOnce, kSmallManifestBytes, options); });
    d_.connection.note(page.ok() ? Status() : Status(page.error()), options.timeout);
    if (!page.ok() && page.error().code() == Code::kNotFound)
      return Error(Code::kStale, "the directory was removed elsewhere");
    if (!page.ok()) return std::move(page).error();
    TRY(check_epoch(page->epoch));
    if (page->directory.inode != directory) return Error(Code::kCorrupt, "the server listed another directory");
    std::vector<MetadataStore::ListedRow> rows;
    rows.reserve(page->entries.size());
    std::uint32_t subdirectories = before;
    for (const ListedEntry& entry : page->entries) {
      rows.push_back(TRY(open_entry(entry, directory)));
      if (entry.inode.attributes.type == FileType::kDirectory) ++subdirectories;
    }
    auto self = TRY(open_row(page->directory, InodeId{}));
    if (!page->next.empty() && page->next == cursor) return Error(Code::kCorrupt, "the server's listing has no end");
    const bool complete = page->next.empty();
    self.inode.links = 2 + subdirectories;
    Coming coming;
    for (const MetadataStore::ListedRow& row : rows)
      if (row.inode.attributes.type == FileType::kFile) coming.emplace_back(row.inode.id, row.inode.content);
    auto merged = claim_and_apply(d_.store, d_.listener, std::move(coming),
                                  [&] { return d_.store.merge_listing(directory, page->sequence, self, rows, complete, first); });
    // What the feed brings between pages finds its place by itself: only this page is asked for again.
    if (!merged.ok() && merged.error().code() == Code::kConflict && ++repeats <= kMaxRepeats) continue;
    show(TRY(std::move(merged)));
    if (complete) return {};
    cursor = std::move(page->next);
    before = subdirectories;
    first = false;
    repeats = 0;
  }
}

/// The listing that is under way, or (true) a new one that somebody has to begin. The caller counts among those who wait for it.
std::pair<std::shared_ptr<Flight>, bool> DirectoryFetcher::join(InodeId directory) {
  MutexLock lock(mutex_);
  auto it = flights_.find(directory);
  const bool fresh = it == flights_.end();
  if (fresh) it = flights_.emplace(directory, std::make_shared<Flight>()).first;
  ++it->second->waiters;
  return {it->second, fresh};
}

Status DirectoryFetcher::begin(InodeId directory, const CallOptions& options) {
  if (options.patience == Patience::kWhileItMoves) {
    list(directory, options.stop);
    return {};
  }
  return d_.pool.submit([this, directory] {
    if (!drop_unawaited(directory)) list(directory, stopping_.get_token());
  });
}

/// True: nobody waits for it any more.
bool DirectoryFetcher::drop_unawaited(InodeId directory) {
  MutexLock lock(mutex_);
  auto it = flights_.find(directory);
  if (it == flights_.end() || it->second->waiters > 0) return false;
  flights_.erase(it);
  return true;
}

void DirectoryFetcher::list(InodeId directory, const std::stop_token& stop) {
  const Status done = contained([&] { return list_to_the_end(directory, stop); });
  land(directory, done);
  (void)contained([this]() -> Status {
    d_.listed();
    return {};
  });
}

Status DirectoryFetcher::list_to_the_end(InodeId directory, const std::stop_token& stop) {
  const CallOptions options{.stop = stop, .patience = Patience::kWhileItMoves};
  for (int round = 1; !stop.stop_requested(); ++round) {
    Status done = contained([&] { return fetch_pages(directory, options); });
    if (!done.ok()) d_.store.abandon_listing(directory);  // before anybody else may begin one
    if (done.ok() || done.error().code() != Code::kConflict || round == kMaxRestarts) return done;
  }
  return Error(Code::kCancelled, "stopped");
}

/// Whoever waits for it hears how it ended.
void DirectoryFetcher::land(InodeId directory, const Status& outcome) {
  MustFinish finishing;
  MutexLock lock(mutex_);
  auto it = flights_.find(directory);
  if (it == flights_.end()) return;
  it->second->land(outcome);
  flights_.erase(it);
  ended_.notify_all();
}

void DirectoryFetcher::stop() {
  stopping_.request_stop();
  MutexLock lock(mutex_);
  ended_.notify_all();
}

Status DirectoryFetcher::fetch_directory(InodeId directory, const CallOptions& options) {
  if (options.stop.stop_requested()) return Error(Code::kCancelled, "stopped");
  const auto [flight, fresh] = join(directory);
  if (fresh)
    if (Status begun = contained([&] { return begin(directory, options); }); !begun.ok()) land(directory, begun);
  const Instant deadline = options.patience == Patience::kWhileItMoves ? Instant::max() : d_.clock.monotonic() + options.timeout;
  NotifyOnStop wake(options.stop, mutex_, ended_);
  MutexLock lock(mutex_);
  Status outcome;
  while (!flight->done && outcome.ok()) {
    if (options.stop.stop_requested() || stopping_.stop_requested()) outcome = Error(Code::kCancelled, "stopped");
    else if (d_.clock.monotonic() >= deadline)
      outcome = Error(Code::kTimedOut, "the names in the directory are still on their way from the server");
    else wait_a_while(ended_, lock, d_.clock, deadline, options.stop);
  }
  --flight->waiters;
  return flight->done ? flight->outcome : outcome;
}

Status DirectoryFetcher::fetch_inode(InodeId inode, const CallOptions& options) {
  for (int round = 1;; ++round) {
    auto page = retry_while_busy(options.stop, [&] { return d_.remote.inodes({inode}, options); });
    d_.connection.note(page.ok() ? Status() : Status(page.error()), options.timeout);
    if (!page.ok()) return std::move(page).error();
    TRY(check_epoch(page->epoch));
    if (page->inodes.empty()) return Error(Code::kStale, "the inode was removed elsewhere");
    if (page->inodes.front().inode != inode) return Error(Code::kCorrupt, "the server answered for another inode");
    auto row = TRY(open_row(page->inodes.front(), InodeId{}));
    Coming coming;
    if (row.inode.attributes.type == FileType::kFile) coming.emplace_back(inode, row.inode.content);
    auto merged = claim_and_apply(d_.store, d_.listener, std::move(coming),
                                  [&] { return d_.store.merge_listing(inode, page->sequence, row, {}, false, false); });
    if (!merged.ok() && merged.error().code() == Code::kConflict && round < kMaxRestarts) continue;
    show(TRY(std::move(merged)));
    if (row.inode.attributes.type != FileType::kFile || row.manifest.empty()) return {};
    MutexLock lock(d_.store.mutex());
    return d_.store.note_manifest(lock, inode, row.inode.content, std::move(row.manifest));
  }
}

}  // namespace skymoor::client
