// JournaledMetadataStore: the op log and the tables put together. Private to the room.
#pragma once
#include <atomic>
#include <map>
#include <optional>
#include <thread>
#include <unordered_map>
#include <unordered_set>

#include "fuse/journal/lock_ranks.h"
#include "fuse/journal/log/op_log.h"
#include "fuse/journal/metadata_store.h"
#include "fuse/journal/store/name_lists.h"
#include "fuse/journal/store/offers.h"
#include "fuse/journal/store/outlived_ids.h"
#include "fuse/journal/store/pinned_names.h"
#include "fuse/journal/tables/row_table.h"
#include "fuse/journal/tables/sql_tables.h"

namespace skymoor::client {

class ConfirmedEdit;
class Rebase;

/// A content row in memory, with what of its manifest the database does not hold yet.
struct CachedContent {
  ContentRow row;
  bool manifest_changed = false;   ///< must be written at the next checkpoint
  bool manifest_recorded = false;  ///< changed by a record: the confirmed one must be kept aside first
  bool manifest_noted = false;     ///< fetched, and neither in the log nor in the database
};

struct CachedXattr {
  std::optional<Bytes> value;      ///< nothing: removed
  Lsn changed;
  std::uint64_t version = 0;
};

/// As in meta.identity.
Bytes encode_identity(const StoreIdentity& identity);

/// Totals that are read without a lock.
struct SharedTotals {
  SharedTotals& operator=(const MetadataStore::Totals& totals) {
    inodes = totals.inodes;
    bytes = totals.bytes;
    return *this;
  }
  operator MetadataStore::Totals() const { return {inodes, bytes}; }
  std::atomic<std::uint64_t> inodes{0}, bytes{0};
};

/// See MetadataStore. Locks, in the order they are taken: checkpoint_mutex_ (one checkpoint, feed entry, listing or
/// rebase at a time), mutex_ (the visible tree), writer_mutex_ (the writing connection), then the log's own. Private
/// methods take the locks they need as parameters. A checkpoint holds writer_mutex_ from taking its batch to the end of
/// its transaction, but mutex_ only to take the batch and to settle it.
class JournaledMetadataStore final : public MetadataStore {
 public:
  JournaledMetadataStore(Disk& disk, Clock& clock, Options options, StoreIdentity identity, DataReplay* replay);
  ~JournaledMetadataStore() override;
  Status open_all();  // recovery.cc

  Mutex& mutex() override { return mutex_; }
  const StoreIdentity& identity() const override { return identity_; }

  Result<InodeRow> inode(const MutexLock&, InodeId id) override;
  Result<DentryRow> dentry(const MutexLock&, InodeId directory, std::string_view name) override;
  Result<std::vector<DentryRow>> list(const MutexLock&, InodeId directory, std::uint64_t after,
                                      std::size_t limit, bool with_inodes) override;
  Result<bool> has_children(const MutexLock&, InodeId directory) override;
  Result<Bytes> xattr(const MutexLock&, InodeId inode, std::string_view name) override;
  Result<std::vector<std::string>> xattr_names(const MutexLock&, InodeId inode) override;
  Result<ContentRow> content(const MutexLock&, InodeId inode) override;
  Result<std::vector<DentryRow>> links(const MutexLock&, InodeId inode) override;
  Totals totals() override { return totals_; }

  Change begin(const MutexLock&, Intent intent) override;
  Status commit(const MutexLock&, Change change) override;
  Lsn last_lsn() override { return log_->last(); }
  Status sync(Lsn lsn) override;
  Status note_content(const MutexLock&, InodeId inode, Extent extent, bool valid) override;
  Status note_access_time(const MutexLock&, InodeId inode, Timestamp time) override;
  Status note_manifest(const MutexLock&, InodeId inode, OpId content, Bytes manifest) override;
  Status note_data_durable(const MutexLock&, InodeId inode, Lsn up_to) override;
  void bytes_first(const MutexLock&, InodeId inode) override;
  bool has_base(const MutexLock&, InodeId inode) override;
  bool power_was_lost() const override { return era_ > recovered_era_; }
  Status note_recovered() override;
  void witness_contents(const MutexLock&, ContentWitness* witness) override { witness_ = witness; }
  bool is_shown(const MutexLock& lock, InodeId inode) override { return witness_ && witness_->is_shown(lock, inode); }
  std::optional<InodeId> held_back() override;
  Status checkpoint() override;

  SyncPosition position() override;
  Status note_offered(Lsn up_to, const Hash256& body, Lsn newest_content) override;
  bool has_offered(Lsn up_to, const Hash256& body) override;
  Lsn last_offered() override { return Lsn{offered_}; }
  bool may_come_back(const MutexLock&, const InodeRow& row) override;
  bool may_be_named(InodeId inode) override;
  Result<std::vector<LogRecord>> records_after(Lsn lsn, std::size_t max_records, std::size_t max_bytes) override;
  Pending pending() override;
  Result<std::vector<InodeId>> dirty_inodes() override;
  Result<std::unique_ptr<Confirmed>> confirmed() override;
  Result<VisibleChanges> apply_commit(Sequence sequence, const Hash256& hash, const std::vector<TreeEffect>& effects,
                                      Lsn own_up_to) override;
  Result<VisibleChanges> merge_listing(InodeId directory, Sequence sequence, const ListedRow& listed,
                                       const std::vector<ListedRow>& rows, bool complete, bool first) override;
  void abandon_listing(InodeId directory) override;
  using MetadataStore::rebase;
  Result<VisibleChanges> rebase(const Redo& redo, const std::function<void(const MutexLock&)>& done) override;
  std::uint64_t rebases() const override { return rebases_; }
  Result<VisibleChanges> adopt(const Adoption& adoption) override;
  Status reset_mirror(Epoch epoch, Sequence head, const Hash256& hash, const InodeRow& root) override;
  Result<std::vector<std::string>> check() override;
  Status close() override;

 private:
  friend class ConfirmedEdit;
  friend class Rebase;

  using InodeTable = RowTable<InodeId, InodeRow, IdHash, std::equal_to<>>;
  using DentryTable = RowTable<NameKey, DentryRow, NameHash, NameEqual>;
  using ContentTable = RowTable<InodeId, CachedContent, IdHash, std::equal_to<>>;
  using XattrTable = std::map<NameKey, CachedXattr>;  // pinned ones only

  /// Rows on their way into the database.
  struct Batch {
    struct Inode {
      InodeTable::Entry* entry;
      std::uint64_t version;
      InodeId id;
      std::shared_ptr<const InodeRow> row;
      Lsn changed;
      bool fresh;  // made since the last checkpoint: the database has nothing of it
    };
    struct Dentry {
      DentryTable::Entry* entry;
      std::uint64_t version;
      std::shared_ptr<const DentryRow> row;
      Lsn changed;
    };
    struct Content {
      ContentTable::Entry* entry;
      std::uint64_t version;
      InodeId id;
      std::shared_ptr<const CachedContent> row;
      Lsn changed;
      bool manifest_changed, manifest_recorded, manifest_noted;
    };
    struct Xattr {
      NameKey key;
      CachedXattr row;
    };
    Lsn lsn;
    Lsn data_lsn;          // file data logged up to here is in its backing file, on the disk
    Lsn first_of_current;  // segments before it may go once everything is on the disk
    std::uint64_t next_cookie = 0;
    std::uint64_t transaction = 0;
    Totals totals;
    std::vector<Inode> inodes;
    std::vector<Dentry> dentries;
    std::vector<Content> contents;
    std::vector<Xattr> xattrs;
    std::optional<Status> outcome;
    bool empty() const { return inodes.empty() && dentries.empty() && contents.empty() && xattrs.empty(); }
  };

  // recovery.cc, replay.cc
  struct LaterWrites;
  Status open_database();
  Status claim();
  Status load_meta();
  Status open_log();
  Status start_era(const std::string& boot_id);
  std::string boot_id();
  Status replay_log();
  Status replay_record(const MutexLock&, LogRecord record);
  Status replay_data(const MutexLock&);
  Status find_replaced();
  void note_replaced(const MutexLock&, const LogRecord& record);
  InodeId copy_of(const LogRecord& record) const;
  Status remove_orphans();
  Status recount_dirty();

  // reads.cc: entries of the tables, loaded when they are not there. Valid until the next trim().
  Result<InodeTable::Entry*> inode_entry(const MutexLock&, InodeId id);
  Result<DentryTable::Entry*> dentry_entry(const MutexLock&, InodeId directory, std::string_view name);
  Result<ContentTable::Entry*> content_entry(const MutexLock&, InodeId inode);
  Error missing(const MutexLock&, InodeId directory, std::string_view name);
  bool list_from_memory(const MutexLock&, InodeId directory, std::uint64_t after, std::size_t limit, bool with_inodes,
                        std::vector<DentryRow>& rows);
  bool created_since_checkpoint(InodeId id) const;
  void trim(const MutexLock&);

  // apply.cc: what a record does to the tables. `prepare` loads what `apply` will need, and may fail; `apply` cannot.
  Status prepare(const MutexLock&, std::vector<RowChange>& changes);
  void apply(const MutexLock&, const std::vector<RowChange>& changes, Lsn lsn);
  void apply_one(const MutexLock&, const PutInode&, Lsn);
  void apply_one(const MutexLock&, const EraseInode&, Lsn);
  void apply_one(const MutexLock&, const PutDentry&, Lsn);
  void apply_one(const MutexLock&, const EraseDentry&, Lsn);
  void apply_one(const MutexLock&, const PutXattr&, Lsn);
  void apply_one(const MutexLock&, const EraseXattr&, Lsn);
  void apply_one(const MutexLock&, const MarkContent&, Lsn);
  void apply_one(const MutexLock&, const PutManifest&, Lsn);
  void apply_one(const MutexLock&, const MoveContent&, Lsn);
  void apply_one(const MutexLock&, const LogData&, Lsn);
  void put_inode(const MutexLock&, InodeId id, std::shared_ptr<InodeRow> row, Lsn changed);
  void put_dentry(const MutexLock&, const NameView& key, std::shared_ptr<DentryRow> row, Lsn changed);
  void put_content(const MutexLock&, InodeId id, std::shared_ptr<CachedContent> row, Lsn changed);
  CachedContent& own_content(const MutexLock&, ContentTable::Entry& entry, InodeId id);
  void count_dirty(const MutexLock&, std::uint64_t before, std::uint64_t after);
  static Totals weight_of(const InodeRow* row);
  void count(const MutexLock&, const InodeRow* before, const InodeRow* after);

  // commit.cc
  Status complete(const MutexLock&, std::vector<RowChange>& changes);
  void apply_note(const MutexLock&, const std::vector<RowChange>& changes);
  Status append(const MutexLock&, const LogRecord& record);
  Status append_note(const MutexLock&, const std::vector<RowChange>& changes);
  Status noted(const MutexLock&);
  Status note_manifests_first(const MutexLock&, const std::vector<RowChange>& changes);

  // checkpoint.cc
  Status checkpoint_locked();                                     // under checkpoint_mutex_
  Status checkpoint_inline(const MutexLock&, const MutexLock& writer);
  Batch take_batch(const MutexLock&);
  Status write_batch(const Batch& batch, SqlTables& sql);
  Status write_rows(const Batch& batch, SqlTables& sql);
  Status write_inode(const Batch::Inode& item, SqlTables& sql);
  Status write_dentry(const Batch::Dentry& item, SqlTables& sql);
  Status write_content(const Batch::Content& item, SqlTables& sql);
  Status write_xattr(const Batch::Xattr& item, SqlTables& sql);
  void settle(const MutexLock&, const MutexLock& writer);
  void settled(const MutexLock&, const Batch& batch);
  void restore_flags(const MutexLock&, const Batch& batch);
  Status make_data_durable();
  Status release_segments(Lsn first_needed);
  bool wal_is_long() const;
  void note_unfolded(std::size_t rows);
  Status sync_database();
  void sync_bytes_first();
  bool bytes_wait();
  /// Something else is about to take the place of what the inode holds, or its last name goes. Errors: Busy.
  Status may_be_replaced(const MutexLock&, InodeId inode);
  void housekeep(std::chrono::milliseconds interval, bool checkpoints);
  void wake_housekeeper();

  // confirmed/
  Result<VisibleChanges> edit_confirmed(const MutexLock&, const MutexLock& writer, const SyncPosition& position,
                                        bool depended, ConfirmedEdit& edit, const std::function<Status()>& fill);
  Status expect_sent(ConfirmedEdit& edit, const InodeRow& row) const;
  Status forget_listings(Sequence cursor);
  Status begin_listing(const MutexLock&, InodeId directory, Sequence sequence, ConfirmedEdit& edit);
  Status write_position(SqlTables& sql, const SyncPosition& position);
  std::optional<Timestamp> time_of(Lsn lsn);

  // rebase.cc, reset
  void forget_everything(const MutexLock&);

  // Constant after construction.
  Disk& disk_;
  Clock& clock_;
  const Options options_;
  const StoreIdentity identity_;
  DataReplay* const replay_;
  std::string database_path_;
  UniqueFd directory_lock_;
  std::unique_ptr<OpLog> log_;
  std::unique_ptr<File> wal_file_;  // for syncing it; SQLite takes no locks on this file, so closing it drops none
  std::uint64_t era_ = 0;           // extents written in an older one were made before a power cut
  bool power_lost_ = false;         // since it was last open
  std::atomic<std::uint64_t> recovered_era_{0};   // up to it backing files were looked at
  bool closed_well_ = false;        // by the process before: the tables have all that it knew
  Lsn doubted_;                     // commits up to here were sent before a power cut

  // Own synchronisation.
  std::atomic<std::uint64_t> acknowledged_{0};
  std::atomic<std::uint64_t> offered_{0}, offered_content_{0};   // records, and contents, up to here may be at the server
  std::atomic<std::uint64_t> database_writes_{0};         // transactions that must survive before later records do
  std::atomic<std::uint64_t> database_writes_synced_{0};
  std::atomic<std::uint64_t> dependency_write_{0};        // the last one that records depend on
  std::atomic<std::uint64_t> dirty_files_{0}, dirty_bytes_{0};
  std::atomic<std::uint64_t> applied_seen_{0};            // applied_, for the housekeeper
  std::atomic<std::size_t> cleaned_count_{0};
  SharedTotals totals_;                                   // changed under mutex_
  std::atomic<std::uint64_t> noted_{0};                   // since the last checkpoint, without a record
  std::atomic<std::uint64_t> unfolded_{0};                // rows of the feed and of listings since the WAL was folded

  Mutex bytes_first_mutex_{kBytesFirstRank, "bytes first"};
  CondVar bytes_first_done_;
  static constexpr std::size_t kMostBytesFirst = 10000;   // more: every file
  std::unordered_set<InodeId> bytes_first_ GUARDED_BY(bytes_first_mutex_);
  bool syncing_bytes_ GUARDED_BY(bytes_first_mutex_) = false;

  Mutex checkpoint_mutex_{kCheckpointRank, "checkpoint"};
  // Guarded by mutex_.
  Mutex mutex_{kNamespaceRank, "namespace"};
  std::unique_ptr<SqlTables> reader_;
  SqlTables* reads_ = nullptr;      // reader_; the writer inside a rebase, which reads what it has written
  InodeTable inodes_;
  DentryTable dentries_;
  ContentTable contents_;
  XattrTable xattrs_;
  PinnedNames pinned_names_;
  NameLists name_lists_;
  ContentWitness* witness_ = nullptr;
  std::atomic<std::uint64_t> held_back_{0};
  std::unordered_set<InodeId> resident_;                  // directories whose every entry is in dentries_
  std::unordered_map<InodeId, std::uint64_t> cleaned_;    // content that became clean in a transaction not yet synced
  std::uint64_t cleaned_checked_ = 0;                     // transactions synced when it was last gone through
  std::unordered_set<InodeId> logged_data_;
  std::set<InodeId> copies_;                              // conflict copies that re-plans made, of records that are pending
  std::unordered_map<InodeId, Lsn> replaced_;             // by pending renames that may come to nothing: see note_replaced
  std::unordered_map<InodeId, Sequence> listings_;        // listed at a sequence that the cursor has not reached
  struct Listing {
    Sequence sequence;                      // of its first page: what came later may be missing in it
    std::optional<Sequence> before;         // what listings_ said before it was begun
    std::unordered_set<std::string> unseen; // names known before that no page has had so far
  };
  std::unordered_map<InodeId, Listing> listing_now_;      // begun, not complete: the feed's names belong in there
  OutlivedIds outlived_;
  Totals totals_on_disk_;
  std::uint64_t next_cookie_ = 1;
  std::atomic<std::uint64_t> rebases_{0};
  std::uint64_t transaction_ = 0;   // last one that records depend on
  Lsn memory_lsn_;                  // last record in the tables in memory
  Lsn applied_;                     // records up to here are in the database
  Lsn data_lsn_;                    // file data logged up to here is in its backing file, on the disk
  Lsn data_on_disk_;                // as the database says
  bool opened_ = false, closed_ = false;
  // Guarded by writer_mutex_; in_flight_ by mutex_ too when it is taken away.
  Mutex writer_mutex_{kWriterRank, "metadata writer"};
  std::unique_ptr<SqlTables> writer_;
  std::optional<Batch> in_flight_;
  Offers offers_;                   // what was sent since the acknowledgement
  // Guarded by status_mutex_.
  Mutex status_mutex_{kStatusRank, "sync position"};
  SyncPosition position_ GUARDED_BY(status_mutex_);
  std::optional<std::pair<Lsn, Timestamp>> oldest_ GUARDED_BY(status_mutex_);  // cached: a record and its time
  Mutex housekeeper_mutex_{kHousekeeperRank, "journal housekeeper"};
  CondVar housekeeper_wake_;
  bool checkpoint_due_ GUARDED_BY(housekeeper_mutex_) = false;
  bool stopping_ GUARDED_BY(housekeeper_mutex_) = false;
  std::jthread sync_thread_, checkpoint_thread_;
};

}  // namespace skymoor::client
