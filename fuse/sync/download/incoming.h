// Incoming: versions of files that are shown when they are complete.
#pragma once
#include <unordered_map>

#include "fuse/cache/backing_store.h"
#include "fuse/journal/metadata_store.h"
#include "fuse/sync/download/block_reader.h"

namespace skymoor::client {

/// A program that has a file open in passthrough sees the backing file as it is. What is fetched of another version meanwhile is
/// gathered beside it, in a file without a name, until all of it is here; then it is written over the old one, as a local program
/// would. Costs the disk room for both: where there is not enough, the new one is written where it belongs as it
/// comes, and the program sees that. Bounded: 64 versions, the oldest of which go.
///
/// Thread-safe; `gather` and `put_in_place` are called with the inode's backing file frozen.
class Incoming {
 public:
  static constexpr std::size_t kMaxVersions = 64;

  Incoming(MetadataStore& store, BackingStore& backing) : store_(store), backing_(backing) {}

  /// Which of `parts` of that content have not come yet.
  std::vector<Extent> lacking(InodeId inode, OpId content, const std::vector<Extent>& parts);
  /// Which of them have.
  std::vector<Extent> present(InodeId inode, OpId content, const std::vector<Extent>& parts);
  /// Whether there is anything of it.
  bool has(InodeId inode, OpId content);
  /// Takes what of `data`, which begins at `begin` of the file, lies in `parts`. No data: zeros. What came of another content of
  /// the inode goes. Errors: NoSpace (then what had come is gone), TooManyOpenFiles, Io.
  Status gather(InodeId inode, OpId content, const std::vector<Extent>& parts, std::uint64_t begin, BlockReader::Pieces data);
  /// Writes what it has of `parts` over the backing file; answers which that is. Errors: NoSpace, Io.
  Result<std::vector<Extent>> put_in_place(InodeId inode, OpId content, const std::vector<Extent>& parts, BackingFile& file);
  void end(InodeId inode);
  void clear();
  /// Whether the disk has room for that many bytes of a version, and some more.
  bool has_room(std::uint64_t bytes);
  /// Lets go of what nobody will ask for: no program is shown the file any more, or another content came. Cheap when there is none.
  void drop_unwanted();

 private:
  struct Version {
    OpId content;
    std::uint64_t age = 0;
    std::unique_ptr<File> file;
    ExtentSet data;     ///< what is in the file
    ExtentSet zeros;    ///< what is zeros, and not in it
  };
  std::shared_ptr<Version> find(const MutexLock&, InodeId inode, OpId content) REQUIRES(mutex_);
  Result<std::shared_ptr<Version>> begin(InodeId inode, OpId content);

  MetadataStore& store_;
  BackingStore& backing_;
  std::atomic<std::size_t> count_{0};
  // Guarded by mutex_.
  Mutex mutex_{kIncomingRank, "sync.incoming"};
  std::unordered_map<InodeId, std::shared_ptr<Version>> versions_ GUARDED_BY(mutex_);
  std::uint64_t made_ GUARDED_BY(mutex_) = 0;
};

/// Writes what of `data`, which begins at `begin` of the file, lies in `part`.
Status write_pieces(File& file, Extent part, std::uint64_t begin, BlockReader::Pieces data);

}  // namespace skymoor::client
