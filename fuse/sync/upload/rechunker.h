// Rechunker: cuts a file into chunks, taking over those of its old manifest that no change has touched.
#pragma once
#include <optional>

#include "fuse/sync/upload/byte_source.h"
#include "shared/block/chunker.h"
#include "shared/block/seal.h"

namespace skymoor::client {

/// Goes through the file once. Around a change it cuts anew from the old cut before it until a new cut meets an old one
/// past it: cuts depend on content alone, so that from there on they agree. Long runs of zeros become holes.
/// Not thread-safe; borrows all it is given.
class Rechunker {
 public:
  struct Old {
    const Manifest* manifest = nullptr;               ///< null: there is none, all is new
    const std::vector<std::uint64_t>* offsets = nullptr;
    ExtentSet dirty;                                  ///< what may differ from it
  };
  Rechunker(const block::Chunker& chunker, ByteSource& source, Old old);

  /// One chunk of the new manifest. `data` is set for a chunk whose block is to be made from it.
  struct Piece {
    std::uint64_t offset = 0;
    Chunk chunk;                 ///< length; block and key too when it is an old one
    Bytes data;                  ///< behind block::kSealFront bytes
    bool reused = false;
  };
  /// The next chunk; nothing at the end. Errors: those of the source.
  Result<std::optional<Piece>> next();

 private:
  std::optional<Piece> take_over();
  Result<std::uint64_t> zeros_here();
  Status fill(std::uint64_t want);
  Result<std::size_t> find_cut();
  Bytes take_ahead(std::size_t cut);
  ByteView ahead() const { return ByteView(ahead_).subspan(block::kSealFront); }
  void forget_ahead() { ahead_.resize(block::kSealFront); }

  const block::Chunker& chunker_;
  ByteSource& source_;
  Old old_;
  std::uint64_t at_ = 0;
  std::size_t old_index_ = 0;
  Bytes ahead_;   ///< the file's bytes from at_ on, as far as they were read, behind the room for a block's header
};

}  // namespace skymoor::client
