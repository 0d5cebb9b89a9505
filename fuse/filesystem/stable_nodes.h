// StableNodes: what the kernel has open stays what it is when a conflict gives the file another number.
#pragma once
#include <shared_mutex>
#include <unordered_map>

#include "fuse/filesystem/filesystem.h"

namespace skymoor::client {

/// Role: a Filesystem for the kernel's edge, over one that speaks of inodes. The kernel's number for a file (its node) is the
/// inode's, until a re-plan gives the content of an open file to a conflict copy: then node and content stay together, and
/// the inode that lost its content to the copy is known to the kernel by the copy's number. So programs go on with the
/// very file they opened (descriptors, mappings, pages, locks), and nothing they do reaches the other side's version.
/// A permutation of few numbers, kept in a file so that the process that takes the mount over knows it.
/// Between `moves_begin` and `files_moved` no operation that names a node runs; those through handles do.
/// The table is bounded: a re-plan whose open files would need more is put off, and with it all that sync does, until enough
/// of them are closed (what nobody has open needs no place) or the mount ends. Until then nothing has moved: programs write
/// what they opened, and both sides are as safe as before.
/// Thread-safe. Ownership: borrows `files` and `disk`. Failure: without a table file that can be written nothing moves;
/// if it cannot be written afterwards, the next process has to be told of the move by who began it.
class StableNodes final : public Filesystem {
 public:
  static constexpr std::size_t kMaxMoved = 1u << 16;   ///< numbers that stand for another inode; two for a file

  /// What the process before left in `path`. `moved`: moves that it began and that were found to have happened. Errors:
  /// Corrupt, Io.
  struct Table {
    std::unordered_map<InodeId, InodeId> inode_of, node_of;
    bool unsaved = false;   ///< the file names moves as begun that happened, or did not
  };
  static Result<Table> load(Disk& disk, const std::string& path, const Moves& moved);
  /// `path` empty: in memory only. `max_moved`: at most kMaxMoved.
  StableNodes(Filesystem& files, Disk& disk, std::string path);
  StableNodes(Filesystem& files, Disk& disk, std::string path, Table table, std::size_t max_moved = kMaxMoved);

  /// Contents are about to change hands: `rows_moved` (if it comes to that) and `files_moved` follow on the same thread.
  /// Errors: Io, NoSpace, TooManyOpenFiles (nothing follows).
  Status moves_begin(const Moves& moves);
  Moves rows_moved(const MutexLock& lock, const Moves& moves) override;
  Moves open_among(const Moves& moves) override { return files_.open_among(moves); }
  void files_moved() override;
  /// The file says all that has moved: until then the next process must be told (`load`). On the thread that moves, not
  /// between `moves_begin` and `files_moved`. Errors: Io, NoSpace (ask again).
  Status moves_kept();
  /// What the kernel is to be told, in its numbers.
  VisibleChanges for_kernel(VisibleChanges changes);
  static InodeId inode_of(const Table& table, InodeId node);

  Result<Node> lookup(Request&, InodeId parent, std::string_view name) override;
  Result<Node> get_attributes(Request&, InodeId node) override;
  Result<Node> set_attributes(Request&, InodeId node, const SetAttributesRequest&) override;
  Result<std::string> read_link(Request& r, InodeId node) override { return files_.read_link(r, node); }
  Result<Node> make_node(Request&, InodeId parent, std::string_view name, std::uint32_t mode, std::uint64_t rdev) override;
  Result<Node> make_directory(Request&, InodeId parent, std::string_view name, std::uint32_t mode) override;
  Result<Node> make_symlink(Request&, InodeId parent, std::string_view name, std::string_view target) override;
  Result<Node> link(Request&, InodeId node, InodeId parent, std::string_view name) override;
  Status unlink(Request& r, InodeId parent, std::string_view name) override { return files_.unlink(r, parent, name); }
  Status remove_directory(Request& r, InodeId parent, std::string_view name) override {
    return files_.remove_directory(r, parent, name);
  }
  Status rename(Request& r, InodeId from, std::string_view from_name, InodeId to, std::string_view to_name,
                unsigned flags) override {
    return files_.rename(r, from, from_name, to, to_name, flags);
  }
  Result<std::vector<DirectoryEntry>> read_directory(Request&, InodeId directory, std::uint64_t after, std::size_t limit,
                                                     bool plus) override;
  void forget(InodeId node) override;

  Result<Created> create(Request&, InodeId parent, std::string_view name, std::uint32_t mode, OpenFlags) override;
  Result<Created> create_unnamed(Request&, InodeId parent, std::uint32_t mode, OpenFlags) override;
  Result<Opened> open(Request&, InodeId node, OpenFlags) override;
  Result<ReadReply> read(Request& r, HandleId handle, std::uint64_t offset, std::size_t size) override {
    return files_.read(r, handle, offset, size);
  }
  Result<std::size_t> write(Request&, HandleId, std::uint64_t offset, std::size_t size, const WriteSource&) override;
  Status flush(Request& r, HandleId handle) override { return files_.flush(r, handle); }
  Status sync_file(Request& r, HandleId handle, bool data_only) override { return files_.sync_file(r, handle, data_only); }
  Status sync_directory(Request& r, InodeId directory) override { return files_.sync_directory(r, directory); }
  Status sync_all(Request& r) override { return files_.sync_all(r); }
  bool syncs_remotely() const override { return files_.syncs_remotely(); }
  std::optional<InodeId> release(HandleId) override;
  Status allocate(Request&, HandleId, int mode, std::uint64_t offset, std::uint64_t length) override;
  Result<std::size_t> copy_range(Request&, HandleId from, std::uint64_t from_offset, HandleId to, std::uint64_t to_offset,
                                 std::size_t length) override;
  bool kernel_may_hold_writes(HandleId handle) override { return files_.kernel_may_hold_writes(handle); }
  Result<std::uint64_t> seek(Request& r, HandleId handle, std::uint64_t offset, int whence) override {
    return files_.seek(r, handle, offset, whence);
  }

  Result<Bytes> get_xattr(Request&, InodeId node, std::string_view name) override;
  Status set_xattr(Request&, InodeId node, std::string_view name, ByteView value, int flags, bool kill_sgid) override;
  Result<std::vector<std::string>> list_xattrs(Request&, InodeId node) override;
  Status remove_xattr(Request&, InodeId node, std::string_view name) override;
  Result<VolumeStatistics> statistics(Request& r) override { return files_.statistics(r); }

  std::chrono::milliseconds patience(Need::Kind kind) override { return files_.patience(kind); }
  Status fetch(const Need& need, Instant deadline, std::stop_token stop) override {
    return files_.fetch(need, deadline, std::move(stop));
  }
  Status claim_unseen(const Coming& coming) override { return files_.claim_unseen(coming); }
  void tree_changed(const VisibleChanges& changes) override { files_.tree_changed(changes); }
  Result<std::uint64_t> evict() override { return files_.evict(); }
  void tick() override { files_.tick(); }

 private:
  /// Held by an operation that names nodes. Whoever moves contents goes before those who come after.
  class Passing {
   public:
    explicit Passing(StableNodes& nodes);
    ~Passing() { nodes_.gate_.unlock_shared(); }
    Passing(const Passing&) = delete;
    Passing& operator=(const Passing&) = delete;

   private:
    StableNodes& nodes_;
  };
  void open_gate();
  Status check_bound(const Moves& moves);   ///< with the gate held alone
  InodeId inode_of(const Passing&, InodeId node) const { return inode_of(table_, node); }
  InodeId node_of(const Passing&, InodeId inode) const;
  Result<Node> named(const Passing&, Result<Node> node) const;
  void name_stale(const Passing&, Request& request) const;
  Status save(const Moves& pending);

  // Constant after construction.
  Filesystem& files_;
  Disk& disk_;
  const std::string path_;
  const std::size_t max_moved_;
  // Own synchronisation. The gate is shared by operations, held alone by who moves contents; it comes before all ranks.
  std::shared_mutex gate_;
  std::mutex turnstile_;                 ///< held by who waits for the gate alone: those who come after wait here
  std::atomic<bool> closing_{false};
  // Guarded by gate_.
  Table table_;
};

}  // namespace skymoor::client
