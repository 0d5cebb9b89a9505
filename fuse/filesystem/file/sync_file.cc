#include "fuse/filesystem/engine.h"

namespace skymoor::client {
namespace {
constexpr std::uint64_t kMostWaitingRecords = 8192;   // with logged bytes: 256 MiB
}

Status Engine::sync_file(Request& request, HandleId id, bool data_only) {
  // Data only or not, the size must survive with the data, and it stands in the record; only a file that vouches for itself
  // has it elsewhere, but not its times.
  std::shared_ptr<OpenInode> inode;
  {
    MutexLock lock(store_.mutex());
    inode = TRY(handle_of(lock, id))->inode;
  }
  return sync_inode(inode, data_only, request.stop);
}

/// First the bytes, then the record that speaks of them. A failure stays with the inode for as long as it is open: the
/// kernel may have dropped the pages, so that a later success would prove nothing.
Status Engine::sync_inode(const std::shared_ptr<OpenInode>& inode, bool data_only, const std::stop_token& stop) {
  const bool watched = inode->watched.load(std::memory_order_acquire);
  if (watched) TRY(settle(inode, Look::kSilent));   // what a mapping stored counts, too
  Lsn target;
  bool small, vouched, beside_old;
  {
    MutexLock lock(store_.mutex());
    if (inode->failed) return *inode->failed;
    wait_for_file(lock, *inode);
    auto row = store_.inode(lock, inode->id);
    if (!row.ok()) return {};
    target = row->changed;
    if (target <= inode->synced && !watched) {
      lock.unlock();
      return sync_to_server(target, stop);
    }
    small = inode->unsynced.known() && !watched && options_.log_small_syncs && log_is_short();
    beside_old = small && store_.has_base(lock, inode->id);
    vouched = data_only && watched && inode->vouching && may_vouch(lock, *inode, *row);
    if (vouched) target = inode->settled_base;
  }
  // The log will have what was written; what was fetched beside it since the last sync is in the file alone.
  Status done;
  if (beside_old)
    if (auto old = backing_.sync_unsynced(inode->id); !old.ok()) done = std::move(old).error();
  auto logged = done.ok() && small ? log_unsynced(*inode) : Result<Lsn>(Lsn{});
  if (!logged.ok()) done = logged.error();
  if (done.ok() && !*logged) done = sync_bytes(*inode);
  if (done.ok()) done = store_.sync(std::max(target, *logged));
  {
    MutexLock lock(store_.mutex());
    if (!done.ok()) {
      note_failed(lock, *inode, done.error());
      return done;
    }
    inode->synced = std::max(inode->synced, target);
  }
  TRY(sync_to_server(target, stop));
  if (data_only && watched && !vouched) begin_vouching(inode);
  return {};
}

/// What waits for the server stays in the log, logged bytes with it: without a network it must not grow with each fsync.
bool Engine::log_is_short() {
  return store_.last_lsn().value - store_.position().acknowledged.value < kMostWaitingRecords;
}

void Engine::note_failed(const MutexLock&, OpenInode& inode, const Error& error) {
  inode.failed = error;
  if (!options_.sync_failed) return;
  handles_.for_each([&](HandleId id, const Handle& handle) {
    if (handle.inode.get() == &inode) options_.sync_failed(id);
  });
}

/// Syncs the backing file without keeping writers out.
Status Engine::sync_bytes(OpenInode& inode) {
  std::uint64_t changes;
  Lsn before;
  std::shared_ptr<BackingFile> file;
  {
    MutexLock lock(store_.mutex());
    changes = inode.unsynced.changes();
    before = store_.last_lsn();
    file = inode.file;
  }
  TRY(file ? sync_whoever_has(*file) : backing_.sync(inode.id));
  MutexLock lock(store_.mutex());
  if (inode.unsynced.changes() == changes) inode.unsynced.all_synced();
  // What the log carries of the file from before is older than what it holds now: no replay over it.
  return store_.note_data_durable(lock, inode.id, before);
}

/// The file may change hands meanwhile; its name counts where it is in the end.
Status Engine::sync_whoever_has(BackingFile& file) {
  for (;;) {
    InodeId holder = file.inode();
    TRY(backing_.sync(holder));
    if (file.inode() == holder) return {};
  }
}

/// Little enough is unsynced to go into the log with the record: one sync for both. The log keeps the bytes until the
/// backing file is synced (DataReplay::make_durable). Answers the record, or 0 when there was too much after all.
Result<Lsn> Engine::log_unsynced(OpenInode& inode) {
  MutexLock changing(inode.change);
  std::shared_ptr<BackingFile> file;
  {
    MutexLock lock(store_.mutex());
    file = inode.file;
  }
  if (!file) return Lsn{};
  // Until the record stands: a conflict copy would take the bytes away, and the log would speak of another file.
  BackingFile::Holding holding(*file);
  std::vector<Extent> extents;
  {
    MutexLock lock(store_.mutex());
    if (!inode.unsynced.known() || !file->serves(inode.id)) return Lsn{};
    extents = inode.unsynced.extents();
  }
  std::vector<Bytes> pieces;
  for (const Extent& extent : extents) {
    Bytes& piece = pieces.emplace_back(extent.length());
    if (TRY(file->file().read_at(extent.begin, piece)) != piece.size()) return Lsn{};
  }
  MutexLock lock(store_.mutex());
  Change change = store_.begin(lock, LocalIntent{});
  for (std::size_t i = 0; i < extents.size(); ++i) change.log_data(inode.id, extents[i].begin, std::move(pieces[i]));
  Lsn lsn = change.lsn();
  TRY(store_.commit(lock, std::move(change)));
  inode.unsynced.all_synced();
  return lsn;
}

Status Engine::sync_to_server(Lsn target, const std::stop_token& stop) {
  if (!options_.fsync_remote) return {};
  return fetcher_.sync_remote(target, clock_.monotonic() + options_.read_deadline, stop);
}

}  // namespace skymoor::client
