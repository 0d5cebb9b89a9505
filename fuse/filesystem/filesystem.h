// Filesystem: what the kernel's edge asks for, without a libfuse type. The front door of the filesystem room.
#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "fuse/cache/backing_store.h"
#include "fuse/journal/metadata_store.h"

namespace skymoor::client {

/// What an operation lacks when it answers NotPresent; `Filesystem::fetch` gets it.
struct Need {
  /// kFresh: what others have done until now. kRoom: what is being sent, that it may leave the disk. kAgain: nothing, but to
  /// be run again where it may wait.
  enum class Kind { kDirectory, kInode, kContent, kFresh, kRoom, kAgain };
  Kind kind = Kind::kDirectory;
  InodeId inode;
  Extent extent;   ///< kContent: the bytes that must become valid
};

/// One call: who asks, and, after NotPresent, what is missing. After success, `stale` names an inode whose mode the
/// kernel does not know any more (privileges went with a write).
struct Request {
  std::uint32_t uid = 0, gid = 0, umask = 0;
  std::int32_t pid = 0;
  std::uint64_t number = 0;   ///< the kernel's own of the call; 0: nobody's
  /// The process before had it, too, and may have done it.
  bool comes_again() const { return (number >> 63) != 0; }
  std::stop_token stop;       ///< asked when nobody waits for the call any more; what asks the server gives up then
  std::optional<Need> need;
  bool of_pages = false;              ///< a write of the kernel's pages (a mapping): their place is given, whatever the handle
  bool asked = false;                 ///< the server has been asked what is new (Options::ask_at_open)
  std::uint32_t links_before = 0;     ///< of the file to open, before that
  std::optional<InodeId> stale;
};

/// An inode as stat shows it.
struct Node {
  InodeId id;
  Attributes attributes;
  std::uint32_t links = 1;
  std::uint64_t allocated_bytes = 0;  ///< for st_blocks: what the file would take when present, holes left out
  InodeId number{};                   ///< by which the kernel knows it, where that is another (stable_nodes.h); 0: `id`
};

enum class HandleId : std::uint64_t {};

/// A handle that the process before had given out when this one took its mount over.
struct OpenBefore {
  HandleId handle{};
  InodeId inode;
  bool read = true, write = false, append = false, sync = false, passthrough = false;
  bool unnamed = false;   ///< made by O_TMPFILE: `link` may name it
  bool failed = false;    ///< a sync of the file failed
};

/// `append`: each write of a program goes to the end of the file, whatever its offset: the kernel's may be of a size that another
/// device has changed since. `sync`: each write is durable before it returns.
struct OpenFlags {
  bool read = true, write = false, append = false, truncate = false, exclusive = false, sync = false, direct = false;
  bool no_access_time = false;               ///< O_NOATIME
};
struct Opened {
  HandleId handle{};
  bool keep_cache = true;                    ///< the kernel's pages of the inode are still right
  bool accessed = false;                     ///< its access time moved: the kernel must ask for it again
  std::shared_ptr<BackingFile> passthrough;  ///< set: the kernel may use this file itself
  bool wants_flush = false;                  ///< each close is to be told: there may be unseen writes to take in
  bool unnamed = false;                      ///< `link` may name it
  bool failed = false;                       ///< a sync of the file failed, and stays failed
};

struct SetAttributesRequest {
  std::optional<std::uint32_t> mode, uid, gid;
  std::optional<std::uint64_t> size;
  std::optional<Timestamp> atime, mtime, ctime;
  bool atime_now = false, mtime_now = false;
  bool kill_suid_sgid = false;               ///< take setuid, setgid and file capabilities away
  std::optional<HandleId> handle;
};

/// Where a read finds its bytes: a range of a backing file, or memory.
struct ReadReply {
  std::shared_ptr<BackingFile> file;   ///< null: `bytes` holds the answer
  std::uint64_t offset = 0;
  std::size_t length = 0;              ///< short only at the end of the file
  Bytes bytes;
};
/// Moves the caller's data into `fd` at `offset`; answers how many bytes went. Called once, at the right moment.
using WriteSource = std::function<Result<std::size_t>(int fd, std::uint64_t offset)>;

struct DirectoryEntry {
  std::string name;
  Node node;                 ///< for plain readdir only id and type are set; links 0: attributes are not known here
  std::uint64_t cookie = 0;  ///< pass as `after` to go on behind this entry
};

struct VolumeStatistics {
  std::uint64_t total_bytes = 0, free_bytes = 0, used_bytes = 0;
  std::uint64_t inodes = 0, free_inodes = 0;
};

/// Gets what is not here. Implemented over the sync room by app.
class Fetcher {
 public:
  virtual ~Fetcher() = default;
  /// Blocks until the need is met, the deadline passes (TimedOut), `stop` is asked (Interrupted) or the server cannot
  /// be reached (Offline).
  virtual Status fetch(const Need& need, Instant deadline, std::stop_token stop) = 0;
  /// A hint that [extent) of the file will be read soon; returns at once.
  virtual void prefetch(InodeId inode, Extent extent) = 0;
  /// The server can be reached, as far as is known. Never blocks.
  virtual bool online() = 0;
  /// Unsent changes are on their way to the server: `fetch` of kRoom waits for some of them, and answers NoSpace when it
  /// cannot. Never blocks.
  virtual bool makes_room() = 0;
  /// What the server last said about space: total and free bytes of the volume. Never blocks.
  virtual VolumeStatistics volume_statistics() = 0;
  /// There is something new to send: wake the uploader. Never blocks.
  virtual void changed() = 0;
  /// Blocks until the server holds everything up to `lsn` durably. Errors: Offline, TimedOut, Interrupted.
  virtual Status sync_remote(Lsn lsn, Instant deadline, std::stop_token stop) = 0;
  /// synced, pending, uploading, conflict or remote-only, for user.skymoor.state.
  virtual std::string state_of(InodeId inode) = 0;
};

/// One mounted volume. Thread-safe; no operation waits for the network: what is not here gives NotPresent with
/// `request.need` set, and the caller fetches and asks again. Every change is in the kernel's hands (op log record
/// written, backing file written) before the operation returns. Permission bits are checked by the kernel
/// (default_permissions). Errors are those of the system call of the same name.
class Filesystem {
 public:
  enum class AccessTimes { kNever, kRelative, kStrict };
  struct Options {
    bool owners_mine = false;              ///< show everything as owned by mine_uid:mine_gid, ignore chown
    std::uint32_t mine_uid = 0, mine_gid = 0;
    bool fsync_remote = false;             ///< fsync returns only when the server holds it
    /// An open, and a lookup that finds nothing, first ask the server what is new, if it can be reached (kFresh).
    bool ask_at_open = false;
    /// Whether reading moves access times; kRelative: once after each change, and once a day (man 8 mount, relatime).
    AccessTimes access_times = AccessTimes::kRelative;
    bool directory_access_times = true;
    bool passthrough = false;              ///< offer passthrough for files that are wholly present
    /// Offer it for writing empty files too: faster for large new files, slower for small ones (registering a file and
    /// looking at it afterwards costs more than one write request).
    bool passthrough_empty = false;
    std::chrono::milliseconds read_deadline{30000};
    std::uint64_t reserve_bytes = 64ull << 20;  ///< ENOSPC when the state disk has less left
    /// fsync of a little new data logs it, which costs one sync instead of two. Needs a DataReplay with make_durable.
    bool log_small_syncs = true;
    std::size_t max_handles = 1u << 18;         ///< open files; ENFILE beyond
    /// Pause between looks at unseen writers, evictions and syncs of the log; 0: no thread of its own (tests).
    std::chrono::milliseconds tick{1000};
    /// Set: this process takes over a live mount. These files are open and keep their handles (ids that no longer name an
    /// inode are dropped), and what has no name any more stays until the kernel forgets it.
    std::optional<std::vector<OpenBefore>> open_before;
    /// Told of every record about names or xattrs just before it is committed, on the caller's thread; with 0 when that failed.
    std::function<void(Lsn)> before_commit;
    /// Told of each handle of a file whose sync failed, before anybody hears of it.
    std::function<void(HandleId)> sync_failed;
  };
  static Result<std::unique_ptr<Filesystem>> open(MetadataStore& store, BackingStore& backing, Fetcher& fetcher,
                                                  Disk& disk, Clock& clock, Options options);
  virtual ~Filesystem() = default;

  // Namespace. `lookup` also answers "." and "..".
  virtual Result<Node> lookup(Request&, InodeId parent, std::string_view name) = 0;
  virtual Result<Node> get_attributes(Request&, InodeId inode) = 0;
  virtual Result<Node> set_attributes(Request&, InodeId inode, const SetAttributesRequest&) = 0;
  virtual Result<std::string> read_link(Request&, InodeId inode) = 0;
  virtual Result<Node> make_node(Request&, InodeId parent, std::string_view name, std::uint32_t mode,
                                 std::uint64_t rdev) = 0;
  virtual Result<Node> make_directory(Request&, InodeId parent, std::string_view name, std::uint32_t mode) = 0;
  virtual Result<Node> make_symlink(Request&, InodeId parent, std::string_view name, std::string_view target) = 0;
  virtual Result<Node> link(Request&, InodeId inode, InodeId parent, std::string_view name) = 0;
  virtual Status unlink(Request&, InodeId parent, std::string_view name) = 0;
  virtual Status remove_directory(Request&, InodeId parent, std::string_view name) = 0;
  /// `flags`: RENAME_NOREPLACE, RENAME_EXCHANGE; RENAME_WHITEOUT gives InvalidArgument.
  virtual Status rename(Request&, InodeId from, std::string_view from_name, InodeId to, std::string_view to_name,
                        unsigned flags) = 0;
  /// Entries after `after` (0: from the start), at most `limit`; "." and ".." are the channel's business.
  virtual Result<std::vector<DirectoryEntry>> read_directory(Request&, InodeId directory, std::uint64_t after,
                                                             std::size_t limit, bool plus) = 0;
  /// The kernel has forgotten the inode: an orphan goes now.
  virtual void forget(InodeId inode) = 0;

  // Files.
  struct Created {
    Node node;
    Opened opened;
  };
  virtual Result<Created> create(Request&, InodeId parent, std::string_view name, std::uint32_t mode, OpenFlags) = 0;
  /// O_TMPFILE: an inode without a name, until it is linked.
  virtual Result<Created> create_unnamed(Request&, InodeId parent, std::uint32_t mode, OpenFlags) = 0;
  virtual Result<Opened> open(Request&, InodeId inode, OpenFlags) = 0;
  virtual Result<ReadReply> read(Request&, HandleId, std::uint64_t offset, std::size_t size) = 0;
  /// O_SYNC: on return it survives a power cut. Where `syncs_remotely()` the caller sees to that with `sync_file`, which waits
  /// for the server and is not for every thread.
  virtual Result<std::size_t> write(Request&, HandleId, std::uint64_t offset, std::size_t size, const WriteSource&) = 0;
  virtual Status flush(Request&, HandleId) = 0;
  /// Durability: on return everything written to the file survives a power cut (with fsync_remote: is at the server).
  virtual Status sync_file(Request&, HandleId, bool data_only) = 0;
  virtual Status sync_directory(Request&, InodeId directory) = 0;
  /// What syncfs(2) does, of what is here: the server is waited for by whoever wants to (the sync engine's `sync_to`).
  virtual Status sync_all(Request&) = 0;
  /// `sync_file` and `sync_directory` wait for the server too, not only for the disk.
  virtual bool syncs_remotely() const = 0;
  /// Answers the inode if the kernel keeps pages of it that the next open will have no use for (and would have to drop
  /// before it is answered).
  virtual std::optional<InodeId> release(HandleId) = 0;
  virtual Status allocate(Request&, HandleId, int mode, std::uint64_t offset, std::uint64_t length) = 0;
  virtual Result<std::size_t> copy_range(Request&, HandleId from, std::uint64_t from_offset, HandleId to,
                                         std::uint64_t to_offset, std::size_t length) = 0;
  /// Whether the kernel may hold bytes of the file that it has not written yet (mappings, outside of passthrough).
  virtual bool kernel_may_hold_writes(HandleId) = 0;
  /// SEEK_DATA and SEEK_HOLE.
  virtual Result<std::uint64_t> seek(Request&, HandleId, std::uint64_t offset, int whence) = 0;

  // Extended attributes. XATTR_CREATE and XATTR_REPLACE in `flags`; `kill_sgid`: an access list takes setgid away,
  // because the caller is not in the file's group.
  virtual Result<Bytes> get_xattr(Request&, InodeId inode, std::string_view name) = 0;
  virtual Status set_xattr(Request&, InodeId inode, std::string_view name, ByteView value, int flags,
                           bool kill_sgid = false) = 0;
  virtual Result<std::vector<std::string>> list_xattrs(Request&, InodeId inode) = 0;
  virtual Status remove_xattr(Request&, InodeId inode, std::string_view name) = 0;

  virtual Result<VolumeStatistics> statistics(Request&) = 0;

  /// How long a call may wait for such a need.
  virtual std::chrono::milliseconds patience(Need::Kind kind) = 0;
  /// Meets a need. Blocks on the network: never call it on a thread that serves others. Errors: as Fetcher::fetch; kFresh:
  /// Interrupted alone, for without the server what is here is what there is.
  virtual Status fetch(const Need& need, Instant deadline, std::stop_token stop) = 0;
  /// Contents that other devices gave to inodes; none: one that loses a name.
  using Coming = std::vector<std::pair<InodeId, std::optional<OpId>>>;
  /// Before they are put into the tables: what the kernel wrote to these files by itself is recorded, and one that it may still
  /// write counts as changed here, so that the two contents part as those of a conflict do. Blocks on changes of the files.
  /// Errors: NoSpace, Io (they may not be put).
  virtual Status claim_unseen(const Coming& coming) = 0;
  /// The feed changed the tree: open inodes look at their content anew.
  virtual void tree_changed(const VisibleChanges& changes) = 0;
  /// In the moment when a re-plan has given contents to other inodes (from, to), under the store's mutex: what is open
  /// follows its content. Answers those that did: from here on each of the two stands where the other was. `files_moved`
  /// comes when the backing files have followed, too; until then nobody looks at them.
  using Moves = std::vector<std::pair<InodeId, InodeId>>;
  virtual Moves rows_moved(const MutexLock&, const Moves& moves) = 0;
  virtual void files_moved() = 0;
  /// Those of `moves` that `rows_moved` would answer now.
  virtual Moves open_among(const Moves& moves) = 0;
  /// Evicts clean content past the cache's limit; returns bytes freed.
  virtual Result<std::uint64_t> evict() = 0;
  /// What the background thread does once per tick.
  virtual void tick() = 0;
};

}  // namespace skymoor::client
