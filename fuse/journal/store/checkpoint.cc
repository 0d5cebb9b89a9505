// Checkpoints: the rows changed since the last one go into the database in one transaction, then log segments that
// nobody needs go.
//
// Order of what reaches the disk: the log up to the batch (and the file data that it carries), then the transaction,
// then (synced) the transaction's WAL, and only then are segments removed. So the tables never know of a record that the
// log has lost, and a record is always in one of the two.
#include <algorithm>

#include "fuse/journal/store/store.h"
#include "shared/base/executor.h"
#include "shared/base/log.h"
#include "shared/base/must_finish.h"

namespace skymoor::client {
namespace {

constexpr std::uint64_t kUnfoldedRows = 32768;   // about 32 MiB of the WAL

}  // namespace

/// A device that only looks makes no records, and would else never fold what listings and the feed put into the WAL.
void JournaledMetadataStore::note_unfolded(std::size_t rows) {
  const std::uint64_t before = unfolded_.fetch_add(rows);
  if (before < kUnfoldedRows && before + rows >= kUnfoldedRows) wake_housekeeper();
}

bool JournaledMetadataStore::wal_is_long() const { return unfolded_ >= kUnfoldedRows; }

Status JournaledMetadataStore::checkpoint() {
  sync_bytes_first();
  MutexLock one(checkpoint_mutex_);
  return checkpoint_locked();
}

Status JournaledMetadataStore::checkpoint_locked() {
  TRY(make_data_durable());
  TRY(log_->sync(log_->last()));  // most of it now, while nobody waits for us
  Lsn first_of_current, data_lsn;
  Status outcome;
  {
    MutexLock lock(mutex_);
    MutexLock writer(writer_mutex_);
    settle(lock, writer);
    in_flight_ = take_batch(lock);
    first_of_current = in_flight_->first_of_current;
    data_lsn = in_flight_->data_lsn;
    lock.unlock();
    outcome = log_->sync(in_flight_->lsn);
    if (outcome.ok()) outcome = contained([&] { return write_batch(*in_flight_, *writer_); });
    in_flight_->outcome = outcome;
  }
  {
    MutexLock lock(mutex_);
    MutexLock writer(writer_mutex_);
    settle(lock, writer);
  }
  if (!outcome.ok()) return outcome;
  return release_segments(std::min(first_of_current, Lsn{data_lsn.value + 1}));
}

// Under the namespace's lock: for a commit that would leave too many rows in memory, and before a rebase.
Status JournaledMetadataStore::checkpoint_inline(const MutexLock& lock, const MutexLock& writer) {
  settle(lock, writer);
  in_flight_ = take_batch(lock);
  Status outcome = log_->sync(in_flight_->lsn);
  if (outcome.ok()) outcome = contained([&] { return write_batch(*in_flight_, *writer_); });
  in_flight_->outcome = outcome;
  settle(lock, writer);
  return outcome;
}

// File data that the log carries is replayed from `data_lsn_` on, until the backing files themselves are synced. No lock
// of ours may be held: the cache may be waiting for somebody who wants the namespace.
Status JournaledMetadataStore::make_data_durable() {
  std::vector<InodeId> inodes;
  std::unordered_set<InodeId> taken;
  Lsn up_to;
  {
    MutexLock lock(mutex_);
    inodes.assign(logged_data_.begin(), logged_data_.end());
    taken.swap(logged_data_);
    up_to = memory_lsn_;
  }
  if (replay_ && !inodes.empty()) {
    if (Status done = contained([&] { return replay_->make_durable(inodes); }); !done.ok()) {
      MutexLock lock(mutex_);
      taken.swap(logged_data_);   // what came meanwhile is the smaller part
      MustFinish finishing;
      logged_data_.merge(taken);
      return done.error().wrap("sync logged file data");
    }
  }
  MutexLock lock(mutex_);
  data_lsn_ = up_to;
  return {};
}

JournaledMetadataStore::Batch JournaledMetadataStore::take_batch(const MutexLock&) {
  Batch batch;
  batch.lsn = memory_lsn_;
  batch.data_lsn = data_lsn_;
  batch.first_of_current = log_->first_of_current();
  batch.next_cookie = next_cookie_;
  batch.totals = totals_;
  batch.transaction = transaction_;
  batch.inodes.reserve(inodes_.pinned_count());
  inodes_.each_pinned([&](auto& e) {
    batch.inodes.push_back({&e, e.version, *e.key, e.row, e.changed, created_since_checkpoint(*e.key)});
  });
  batch.dentries.reserve(dentries_.pinned_count());
  dentries_.each_pinned([&](auto& e) { batch.dentries.push_back({&e, e.version, e.row, e.changed}); });
  for (const auto& [key, row] : xattrs_) batch.xattrs.push_back({key, row});
  batch.contents.reserve(contents_.pinned_count());   // nothing may fail once a row's flags are in the batch
  contents_.each_pinned([&](auto& e) {
    Batch::Content item{&e, e.version, *e.key, e.row, e.changed, false, false, false};
    if (e.row) {
      item.manifest_changed = std::exchange(e.row->manifest_changed, false);
      item.manifest_recorded = std::exchange(e.row->manifest_recorded, false);
      item.manifest_noted = e.row->manifest_noted;
      // Records may rely on a fetched manifest without repeating it once it is in the database: they depend on it.
      if (item.manifest_noted) batch.transaction = transaction_ + 1;
    }
    batch.contents.push_back(std::move(item));
  });
  noted_ = 0;
  return batch;
}

Status JournaledMetadataStore::write_batch(const Batch& batch, SqlTables& sql) {
  TRY(disk_.fault("journal.checkpoint"));
  auto transaction = TRY(sqlite::Transaction::begin(sql.db()));
  TRY(write_rows(batch, sql));
  TRY(disk_.fault("journal.checkpoint_commit"));
  return transaction.commit();
}

Status JournaledMetadataStore::write_rows(const Batch& batch, SqlTables& sql) {
  for (const auto& item : batch.inodes) TRY(write_inode(item, sql));
  for (const auto& item : batch.dentries) TRY(write_dentry(item, sql));
  for (const auto& item : batch.contents) TRY(write_content(item, sql));
  for (const auto& item : batch.xattrs) TRY(write_xattr(item, sql));
  TRY(sql.put_meta("applied", batch.lsn.value));
  TRY(sql.put_meta("data_applied", batch.data_lsn.value));
  TRY(sql.put_meta("next_cookie", batch.next_cookie));
  TRY(sql.put_meta("transaction", batch.transaction));
  TRY(sql.put_meta("total_inodes", batch.totals.inodes));
  return sql.put_meta("total_bytes", batch.totals.bytes);
}

// Before a pending row is written, the confirmed one is kept aside. A pending row without a base row says that the object
// was not there before; where the row itself is gone, an empty base row has to say so.
Status JournaledMetadataStore::write_inode(const Batch::Inode& item, SqlTables& sql) {
  Lsn acknowledged{acknowledged_};
  bool pending = item.changed > acknowledged;
  bool kept = pending && !item.fresh && TRY(sql.capture_inode(item.id, acknowledged, item.changed));
  if (item.row) return sql.put_inode(*item.row);
  if (pending && !kept) TRY(sql.put_base_inode(item.id, {std::nullopt, item.changed}));
  return sql.erase_inode(item.id);
}

Status JournaledMetadataStore::write_dentry(const Batch::Dentry& item, SqlTables& sql) {
  Lsn acknowledged{acknowledged_};
  const NameKey& key = *item.entry->key;
  bool pending = item.changed > acknowledged;
  bool kept = pending && TRY(sql.capture_dentry(key.owner, key.name, acknowledged, item.changed));
  if (item.row) return sql.put_dentry(*item.row);
  if (pending && !kept) TRY(sql.put_base_dentry(key.owner, key.name, {std::nullopt, item.changed}));
  return sql.erase_dentry(key.owner, key.name);
}

// The manifest stands apart from the extents: it is large, and seldom changes. Its base row is kept aside only when a
// record changes it, because until then the visible one is the confirmed one.
Status JournaledMetadataStore::write_content(const Batch::Content& item, SqlTables& sql) {
  if (!item.row) {
    auto base = TRY(sql.base_inode(item.id));
    if (base && base->row && TRY(sql.manifest(item.id))) TRY(sql.capture_manifest(item.id));
    else if (!base || !base->row) TRY(sql.erase_base_manifest(item.id));
    TRY(sql.erase_extents(item.id));
    return sql.erase_manifest(item.id);
  }
  const ContentRow& row = item.row->row;
  TRY(sql.put_extents(item.id, {row.valid, row.dirty, item.changed}, era_));
  if (!item.manifest_changed) return {};
  if (item.manifest_recorded) TRY(sql.capture_manifest(item.id));
  if (row.manifest_content == OpId{} && row.manifest.empty()) return sql.erase_manifest(item.id);
  return sql.put_manifest(item.id, {row.manifest_content, row.manifest});
}

Status JournaledMetadataStore::write_xattr(const Batch::Xattr& item, SqlTables& sql) {
  Lsn acknowledged{acknowledged_};
  const NameKey& key = item.key;
  Lsn changed = item.row.changed;
  bool pending = changed > acknowledged;
  bool kept = pending && TRY(sql.capture_xattr(key.owner, key.name, acknowledged, changed));
  if (item.row.value) return sql.put_xattr(key.owner, key.name, {*item.row.value, changed});
  if (pending && !kept) TRY(sql.put_base_xattr(key.owner, key.name, {std::nullopt, changed}));
  return sql.erase_xattr(key.owner, key.name);
}

// Takes in how the last batch went. Whoever holds both locks next does it, so that nobody sees a database that is
// ahead of what memory believes of it.
void JournaledMetadataStore::settle(const MutexLock& lock, const MutexLock&) {
  if (!in_flight_) return;
  MustFinish finishing;
  Batch batch = std::move(*in_flight_);
  in_flight_.reset();
  if (!batch.outcome || !batch.outcome->ok()) {
    restore_flags(lock, batch);
    return;
  }
  settled(lock, batch);
}

void JournaledMetadataStore::settled(const MutexLock& lock, const Batch& batch) {
  for (auto& item : batch.inodes) inodes_.settle(*item.entry, item.version);
  for (auto& item : batch.dentries)
    if (dentries_.settle(*item.entry, item.version))
      pinned_names_.change(item.entry->key->owner, item.entry->key->name, item.row.get(), true, nullptr, false);
  for (auto& item : batch.contents) {
    bool all = contents_.settle(*item.entry, item.version);
    if (all && item.manifest_noted) item.entry->row->manifest_noted = false;
  }
  for (auto& item : batch.xattrs)
    if (auto it = xattrs_.find(item.key); it != xattrs_.end() && it->second.version == item.row.version)
      xattrs_.erase(it);
  applied_ = batch.lsn;
  applied_seen_ = batch.lsn.value;
  data_on_disk_ = batch.data_lsn;
  totals_on_disk_ = batch.totals;
  if (batch.transaction != transaction_) {
    transaction_ = batch.transaction;
    dependency_write_ = ++database_writes_;
  }
  trim(lock);
}

void JournaledMetadataStore::restore_flags(const MutexLock&, const Batch& batch) {
  for (const auto& item : batch.contents) {
    if (!item.entry->row) continue;
    item.entry->row->manifest_changed |= item.manifest_changed;
    item.entry->row->manifest_recorded |= item.manifest_recorded;
  }
}

// A segment goes when the disk (not only the kernel) has the tables that hold its records, and the acknowledgement; and never
// while the WAL is damaged: the next start cuts it at the damage, and has those records from the log alone.
Status JournaledMetadataStore::release_segments(Lsn first_needed) {
  Lsn up_to{std::min(acknowledged_.load(), first_needed.value - 1)};
  if (log_->segments() > 1) {
    TRY(sync_database());
    if (log_->would_release(up_to)) {
      MutexLock writer(writer_mutex_);
      TRY(writer_->db().check_wal());
    }
    TRY(log_->release(up_to));
  }
  // Without synchronous: the WAL moves into the database when there is something to move; readers do not wait.
  constexpr std::uint64_t kWalBytes = 8u << 20;
  if (!wal_is_long() && TRY(wal_file_->size()) < kWalBytes) return {};   // what is in it goes on counting
  unfolded_ = 0;
  MutexLock writer(writer_mutex_);
  Status moved = writer_->db().execute("PRAGMA wal_checkpoint(PASSIVE)");
  if (moved.ok()) return {};
  if (moved.error().code() == Code::kCorrupt) return moved.error().wrap("fold the WAL");
  log_warn("journal.wal_checkpoint", {{"error", moved.error()}});
  return {};
}

/// Files come before the log: see bytes_first. Where the log is synced under the namespace's lock (a full segment) or in a re-plan
/// they do not: nobody may wait for files there.
Status JournaledMetadataStore::sync(Lsn lsn) {
  sync_bytes_first();
  return log_->sync(lsn);
}

bool JournaledMetadataStore::bytes_wait() {
  MutexLock lock(bytes_first_mutex_);
  return !bytes_first_.empty();
}

void JournaledMetadataStore::sync_bytes_first() {
  std::vector<InodeId> files;
  {
    MutexLock lock(bytes_first_mutex_);
    while (syncing_bytes_) bytes_first_done_.wait(lock);
    if (bytes_first_.empty() || !replay_) return;
    files.assign(bytes_first_.begin(), bytes_first_.end());
    bytes_first_.clear();
    syncing_bytes_ = true;
  }
  const Status synced = contained([&] { return replay_->sync_changed(files); });
  MutexLock lock(bytes_first_mutex_);
  syncing_bytes_ = false;   // before anything that may fail: everybody's fsync waits for it
  bytes_first_done_.notify_all();
  if (synced.ok()) return;
  // Whoever syncs such a file is told by itself, and nobody else: the log goes on, and the files are tried again.
  bytes_first_.insert(files.begin(), files.end());
  if (bytes_first_.size() > kMostBytesFirst) bytes_first_ = {InodeId{}};
  log_error("journal.bytes_not_synced", {{"files", files.size()}, {"error", synced.error()}});
}

Status JournaledMetadataStore::sync_database() {
  std::uint64_t writes = database_writes_;
  TRY(wal_file_->sync());
  std::uint64_t seen = database_writes_synced_;
  while (seen < writes && !database_writes_synced_.compare_exchange_weak(seen, writes)) {
  }
  return {};
}

void JournaledMetadataStore::wake_housekeeper() {
  MutexLock lock(housekeeper_mutex_);
  checkpoint_due_ = true;
  housekeeper_wake_.notify_all();
}

void JournaledMetadataStore::housekeep(std::chrono::milliseconds interval, bool checkpoints) {
  set_thread_name(checkpoints ? "journal-checkpt" : "journal-sync");
  MutexLock lock(housekeeper_mutex_);
  while (!stopping_) {
    bool due = checkpoints && checkpoint_due_;
    if (!due) housekeeper_wake_.wait_for(lock, interval);
    if (stopping_) return;
    if (checkpoints) checkpoint_due_ = false;
    lock.unlock();
    bool work = checkpoints ? log_->last().value > applied_seen_ || noted_ > 0 || wal_is_long()
                            : log_->synced() < log_->last() || bytes_wait();
    Status done = contained([&] { return !work ? Status{} : checkpoints ? checkpoint() : sync(log_->last()); });
    if (!done.ok()) log_error("journal.housekeeping", {{"checkpoint", checkpoints}, {"error", done.error()}});
    lock.lock();
  }
}

}  // namespace skymoor::client
