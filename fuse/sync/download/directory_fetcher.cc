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
  if (!changes.empty()) listener_.tree_changed(changes);
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
    row.inode.target = TRY(cipher_.open_target(record.inode, record.sealed_target));
  for (const SetXattr& xattr : record.xattrs) {
    auto opened = TRY(cipher_.open_xattr(record.inode, xattr.sealed));
    row.xattrs.emplace_back(std::move(opened.name), std::move(opened.value));
  }
  row.inode.has_xattrs = !row.xattrs.empty();
  if (!record.sealed_manifest.empty())
    row.manifest = TRY(cipher_.open_manifest(record.inode, record.content, record.sealed_manifest));
  return row;
}

Result<MetadataStore::ListedRow> DirectoryFetcher::open_entry(const ListedEntry& entry, InodeId directory) const {
  std::string name = TRY(cipher_.open_name(directory, entry.inode.inode, entry.sealed_name));
  TRY(check_name(name));
  if (cipher_.name_token(directory, name) != entry.token) return Error(Code::kCorrupt, "a name does not fit its token");
  auto row = TRY(open_row(entry.inode, directory));
  row.name = std::move(name);
  return row;
}

/// Numbers of another history mean nothing here, until sync has taken the tree over to it.
Status DirectoryFetcher::check_epoch(Epoch epoch) const {
  if (epoch == store_.position().epoch) return {};
  return Error(Code::kUnavailable, "the server was put back from a backup, and this device is about to give back what it lacks");
}

Status DirectoryFetcher::fetch_pages(InodeId directory, const CallOptions& options) {
  Bytes cursor;
  std::uint32_t before = 0;   // subdirectories in the pages so far
  int repeats = 0;
  for (bool first = true;;) {
    auto page = retry_while_busy(
        options.stop, [&] { return remote_.list_directory(directory, cursor, kEntriesAtOnce, kSmallManifestBytes, options); });
    connection_.note(page.ok() ? Status() : Status(page.error()), options.timeout);
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
    auto merged = claim_and_apply(store_, listener_, std::move(coming),
                                  [&] { return store_.merge_listing(directory, page->sequence, self, rows, complete, first); });
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

/// False when somebody else has listed it meanwhile.
Result<bool> DirectoryFetcher::begin_listing(InodeId directory, const CallOptions& options) {
  const Instant deadline = clock_.monotonic() + options.timeout;
  bool waited = false;
  {
    NotifyOnStop wake(options.stop, mutex_, ended_);
    MutexLock lock(mutex_);
    for (; listing_.contains(directory); waited = true) {
      if (options.stop.stop_requested()) return Error(Code::kCancelled, "stopped");
      if (clock_.monotonic() >= deadline) return Error(Code::kTimedOut, "the directory is being listed");
      wait_a_while(ended_, lock, clock_, deadline, options.stop);
    }
    listing_.insert(directory);
  }
  if (!waited) return true;
  bool listed;
  {
    MutexLock lock(store_.mutex());
    auto row = store_.inode(lock, directory);
    listed = row.ok() && row->listed;
  }
  if (listed) end_listing(directory);
  return !listed;
}

void DirectoryFetcher::end_listing(InodeId directory) {
  MutexLock lock(mutex_);
  listing_.erase(directory);
  ended_.notify_all();
}

Status DirectoryFetcher::fetch_directory(InodeId directory, const CallOptions& options) {
  if (!TRY(begin_listing(directory, options))) return {};
  struct Ending {
    DirectoryFetcher& fetcher;
    InodeId directory;
    ~Ending() { fetcher.end_listing(directory); }
  } ending{*this, directory};
  for (int round = 1;; ++round) {
    Status done = contained([&] { return fetch_pages(directory, options); });
    if (!done.ok()) store_.abandon_listing(directory);  // before anybody else may begin one
    if (done.ok() || done.error().code() != Code::kConflict || round == kMaxRestarts) return done;
    if (options.stop.stop_requested()) return Error(Code::kCancelled, "stopped");
  }
}

Status DirectoryFetcher::fetch_inode(InodeId inode, const CallOptions& options) {
  for (int round = 1;; ++round) {
    auto page = retry_while_busy(options.stop, [&] { return remote_.inodes({inode}, options); });
    connection_.note(page.ok() ? Status() : Status(page.error()), options.timeout);
    if (!page.ok()) return std::move(page).error();
    TRY(check_epoch(page->epoch));
    if (page->inodes.empty()) return Error(Code::kStale, "the inode was removed elsewhere");
    if (page->inodes.front().inode != inode) return Error(Code::kCorrupt, "the server answered for another inode");
    auto row = TRY(open_row(page->inodes.front(), InodeId{}));
    Coming coming;
    if (row.inode.attributes.type == FileType::kFile) coming.emplace_back(inode, row.inode.content);
    auto merged = claim_and_apply(store_, listener_, std::move(coming),
                                  [&] { return store_.merge_listing(inode, page->sequence, row, {}, false, false); });
    if (!merged.ok() && merged.error().code() == Code::kConflict && round < kMaxRestarts) continue;
    show(TRY(std::move(merged)));
    if (row.inode.attributes.type != FileType::kFile || row.manifest.empty()) return {};
    MutexLock lock(store_.mutex());
    return store_.note_manifest(lock, inode, row.inode.content, std::move(row.manifest));
  }
}

}  // namespace skymoor::client
