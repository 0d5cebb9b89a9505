// SyncEngine: the front door of the sync room. Moves the op log to the server, the feed to the tables, and bytes both
// ways.
#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "fuse/cache/backing_store.h"
#include "fuse/journal/metadata_store.h"
#include "fuse/remote/volume_remote.h"
#include "shared/base/watchdog.h"
#include "shared/block/chunker.h"
#include "shared/crypto/volume_cipher.h"

namespace skymoor::client {

/// A re-plan gives the content of the first inode, bytes and row, to the second: a conflict copy is made, or taken back.
using ContentMove = std::pair<InodeId, InodeId>;

/// Contents that other devices gave to inodes; none: one that loses a name.
using Coming = std::vector<std::pair<InodeId, std::optional<OpId>>>;

/// Told when the feed or a listing changed the visible tree; called from sync threads, without locks.
class TreeListener {
 public:
  virtual ~TreeListener() = default;
  virtual void tree_changed(const VisibleChanges& changes) = 0;
  /// Before foreign contents are put into the tables: what may be written without anybody's knowing is to
  /// count as changed here. On any thread, without locks. Errors: it is put off.
  virtual Status contents_come(const Coming& coming) {
    (void)coming;
    return {};
  }

  /// Around contents that change hands, all on one thread: `moves_begin`, then `rows_moved` under the store's mutex in the
  /// moment when the rows are made anew (not called if they are not), then `moves_end`, when the backing files have
  /// followed. Between the first and the last no operation may be on its way by an inode's number: it would reach the file
  /// that the number stands for afterwards. Errors of `moves_begin`: the re-plan is put off; no other call follows.
  virtual Status moves_begin(const std::vector<ContentMove>& moves) {
    (void)moves;
    return {};
  }
  virtual void rows_moved(const MutexLock&, const std::vector<ContentMove>& moves) { (void)moves; }
  virtual void moves_end() {}
  /// Whether a process that comes after this one, however it ends, finds what the moves so far changed for the listener.
  /// Until then the engine remembers them on the disk, and none follow. Not between `moves_begin` and `moves_end`.
  virtual Status moves_kept() { return {}; }
};

struct TransferProgress {
  bool upload = true;
  InodeId inode;
  std::string path;              ///< as far as it can be told; empty: not now
  std::uint64_t bytes_done = 0, bytes_total = 0;
};

/// What came of the server having been put back from a backup.
struct RestoreReport {
  Epoch epoch;                        ///< begun by it; 0: there was none
  Timestamp time{};
  std::uint64_t given_back = 0;       ///< inodes that this device gave back to the server
  struct Missing {
    InodeId inode;
    OpId content;
    std::string path;
  };
  std::vector<Missing> missing;       ///< contents that neither the server nor this device holds
};

struct SyncStatus {
  bool online = false;
  std::optional<Timestamp> since;       ///< of the present state
  std::optional<std::chrono::seconds> silence;   ///< since anything came from the server, which says something every few seconds
  std::string reason;                   ///< why it is offline, or what the last round failed on
  bool stopped = false;                 ///< a person must decide (unknown server, damaged chain): `reason` says what
  MetadataStore::Pending pending;
  SyncPosition position;
  Sequence head;                        ///< newest sequence heard of
  std::vector<TransferProgress> transfers;
  std::uint64_t uploaded_bytes = 0, downloaded_bytes = 0;  ///< block bytes on the wire since start
  std::uint64_t uploaded_blocks = 0, downloaded_blocks = 0, deduplicated_blocks = 0;
  std::uint64_t conflicts = 0;
  RestoreReport restored;               ///< the last one; contents that have come back since are not in it
};

/// Thread-safe. Runs a sync thread (pull, plan, upload, commit; one at a time, in log order), a pool for transfers, and
/// the subscription. Nothing of it is waited for by local operations. Stop order: sync thread, subscription, pool.
class SyncEngine {
 public:
  struct Options {
    std::size_t parallel_transfers = 4;
    std::chrono::milliseconds commit_delay{200};   ///< quiet time that gathers changes into a commit; after a rest a fifth
    std::size_t max_batch_records = 4000;
    std::size_t kept_manifests = 10000;            ///< read and stored, and not acknowledged yet
    std::chrono::milliseconds longest_plan{60000}; ///< contents that took longer to send are planned for once more
    std::size_t max_restored_effects = 8000;       ///< of one commit that gives back what the server has lost
    std::size_t pack_bytes = 8u << 20;
    std::size_t list_ahead = 64;   ///< directories listed before a walk asks for them; 0: none
    std::uint64_t upload_bytes_per_s = 0, download_bytes_per_s = 0;  ///< 0: no limit
    std::string device_name;                       ///< for conflict names
    std::string state_directory;                   ///< for the room's own small file; empty: in memory only
    bool own_thread = true;                        ///< false: nothing happens by itself, only in `step`
  };
  struct Dependencies {
    MetadataStore& store;
    BackingStore& backing;
    VolumeRemote& remote;
    Clock& clock;
    Random& random;
    TreeListener& listener;
    const crypto::VolumeKey& volume_key;
    const crypto::KeyPair& device_key;   ///< Ed25519: signs commits
    Disk* disk = nullptr;                ///< holds Options::state_directory
    Watchdog* watchdog = nullptr;        ///< over the sync thread
  };
  static Result<std::unique_ptr<SyncEngine>> start(Dependencies dependencies, Options options);
  /// Puts right what a crash left between the rows and the backing files of a re-plan, and makes backing files anew that a
  /// power cut took before they were synced. After opening store and backing
  /// files, before anything looks at a backing file: the sweep, the filesystem, `start`. Errors: Corrupt, Io.
  /// Answers the moves of the last process whose rows were there: they have happened now. Answers them again until the
  /// listener of an engine has them (TreeListener::moves_kept).
  static Result<std::vector<ContentMove>> recover(MetadataStore& store, BackingStore& backing, Disk& disk,
                                                  const std::string& state_directory);
  /// Before a state is given to another writer (`renumber`), on a store that has `last_offered` behind what is acknowledged:
  /// takes in what the server has, and with it what it took of this state without the answer having come. Sends nothing;
  /// `Dependencies::device_key` is not used, for it is the next device's. Errors: Offline, TimedOut, ... (once more later);
  /// UnknownServer, Resync: no more can be taken in under the present writer. Blocks: on the server.
  static Status settle(Dependencies dependencies, Options options, std::stop_token stop);
  /// The feed has told that this state is a copy, or was put back to an older one: the device goes on with it as another
  /// writer only (`renumber`), and engines on it stop. Known from `state_directory` alone.
  static bool was_copied(Disk& disk, const std::string& state_directory);
  /// The room's files in `state_directory` after the state was given to another writer; after `recover`. Once more with the
  /// same numbers changes nothing. Durability: survives a power cut on return. Errors: Corrupt, NoSpace, Io.
  static Status renumber(Disk& disk, const std::string& state_directory, const Renumbering& numbers);
  virtual ~SyncEngine() = default;

  /// One round (pull, plan, upload, commit) on the caller's thread, for engines without one of their own. Errors: what
  /// ended the round.
  virtual Status step() = 0;
  /// There are new records. Never blocks.
  virtual void wake() = 0;
  /// Whatever kept the server away may be over (somebody has logged in): asks it now, in the middle of a pause too. Never blocks.
  virtual void connect_now() = 0;
  /// Blocks until the server holds every record up to `lsn` durably. Errors: Offline, TimedOut, Interrupted, or what
  /// stopped the engine.
  /// `since`: of `rounds` when the caller began to wait, for who asks more than once; none: now. A round that began after that
  /// and failed is the answer.
  virtual Status sync_to(Lsn lsn, Instant deadline, std::stop_token stop, std::optional<std::uint64_t> since = {}) = 0;
  /// Rounds of the sync thread that have begun.
  virtual std::uint64_t rounds() = 0;
  /// Asks the server how far it is, and blocks until everything up to there shows here. Errors: as sync_to.
  virtual Status catch_up(Instant deadline, std::stop_token stop) = 0;
  /// The server can be reached, as far as is known. Never blocks.
  virtual bool online() = 0;
  /// Something acknowledged may leave the disk soon: changes are on their way, or were taken just now. Never blocks.
  virtual bool makes_room() = 0;
  /// Sends without gathering, and blocks until what was acknowledged may be evicted, or nothing is on its way any more.
  /// Errors: NoSpace, with the reason why nothing leaves; Interrupted.
  virtual Status make_room(Instant deadline, std::stop_token stop) = 0;
  /// Lists a directory from the server into the tables, all pages.
  virtual Status fetch_directory(InodeId directory, Instant deadline, std::stop_token stop) = 0;
  /// Gets an inode's row (by id), or its manifest.
  virtual Status fetch_inode(InodeId inode, Instant deadline, std::stop_token stop) = 0;
  /// Makes [extent) of a file valid: manifest if needed, then its blocks in parallel, each authenticated before a byte
  /// reaches the backing file. Concurrent calls for the same blocks share one download.
  virtual Status fetch_content(InodeId inode, Extent extent, Instant deadline, std::stop_token stop) = 0;
  virtual void prefetch(InodeId inode, Extent extent) = 0;
  /// Waits for no thread that is stuck: where the names are locked for long, transfers are told without paths.
  virtual SyncStatus status() = 0;
  virtual std::string state_of(InodeId inode) = 0;
  /// What the server last said about space.
  virtual std::optional<protocol::VolumeInfo> volume_info() = 0;
  virtual void stop() = 0;
};

}  // namespace skymoor::client
