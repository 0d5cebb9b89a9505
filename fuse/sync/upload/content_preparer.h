// ContentPreparer: the manifest of a file as it is now, with its blocks on their way to the server.
#pragma once
#include <memory>
#include <optional>

#include "fuse/cache/backing_store.h"
#include "fuse/journal/metadata_store.h"
#include "fuse/sync/download/block_reader.h"
#include "fuse/sync/upload/upload_round.h"
#include "shared/block/chunker.h"

namespace skymoor::client {

class ByteSource;

/// One state of a file's content, read and cut. The manifest is complete once the round that sent it has finished.
struct PreparedContent {
  OpId content;
  std::uint64_t size = 0;
  Timestamp mtime{}, ctime{};
  std::shared_ptr<Manifest> manifest;
  bool stands_in = false;   ///< for one that is gone: size and manifest are of something else
};

/// Reads a file's content in one piece: either nothing changed it from the first byte to the last, or changes are kept
/// out while it is read. Used by the sync thread alone. Failure: nothing is changed.
class ContentPreparer {
 public:
  struct Dependencies {
    MetadataStore& store;
    BackingStore& backing;
    BlockReader& blocks;
    const block::Chunker& chunker;
    KnownBlocks& known;
    Progress& progress;
  };
  explicit ContentPreparer(Dependencies dependencies) : d_(dependencies) {}

  /// How a file is kept still.
  enum class Stillness {
    kHope,      ///< read it, and look afterwards whether it has changed
    kFreeze,    ///< for one that never rests: changes wait while its dirty parts are copied aside
  };
  /// Reads the file, seals and sends its blocks in `round`: its content `wanted`, or a later one. Nothing: it changed meanwhile, or
  /// is gone, or all that is left of it is what somebody wrote after it had lost its last name, which is nobody else's.
  /// Errors: Io, NoSpace, those of the round and of reading blocks that are not here.
  Result<std::optional<PreparedContent>> prepare(InodeId inode, OpId wanted, Stillness stillness, UploadRound& round,
                                                 const CallOptions& options);
  /// Whether bytes were written into the file's backing file so shortly before `now`, by whatever way, and more may come:
  /// somebody can still write it.
  bool written_within(InodeId inode, std::chrono::nanoseconds span, Timestamp now);

  /// Whether blocks of the old manifest count as stored. If not, every byte is read and every block offered again.
  void trust_old_blocks(bool trust) { trust_old_blocks_ = trust; }

 private:
  struct State;
  Result<std::optional<State>> look(InodeId inode);
  Result<bool> made_without_a_name(OpId content);
  struct Reading;
  static bool written_meanwhile(const Reading& reading);
  Result<std::unique_ptr<File>> copy_aside(File& file, const std::vector<Extent>& extents);
  Status cut_all(State& state, Reading& reading, UploadRound& round, const CallOptions& options);
  Result<bool> unchanged(const State& state, BackingFile& file, std::uint64_t generation);
  Status cut(State& state, ByteSource& source, UploadRound& round);

  Dependencies d_;
  bool trust_old_blocks_ = true;
};

}  // namespace skymoor::client
