// Engine: the Filesystem over the journal's tables and the backing files. One operation, one file; this is their core.
#pragma once
#include <thread>
#include <unordered_map>
#include <unordered_set>

#include "fuse/filesystem/filesystem.h"
#include "fuse/filesystem/open_table.h"
#include "fuse/filesystem/space_guard.h"
#include "shared/base/log.h"
#include "shared/model/change.h"

namespace skymoor::client {

class ContentChange;
struct InheritedAcl;

/// Role: checks each operation against the tables, changes backing file, record and tables in this order, answers.
/// Thread-safe. State is guarded by the store's mutex, which is held briefly: never across file data, fsync, the
/// backing store or the fetcher. Order of locks: OpenInode::change, BackingFile::Modification, store mutex (LOCKS.md).
/// Ownership: borrows store, backing, fetcher, disk and clock, which outlive it; owns handles and a background thread.
/// Failure: an operation that answers an error has changed nothing, but for bytes of a failed write (as POSIX has it).
class Engine final : public Filesystem, private EvictionJudge, private ContentWitness {
 public:
  struct Parts {
    MetadataStore& store;
    BackingStore& backing;
    Fetcher& fetcher;
    Disk& disk;
    Clock& clock;
  };
  Engine(Parts parts, Options options);
  ~Engine() override;
  Status start();

  // namespace/
  Result<Node> lookup(Request&, InodeId parent, std::string_view name) override;
  Result<std::string> read_link(Request&, InodeId inode) override;
  Result<Node> make_node(Request&, InodeId parent, std::string_view name, std::uint32_t mode,
                         std::uint64_t rdev) override;
  Result<Node> make_directory(Request&, InodeId parent, std::string_view name, std::uint32_t mode) override;
  Result<Node> make_symlink(Request&, InodeId parent, std::string_view name, std::string_view target) override;
  Result<Node> link(Request&, InodeId inode, InodeId parent, std::string_view name) override;
  Status unlink(Request&, InodeId parent, std::string_view name) override;
  Status remove_directory(Request&, InodeId parent, std::string_view name) override;
  Status rename(Request&, InodeId from, std::string_view from_name, InodeId to, std::string_view to_name,
                unsigned flags) override;
  Result<std::vector<DirectoryEntry>> read_directory(Request&, InodeId directory, std::uint64_t after,
                                                     std::size_t limit, bool plus) override;
  void forget(InodeId inode) override;

  // file/
  Result<Created> create(Request&, InodeId parent, std::string_view name, std::uint32_t mode, OpenFlags) override;
  Result<Created> create_unnamed(Request&, InodeId parent, std::uint32_t mode, OpenFlags) override;
  Result<Opened> open(Request&, InodeId inode, OpenFlags) override;
  Result<ReadReply> read(Request&, HandleId, std::uint64_t offset, std::size_t size) override;
  Result<std::size_t> write(Request&, HandleId, std::uint64_t offset, std::size_t size, const WriteSource&) override;
  Status flush(Request&, HandleId) override;
  Status sync_file(Request&, HandleId, bool data_only) override;
  Status sync_directory(Request&, InodeId directory) override;
  Status sync_all(Request&) override;
  bool syncs_remotely() const override { return options_.fsync_remote; }
  std::optional<InodeId> release(HandleId) override;
  Status allocate(Request&, HandleId, int mode, std::uint64_t offset, std::uint64_t length) override;
  Result<std::size_t> copy_range(Request&, HandleId from, std::uint64_t from_offset, HandleId to,
                                 std::uint64_t to_offset, std::size_t length) override;
  bool kernel_may_hold_writes(HandleId) override;
  Result<std::uint64_t> seek(Request&, HandleId, std::uint64_t offset, int whence) override;

  // attributes/
  Result<Node> get_attributes(Request&, InodeId inode) override;
  Result<Node> set_attributes(Request&, InodeId inode, const SetAttributesRequest&) override;
  Result<Bytes> get_xattr(Request&, InodeId inode, std::string_view name) override;
  Status set_xattr(Request&, InodeId inode, std::string_view name, ByteView value, int flags, bool kill_sgid) override;
  Result<std::vector<std::string>> list_xattrs(Request&, InodeId inode) override;
  Status remove_xattr(Request&, InodeId inode, std::string_view name) override;
  Result<VolumeStatistics> statistics(Request&) override;

  // here
  std::chrono::milliseconds patience(Need::Kind kind) override;
  Status fetch(const Need& need, Instant deadline, std::stop_token stop) override;
  Status claim_unseen(const Coming& coming) override;   ///< unseen/passthrough.cc
  void tree_changed(const VisibleChanges& changes) override;
  Moves rows_moved(const MutexLock&, const Moves& moves) override;   ///< content_moves.cc
  void files_moved() override;
  Moves open_among(const Moves& moves) override;
  Result<std::uint64_t> evict() override;
  void tick() override;

 private:
  friend class ContentChange;
  friend class InodePin;

  // ---- tree.cc: reading the tables; what is not here becomes request.need ----
  Status ask_first(Request&, InodeId inode);   ///< file/ask_first.cc
  Status ask_room(Request&, std::uint64_t bytes);   ///< before anything is done
  Error lacks(Request&, Need::Kind kind, InodeId inode, Extent extent = {});
  Result<InodeRow> row_of(const MutexLock&, Request&, InodeId inode);
  Result<InodeRow> directory_of(const MutexLock&, Request&, InodeId inode);   ///< a live directory
  Result<DentryRow> entry_of(const MutexLock&, Request&, InodeId directory, std::string_view name);
  Status check_free(const MutexLock&, Request&, InodeId directory, std::string_view name);
  Result<bool> is_empty(const MutexLock&, Request&, InodeId directory);
  Result<std::optional<Bytes>> xattr_of(const MutexLock&, const InodeRow& row, std::string_view name);
  Result<bool> is_below(const MutexLock&, Request&, InodeId directory, InodeId above);
  static void stamp(Change& change, InodeRow& directory);     ///< a name in it changed: mtime and ctime
  void drop_link(const MutexLock&, Change& change, InodeRow& row);
  Status remove_name(const MutexLock&, Change change, InodeRow directory, std::string name, InodeRow row);
  void note_orphan(const MutexLock&, const InodeRow& row);
  Status commit(const MutexLock&, Change change);             ///< and tells the fetcher
  InodeId new_id(const Change& change) const { return make_inode_id(identity_.writer, change.lsn().value); }
  OpId content_id(const Change& change) const { return {identity_.writer, change.lsn().value}; }

  // ---- namespace/new_inode.cc ----
  struct NewNode {
    InodeId parent;
    std::string_view name;      ///< empty: unnamed
    FileType type = FileType::kFile;
    std::uint32_t mode = 0;
    std::uint64_t rdev = 0;
    std::string_view target = {};
  };
  Result<InodeRow> add_inode(const MutexLock&, Request&, const NewNode& node);
  Status announce_all(const MutexLock&, Change& change, InodeRow& row);   ///< link.cc
  Result<Node> make(Request&, const NewNode& node);

  // ---- namespace/rename.cc, rename_exchange.cc ----
  struct RenameEnds {
    InodeRow from_directory, to_directory;  ///< equal rows when it is one directory
    DentryRow from;
    InodeRow moved;
    std::optional<DentryRow> to;
    std::optional<InodeRow> replaced;
    bool same_directory = false;
    std::string to_name;
  };
  Result<RenameEnds> rename_ends(const MutexLock&, Request&, InodeId from, std::string_view from_name, InodeId to,
                                 std::string_view to_name);
  Status check_rename(const MutexLock&, Request&, const RenameEnds& ends);
  Status rename_onto(const MutexLock&, Request&, RenameEnds ends);
  Status rename_exchange(const MutexLock&, Request&, RenameEnds ends);
  Status commit_names(const MutexLock&, Change change, RenameEnds& ends);

  // ---- attributes/ ----
  Node node_of(const MutexLock&, const InodeRow& row);
  /// Somebody reads it: moves the access time if the mount's options say so; true if it moved (access_time.cc).
  bool note_access(const MutexLock&, InodeId inode);
  std::uint64_t allocated_of(const MutexLock&, const InodeRow& row);
  /// Answers nodes of watched files anew, with what was written past us.
  Status refresh_watched(Request&, std::vector<DirectoryEntry>& entries, const std::vector<std::size_t>& watched);
  void note_allocated(const MutexLock&, const InodeRow& row, BackingFile& file);
  /// Takes setuid, setgid (unless the caller may keep them) and file capabilities away, as part of a change of content or
  /// owner. Answers whether there were any. On an error the change must not be committed.
  Result<bool> take_privileges(const MutexLock&, Change& change, InodeRow& row, bool may_keep_ids);
  Change begin_attributes(const MutexLock&, const InodeRow& row, unsigned fields);
  Status change_attributes(const MutexLock&, Request&, InodeRow& row, const SetAttributesRequest& wanted);
  Status put_acl_for_mode(const MutexLock&, Change& change, const InodeRow& row, std::uint32_t mode);
  Status check_xattr_room(const MutexLock&, const InodeRow& row, std::string_view name, std::size_t size);
  Status put_xattr(const MutexLock&, InodeRow row, std::string_view name, ByteView value);
  Status erase_xattr(const MutexLock&, InodeRow row, std::string_view name);
  Status set_acl(const MutexLock&, InodeRow row, std::string_view name, ByteView value, bool kill_sgid);
  Result<Bytes> read_xattr(const MutexLock&, Request&, InodeId inode, std::string_view name);

  // ---- open inodes (open_inodes.cc) ----
  std::shared_ptr<OpenInode> enter(const MutexLock&, InodeId inode);
  void leave(const MutexLock&, const std::shared_ptr<OpenInode>& inode);
  Result<Handle*> handle_of(const MutexLock&, HandleId id);
  Status load_view(const MutexLock&, OpenInode& inode, const InodeRow& row);   ///< if it is not the row's
  Status reload_view(const MutexLock&, OpenInode& inode, const InodeRow& row);
  /// Opens the backing file if the inode has none in hand, and compares it with what the tables say is in it.
  Result<std::shared_ptr<BackingFile>> backing_of(const std::shared_ptr<OpenInode>& inode, bool create);
  void wait_for_file(MutexLock& lock, const OpenInode& inode);   ///< content_moves.cc
  bool is_open(const MutexLock&, InodeId inode) const;
  Status adopt_backing(const MutexLock&, OpenInode& inode, std::shared_ptr<BackingFile> file);
  void note_lost(const MutexLock&, OpenInode& inode, const InodeRow& row, std::uint64_t file_size);

  // ---- file/ ----
  Result<Opened> finish_open(Request&, std::shared_ptr<OpenInode> inode, OpenFlags flags);
  std::pair<Result<bool>, Status> enter_ready(Request&, const std::shared_ptr<OpenInode>& inode, OpenFlags flags, Opened& opened);
  void leave_ready(const std::shared_ptr<OpenInode>& inode, bool writer, bool through);
  Status prepare_through(const std::shared_ptr<OpenInode>& inode, OpenFlags flags, Opened& opened);
  bool is_whole(const std::shared_ptr<OpenInode>& inode);
  Result<bool> enter_mode(Request&, const std::shared_ptr<OpenInode>& inode, OpenFlags flags);
  void leave_mode(const MutexLock&, OpenInode& inode, bool writer, bool passthrough);
  Result<std::size_t> write_bytes(Request&, const std::shared_ptr<OpenInode>& inode,
                                  std::optional<std::uint64_t> offset, std::size_t size, const WriteSource& source);
  Status truncate(Request&, const std::shared_ptr<OpenInode>& inode, std::uint64_t size, bool kill_suid_sgid);
  Status keep_size(const MutexLock&, Request&, InodeRow row, bool kill_suid_sgid);
  Result<ReadReply> read_inline(const std::shared_ptr<OpenInode>& inode, Extent extent);
  std::optional<Extent> plan_readahead(Handle& handle, const InodeRow& row, Extent read);
  Status sync_inode(const std::shared_ptr<OpenInode>& inode, bool data_only = false, const std::stop_token& stop = {});
  Status sync_bytes(OpenInode& inode);
  Status sync_whoever_has(BackingFile& file);
  bool log_is_short();
  void note_failed(const MutexLock&, OpenInode& inode, const Error& error);
  Result<Lsn> log_unsynced(OpenInode& inode);
  Status sync_to_server(Lsn target, const std::stop_token& stop);
  struct Listed {
    OpId content;
    Bytes manifest;   ///< encoded
  };
  Result<std::optional<Listed>> clonable(const MutexLock&, Request&, OpenInode& from, Extent extent);
  Result<std::optional<Listed>> clone_target(const MutexLock&, Request&, OpenInode& to, std::uint64_t offset);
  Result<std::size_t> clone_range(Request&, const std::shared_ptr<OpenInode>& from, std::uint64_t from_offset,
                                  const std::shared_ptr<OpenInode>& to, std::uint64_t to_offset, std::size_t length);
  Result<std::size_t> copyable(Request&, OpenInode& from, std::uint64_t offset, std::size_t length);
  Result<std::size_t> copy_into(Request&, BackingFile& source, std::uint64_t from_offset,
                                const std::shared_ptr<OpenInode>& to, std::uint64_t to_offset, std::size_t length);
  Status allocate_in(Request&, ContentChange& change, int mode, Extent extent);

  // ---- unseen/passthrough.cc ----
  Result<bool> may_pass_through(const MutexLock&, Request&, OpenInode& inode, const InodeRow& row, OpenFlags flags,
                                bool may_grow);
  Status begin_unseen(const std::shared_ptr<OpenInode>& inode);
  Status cut_unrecorded(const std::shared_ptr<OpenInode>& inode, BackingFile& file);
  Status watch(ContentChange& change, OpenInode& inode);
  /// What counts as changed. kSigned: what has left a sign. kSilent: also what a mapping may have written without one. kLast:
  /// the same, and nobody can write any more. kAnyway: the file, whatever was written.
  enum class Look : std::uint8_t { kSigned, kSilent, kLast, kAnyway };
  /// Notices what was written past us; true if something was recorded.
  Result<bool> settle(const std::shared_ptr<OpenInode>& inode, Look look = Look::kSigned);
  Status record_unseen(BackingFile& file, const UnseenStamp& stamp);
  Status restamp(const std::shared_ptr<OpenInode>& inode, Timestamp mtime);
  // ---- unseen/recover_unseen.cc ----
  Status recover_unseen();
  Status recover_unseen_file(BackingFile& file);
  // ---- unseen/vouch.cc ----
  bool is_settled(const OpenInode& inode, const InodeRow& row) const;
  bool may_vouch(const MutexLock&, const OpenInode& inode, const InodeRow& row) const;
  void begin_vouching(const std::shared_ptr<OpenInode>& inode);
  Status vouch_from_now(const std::shared_ptr<OpenInode>& inode);
  Status end_vouching(const std::shared_ptr<OpenInode>& inode, InodeId id);
  Status recover_vouched(BackingFile& file);
  Status recover_vouching();
  // ---- take_over.cc ----
  Status take_over(const std::vector<OpenBefore>& before);
  Status restore_handle(const OpenBefore& before);
  Status go_on_watching(InodeId inode);
  void settle_unseen(Look look);
  InodeId let_go_of_unseen(const std::shared_ptr<OpenInode>& inode);
  void end_unseen(const std::shared_ptr<OpenInode>& inode);
  bool try_end_unseen(const std::shared_ptr<OpenInode>& inode);
  void give_back_unwritten(InodeId id, BackingFile& file);

  // ContentWitness (unseen/passthrough.cc).
  bool may_be_written(const MutexLock&, InodeId inode) override;
  bool is_shown(const MutexLock&, InodeId inode) override;

  // EvictionJudge.
  bool give_up(InodeId inode) override;
  /// All of its content, as its row has it.
  bool server_has_all(const MutexLock& lock, const InodeRow& row);

  // ---- namespace/forget.cc ----
  void reap();
  std::vector<InodeId> erase_doomed(const MutexLock&);

  void run(std::stop_token stop);
  void wake();

  // Constant after construction.
  MetadataStore& store_;
  BackingStore& backing_;
  Fetcher& fetcher_;
  Disk& disk_;
  Clock& clock_;
  const Options options_;
  const StoreIdentity identity_;

  // Own synchronisation.
  SpaceGuard space_;

  // Guarded by store_.mutex().
  HandleTable handles_;
  std::unordered_map<InodeId, std::shared_ptr<OpenInode>> open_;
  CondVar files_moved_;   // nothing is in moving_ any more
  std::unordered_set<InodeId> moving_;   // their backing files are still another's
  CondVar unseen_held_;   // an inode has its unseen_file again, or is no longer watched
  std::unordered_set<InodeId> orphans_;
  std::deque<InodeId> doomed_;   ///< orphans that nobody can reach any more: see namespace/forget.cc
  std::unordered_set<InodeId> changed_elsewhere_;   ///< content changed by another device since the last open
  bool trust_no_pages_ = false;                     ///< too many of those to remember
  struct AllocatedNote {
    OpId content;
    std::uint64_t size = 0, bytes = 0;
  };
  std::unordered_map<InodeId, AllocatedNote> allocated_;
  std::unordered_map<InodeId, std::shared_ptr<OpenInode>> lingering_;  ///< released, but a mapping may still write

  Mutex tick_mutex_{kInodeChangeRank - 1, "filesystem.tick"};
  CondVar tick_wake_;
  bool reap_now_ GUARDED_BY(tick_mutex_) = false;
  std::jthread thread_;
};

/// Keeps an OpenInode in the table for the time of an operation that has no handle.
class InodePin {
 public:
  InodePin(Engine& engine, const MutexLock& lock, InodeId inode) : engine_(engine), inode_(engine.enter(lock, inode)) {}
  ~InodePin() {
    MutexLock lock(engine_.store_.mutex());
    engine_.leave(lock, inode_);
  }
  InodePin(const InodePin&) = delete;
  InodePin& operator=(const InodePin&) = delete;
  const std::shared_ptr<OpenInode>& get() const { return inode_; }

 private:
  Engine& engine_;
  const std::shared_ptr<OpenInode> inode_;
};

}  // namespace skymoor::client
