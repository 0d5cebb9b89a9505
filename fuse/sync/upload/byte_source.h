// ByteSource: a file's bytes for the chunker, wherever they are.
#pragma once
#include <functional>
#include <optional>

#include "fuse/cache/backing_store.h"
#include "shared/model/extents.h"
#include "shared/model/manifest.h"

namespace skymoor::client {

/// Where the chunks of a manifest begin: chunk i covers [offsets[i], offsets[i + 1]).
std::vector<std::uint64_t> chunk_offsets(const Manifest& manifest);

/// Reads a block that is not here and gives its plaintext.
using ReadChunk = std::function<Result<Bytes>(const Chunk&)>;

/// One state of a file: what is valid comes from a file, the rest from the manifest (holes are zeros, blocks are
/// fetched into memory). Not thread-safe; borrows all it is given.
class ByteSource {
 public:
  struct Parts {
    File* file = nullptr;             ///< the backing file, or a copy of its dirty parts; or
    ByteView memory;                  ///< all of it
    ExtentSet valid;                  ///< what the file, copy or memory holds
    const Manifest* manifest = nullptr;
    const std::vector<std::uint64_t>* offsets = nullptr;
    std::uint64_t size = 0;
    ReadChunk read_chunk;
  };
  explicit ByteSource(Parts parts) : parts_(std::move(parts)) {}
  std::uint64_t size() const { return parts_.size; }
  /// Fills `out` with the bytes at `offset`; the range lies within the size. Errors: Io, those of reading a block.
  Status read(std::uint64_t offset, std::span<std::uint8_t> out);
  /// First place at or after `offset` that may hold something else than zeros; the size if there is none. Cheap.
  std::uint64_t next_data(std::uint64_t offset);

 private:
  Status read_valid(std::uint64_t offset, std::span<std::uint8_t> out);
  Status read_manifest(std::uint64_t offset, std::span<std::uint8_t> out);
  std::optional<std::size_t> chunk_at(std::uint64_t offset) const;

  Parts parts_;
  std::optional<std::size_t> cached_chunk_;
  Bytes cached_;
};

}  // namespace skymoor::client
