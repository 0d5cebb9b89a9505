// MetadataStore: the front door of the journal room. Op log, tables and recovery as one object.
#pragma once
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "fuse/journal/renumbering.h"
#include "fuse/journal/tree_effect.h"
#include "shared/base/clock.h"
#include "shared/base/file.h"
#include "shared/base/mutex.h"

namespace skymoor::client {

/// Replays LogData into a backing file at recovery; implemented over the cache room, wired by app.
class DataReplay {
 public:
  virtual ~DataReplay() = default;
  virtual Status replay(InodeId inode, std::uint64_t offset, ByteView bytes) = 0;
  /// Before the log may forget LogData of these inodes: makes their backing files survive a power cut. An inode whose
  /// file is gone is fine. Called without locks.
  virtual Status make_durable(const std::vector<InodeId>& inodes) {
    (void)inodes;
    return {};
  }
  /// Before the log says of these inodes (0: of all) that they were changed: makes those backing files survive a power cut that
  /// were not synced since they were changed first. An error: one of them at least was not. Called without locks, one call at a time.
  virtual Status sync_changed(const std::vector<InodeId>& inodes) {
    (void)inodes;
    return {};
  }
};

/// Who reads and writes contents past the records: the filesystem, some of whose files the kernel writes by itself.
class ContentWitness {
 public:
  virtual ~ContentWitness() = default;
  /// Whether the inode's content may be another one than the records say, or become so any moment.
  virtual bool may_be_written(const MutexLock&, InodeId inode) = 0;
  /// Whether programs see the inode's backing file as it is, also while something is written to it.
  virtual bool is_shown(const MutexLock&, InodeId inode) = 0;
};

/// Who this state directory belongs to; fixed when it is made.
struct StoreIdentity {
  VolumeId volume;
  DeviceId device;
  WriterId writer;      ///< leased once for this state directory
};

/// Where sync stands.
struct SyncPosition {
  Epoch epoch{1};
  Sequence cursor;      ///< last feed entry applied
  Hash256 hash;         ///< chain hash at the cursor
  Lsn acknowledged;     ///< records up to here are at the server
};

/// What a feed entry, listing or re-plan changed in the visible tree: for the kernel's caches.
struct VisibleChanges {
  struct Name {
    InodeId directory;
    std::string name;
  };
  std::vector<Name> names;          ///< entries to forget
  std::vector<InodeId> attributes;  ///< inodes whose attributes changed
  std::vector<InodeId> contents;    ///< inodes whose bytes (of directories: whose entries) changed
  std::vector<InodeId> revealed;    ///< directories listed for the first time: no cache can be wrong about what came to light
  std::vector<InodeId> unlisted;    ///< directories whose names were all here, and are not any more: one came from where nobody looked
  std::vector<InodeId> dead;        ///< inodes without a name now: to be erased (EraseInode) once nobody has them open
  bool replan = false;              ///< a foreign change touched something with pending local changes
  /// Nothing that anybody sees has changed.
  bool empty() const {
    return names.empty() && attributes.empty() && contents.empty() && revealed.empty() && unlisted.empty() && dead.empty();
  }
};

/// One operation being made. Collects row changes; `commit` appends the record and applies it, or does neither.
class Change {
 public:
  Lsn lsn() const { return record_.lsn; }
  Timestamp time() const { return record_.time; }
  /// Row changes; `changed` of inodes and dentries is set to lsn().
  void put(InodeRow row);
  void put(DentryRow row);
  void erase_inode(InodeId inode);
  void erase_dentry(InodeId directory, std::string name);
  void put_xattr(InodeId inode, std::string name, Bytes value);
  void erase_xattr(InodeId inode, std::string name);
  void mark_content(InodeId inode, Extent extent, bool valid, bool dirty);
  void put_manifest(InodeId inode, OpId content, Bytes manifest);
  void move_content(InodeId from, InodeId to);
  void log_data(InodeId inode, std::uint64_t offset, Bytes bytes);
  Intent& intent() { return record_.intent; }

 private:
  friend class MetadataStore;
  LogRecord record_;
};

/// The visible tree of one volume on this device, its op log and its place in the feed.
///
/// Visible = confirmed (the server's state at the cursor) + pending (records after `acknowledged`). Objects without
/// pending changes have one row that is both; the first pending change keeps the confirmed row aside (base tables).
/// Reads come from bounded in-memory tables over SQLite; rows changed since the last checkpoint stay in memory until it
/// has them. A log segment goes when it is both checkpointed and acknowledged.
///
/// Thread-safe: operations take `mutex()` and pass the MutexLock as proof; the log append (write(2)) happens under it,
/// fdatasync and checkpoints do not. Owned by app. Failure: a failed append leaves tables and log as they were; a failed
/// sync is sticky (every later `sync` fails with it).
class MetadataStore {
 public:
  struct Options {
    std::string directory;                     ///< log segments and metadata.db live here
    std::size_t segment_bytes = 16u << 20;
    std::size_t cached_inodes = 65536;         ///< clean rows kept in memory (each about 400 bytes)
    std::size_t cached_dentries = 131072;
    std::size_t max_unchecked_records = 65536; ///< a commit past this checkpoints first
    std::chrono::milliseconds sync_interval{1000};        ///< unsynced records are synced this often; 0: never
    std::chrono::milliseconds checkpoint_interval{2000};  ///< and checkpointed (or every 8192 records); 0: never
    std::string boot_id;                       ///< empty: the machine's
    bool keep_orphans = false;                 ///< programs of a mount that is taken over may have them open
  };
  /// Opens or makes the store: loads the checkpoint, replays the log's tail (a torn last record is dropped with a
  /// warning; damage before the tail is an error), removes orphans. `replay` may be null when no LogData is expected.
  /// Errors: Corrupt ("damaged", naming file and offset and what to do), Busy (another process), UnknownServer
  /// (made for another volume), NoSpace, Io.
  static Result<std::unique_ptr<MetadataStore>> open(Disk& disk, Clock& clock, Options options, StoreIdentity identity,
                                                     DataReplay* replay);
  virtual ~MetadataStore() = default;

  /// Identity of an existing state directory. Errors: NotFound.
  static Result<StoreIdentity> read_identity(Disk& disk, const std::string& directory);

  /// Writes the state of `options.directory` into `into` as `to`'s, another writer's (without a writer: another device's). What
  /// the server has keeps its numbers, and what it has not is as if `to` had made it. `options.directory` is left as it is,
  /// and not in use afterwards: what else names its inodes (backing files, other rooms' files) has to follow. Durability: on
  /// return all of `into` survives a power cut. Errors: as `open`; AlreadyExists (there is something in `into`).
  static Status renumber(Disk& disk, Clock& clock, Options options, StoreIdentity to, const std::string& into,
                         DataReplay* replay);
  /// What came between two such states. Errors: NotFound, Corrupt.
  static Result<Renumbering> read_renumbering(Disk& disk, const std::string& before, const std::string& after);

  virtual Mutex& mutex() = 0;
  virtual const StoreIdentity& identity() const = 0;

  // ---- Reads of the visible tree. Errors: NotFound; NotPresent when only the server can tell. ----
  virtual Result<InodeRow> inode(const MutexLock&, InodeId id) = 0;
  virtual Result<DentryRow> dentry(const MutexLock&, InodeId directory, std::string_view name) = 0;
  /// Entries with a cookie greater than `after`, in cookie order. NotPresent: the directory is not listed.
  /// `with_inodes`: their rows will be asked for next, and are loaded with them.
  virtual Result<std::vector<DentryRow>> list(const MutexLock&, InodeId directory, std::uint64_t after,
                                              std::size_t limit, bool with_inodes = true) = 0;
  virtual Result<bool> has_children(const MutexLock&, InodeId directory) = 0;
  virtual Result<Bytes> xattr(const MutexLock&, InodeId inode, std::string_view name) = 0;  ///< Errors: NoAttribute
  virtual Result<std::vector<std::string>> xattr_names(const MutexLock&, InodeId inode) = 0;
  virtual Result<ContentRow> content(const MutexLock&, InodeId inode) = 0;  ///< an empty row when there is none
  virtual Result<std::vector<DentryRow>> links(const MutexLock&, InodeId inode) = 0;  ///< the names known here
  /// Counts over the visible tree, kept up to date: inodes and bytes of files.
  struct Totals {
    std::uint64_t inodes = 0, bytes = 0;
  };
  virtual Totals totals() = 0;   ///< waits for nobody

  // ---- Local changes. ----
  virtual Change begin(const MutexLock&, Intent intent) = 0;
  /// Durability: on return the record is in the kernel (survives kill -9); after `sync` it survives a power cut.
  /// Errors: NoSpace, Io; nothing has changed then.
  virtual Status commit(const MutexLock&, Change change) = 0;
  virtual Lsn last_lsn() = 0;   ///< of the last committed record; lock-free
  /// Makes every record up to `lsn` survive a power cut; concurrent callers share one fdatasync. Not under mutex().
  virtual Status sync(Lsn lsn) = 0;
  /// Records from now on call bytes of the inode changed that nobody may have synced although they are old (fetched, or read
  /// by the server from memory), or put it in the place of what is old: the log is synced after its backing file.
  virtual void bytes_first(const MutexLock&, InodeId inode) = 0;
  /// Whether the server has, or had, a content of the inode: only then old bytes may stand beside those that are changed here.
  virtual bool has_base(const MutexLock&, InodeId inode) = 0;
  /// Clean content became present (fetched) or was evicted; not logged, lost by a crash at worst.
  virtual Status note_content(const MutexLock&, InodeId inode, Extent extent, bool valid) = 0;
  /// The backing file (inode 0: every one) was synced, and held what records up to `up_to` had put into it: LogData up
  /// to there is never put over it again. The next `sync` makes that survive a power cut. Call it between syncing a
  /// backing file and `sync`, with the last_lsn() from before.
  virtual Status note_data_durable(const MutexLock&, InodeId inode, Lsn up_to) {
    (void)inode, (void)up_to;
    return {};
  }
  /// Somebody read the inode. Kept with it here, sent to nobody; not logged, lost by a crash at worst.
  virtual Status note_access_time(const MutexLock&, InodeId inode, Timestamp time) = 0;
  /// The manifest of a clean file was fetched. Ignored if the row names another content by now.
  virtual Status note_manifest(const MutexLock&, InodeId inode, OpId content, Bytes manifest) = 0;

  /// While there is one (null: no more): what others did takes no content away that may be written, nor its last name, unless
  /// a change of here stands against it. apply_commit, merge_listing, adopt and rebase are refused (Busy) instead, and
  /// `held_back` names the inode; once a record says that it was written (WriteIntent) they find a conflict.
  virtual void witness_contents(const MutexLock&, ContentWitness* witness) = 0;
  virtual bool is_shown(const MutexLock&, InodeId inode) = 0;   ///< as the witness says; false without one
  virtual std::optional<InodeId> held_back() = 0;   ///< of the last such call; thread-safe

  /// The machine lost its power, and `note_recovered` was not called since: what was not synced may be gone.
  virtual bool power_was_lost() const { return false; }
  /// What a power cut has left of backing files was looked at. Errors: NoSpace, Io.
  virtual Status note_recovered() = 0;

  // ---- Checkpoint. ----
  /// Writes all records committed so far into SQLite and drops log segments that nobody needs. Not under mutex().
  virtual Status checkpoint() = 0;

  // ---- For sync: one consumer thread. None of these may be called under mutex() unless it takes the lock. ----
  virtual SyncPosition position() = 0;
  /// A commit of the records up to `up_to` is about to be sent: from now on the server, and so others, may know of them.
  /// `body`: hash of what is sent; `newest_content`: a full commit takes what files hold by then, which later records have made.
  /// Durability: on return this survives a power cut, but for `newest_content`.
  virtual Status note_offered(Lsn up_to, const Hash256& body, Lsn newest_content = {}) = 0;
  /// Whether a commit in this device's name that the feed has was sent from this state. False: another state of this
  /// device has sent it (this one is a copy, or was put back), and its numbers stand for other records.
  virtual bool has_offered(Lsn up_to, const Hash256& body) = 0;
  /// The newest record that the server may have. Behind `position().acknowledged`: an answer was lost, or not waited for.
  virtual Lsn last_offered() = 0;
  /// Whether a conflict can still bring back what this inode holds: it has content that the server lacks, and the server
  /// may know the inode, or a rename replaced it that may come to nothing. Its backing file must stay then, even when its
  /// last name is gone.
  virtual bool may_come_back(const MutexLock&, const InodeRow& row) = 0;
  /// Whether a record that is pending may name the inode, though it has no row now.
  virtual bool may_be_named(InodeId inode) = 0;
  /// Records after `lsn`, in order, at most `max_records` and about `max_bytes`; the log is read from disk.
  virtual Result<std::vector<LogRecord>> records_after(Lsn lsn, std::size_t max_records, std::size_t max_bytes) = 0;
  struct Pending {
    std::uint64_t records = 0;
    std::uint64_t files = 0;          ///< inodes with dirty content
    std::uint64_t bytes = 0;          ///< their dirty bytes
    std::optional<Timestamp> oldest;  ///< time of the oldest unacknowledged record
  };
  virtual Pending pending() = 0;
  /// Inodes with dirty content, those without a name too. Checkpoints first.
  virtual Result<std::vector<InodeId>> dirty_inodes() = 0;

  /// The confirmed tree. Dead inodes stay readable (links 0, `parent` and name of their last place) while any record is
  /// pending. A name that is not known in a directory that was not listed answers NotPresent.
  class Confirmed {
   public:
    virtual ~Confirmed() = default;
    virtual Result<std::optional<InodeRow>> inode(InodeId id) = 0;
    virtual Result<std::optional<InodeId>> dentry(InodeId directory, std::string_view name) = 0;
    virtual Result<std::vector<DentryRow>> links(InodeId inode) = 0;
    virtual Result<std::optional<DentryRow>> last_place(InodeId dead_inode) = 0;
    virtual Result<bool> has_children(InodeId directory) = 0;
    /// Names in a directory after `after` in byte order, at most `limit`: which of them the planned batch removes
    /// itself decides whether an rmdir still finds it empty.
    virtual Result<std::vector<std::string>> children(InodeId directory, std::string_view after, std::size_t limit) = 0;
    virtual Result<ContentRow> content(InodeId inode) = 0;   ///< manifest of the confirmed content
    virtual Result<std::optional<Bytes>> xattr(InodeId inode, std::string_view name) = 0;
    virtual Result<std::vector<std::pair<std::string, Bytes>>> xattrs(InodeId inode) = 0;
    /// Live inodes that a commit after `sequence` touched. Looks at every inode.
    virtual Result<std::vector<InodeId>> changed_after(Sequence sequence) = 0;
    virtual Result<std::vector<std::string>> xattr_names(InodeId inode) = 0;
  };
  /// A stable snapshot, after a checkpoint up to `lsn` (the newest record it reflects). Call from the sync thread.
  virtual Result<std::unique_ptr<Confirmed>> confirmed() = 0;

  /// Applies one feed entry, in order. `own_up_to`: for this device's own commit, the last record it covers: those
  /// records are acknowledged and what they touched becomes clean; 0 for a foreign commit, whose effects also show in
  /// the visible tree unless pending changes cover them (then `replan`). Effects in directories and inodes that are not
  /// known here are skipped. Checkpoints first. Takes mutex().
  virtual Result<VisibleChanges> apply_commit(Sequence sequence, const Hash256& hash,
                                              const std::vector<TreeEffect>& effects, Lsn own_up_to) = 0;
  /// Records up to `lsn` amount to nothing for the server (local ones, created and deleted): acknowledges them.
  Result<VisibleChanges> acknowledge(Lsn lsn) {
    SyncPosition at = position();
    return apply_commit(at.cursor, at.hash, {}, lsn);
  }

  /// A page of a directory as the server listed it. Errors: Conflict when the feed has moved past `sequence` meanwhile
  /// (list again). `complete`: with this page all entries are known, and `listed.inode.links` counts 2 and the
  /// subdirectories (other rows' links of directories are not looked at: the server counts names).
  struct ListedRow {
    std::string name;
    InodeRow inode;
    std::vector<std::pair<std::string, Bytes>> xattrs;
    Bytes manifest;   ///< encode_manifest, empty when left out
  };
  /// `first`: a listing begins with this page. Names that no page of it had are gone when it is complete. Pages of one
  /// directory's listings must not mix: one listing at a time. `rows` empty, neither first nor complete: only the inode itself, a file's too.
  virtual Result<VisibleChanges> merge_listing(InodeId directory, Sequence sequence, const ListedRow& listed,
                                               const std::vector<ListedRow>& rows, bool complete, bool first = true) = 0;

  /// A listing that was begun will not be completed: what was kept for it goes. Nothing when there is none.
  virtual void abandon_listing(InodeId directory) = 0;

  /// Re-plan: takes the visible tree back to the confirmed one for everything pending, then `redo` is called under the
  /// lock with each pending record in order and answers the row changes that its re-planned effects amount to. Reads
  /// made with the lock see what the calls before have answered. The records themselves stay as they are.
  /// Content rows say what backing files hold, so the row of an inode with pending content (its visible row names the
  /// content of a pending record) stays until a MoveContent takes it away, which leaves `from` with the confirmed
  /// content row; the rows of all others become the confirmed ones.
  /// Durability: with a MoveContent among the answers all of it survives a power cut on return.
  using Redo = std::function<Result<std::vector<RowChange>>(const MutexLock&, const LogRecord&)>;
  /// `done` is called once when all of it is in the tables, before anybody else sees it.
  virtual Result<VisibleChanges> rebase(const Redo& redo, const std::function<void(const MutexLock&)>& done) = 0;
  /// How many re-plans there were: counted with what each of them changes, also where that is told of as failed.
  virtual std::uint64_t rebases() const = 0;
  Result<VisibleChanges> rebase(const Redo& redo) { return rebase(redo, [](const MutexLock&) {}); }

  /// The server was put back from a backup: from here on its history after `cursor` counts, not the one known here.
  struct Adoption {
    Epoch epoch;
    Sequence cursor;                 ///< the last one that both histories have; the feed goes on behind it
    Hash256 hash;
    Sequence sequence;               ///< the server's, of everything below
    std::vector<ListedRow> inodes;   ///< every inode that the lost part touched, as it is at the server now: without names
    std::vector<InodeId> gone;       ///< and those of them that are not there
    struct Listing {
      InodeId directory;
      std::vector<ListedRow> entries;   ///< all of them
    };
    std::vector<Listing> listings;   ///< of every directory whose entries the lost part touched
  };
  /// Takes the confirmed tree over to it, in one transaction; what is pending stays pending (`replan`). The feed after
  /// `cursor` comes next: it passes over what is known as of `sequence`.
  virtual Result<VisibleChanges> adopt(const Adoption& adoption) = 0;

  /// Starts at the server's head as a fresh mirror: nothing but the root is known. Errors: Busy if anything is pending.
  virtual Status reset_mirror(Epoch epoch, Sequence head, const Hash256& hash, const InodeRow& root) = 0;

  /// Everything checked against everything else (rows, links, log, extents). Returns what is wrong, in words.
  virtual Result<std::vector<std::string>> check() = 0;

  /// Checkpoints, syncs and closes; the destructor does the same without reporting.
  virtual Status close() = 0;

 protected:
  // For implementations: what a Change holds.
  static Change new_change(Lsn lsn, Timestamp time, Intent intent);
  static LogRecord& record_of(Change& change) { return change.record_; }
};

}  // namespace skymoor::client
