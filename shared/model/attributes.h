// Attributes of an inode, and the rules for names and sizes.
#pragma once
#include <cstdint>
#include <string_view>

#include "shared/base/bytes.h"
#include "shared/base/clock.h"
#include "shared/base/error.h"

namespace skymoor {

/// Persistent and wire numbers: never renumbered.
enum class FileType : std::uint8_t {
  kFile = 1,
  kDirectory = 2,
  kSymlink = 3,
  kFifo = 4,
  kSocket = 5,
  kCharDevice = 6,
  kBlockDevice = 7,
};

struct Attributes {
  FileType type = FileType::kFile;
  std::uint32_t mode = 0;   ///< permission bits with setuid, setgid, sticky: 07777
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
  std::uint64_t rdev = 0;   ///< devices only
  std::uint64_t size = 0;   ///< bytes; files and symlinks
  Timestamp atime{}, mtime{}, ctime{};
  Timestamp btime{};        ///< birth
  friend bool operator==(const Attributes&, const Attributes&) = default;
};

void encode(ByteWriter& out, const Attributes& attributes);
Attributes decode_attributes(ByteReader& in);  ///< fails the reader on an unknown type or mode bits

inline constexpr std::size_t kMaxNameBytes = 255;
inline constexpr std::size_t kMaxTargetBytes = 4095;
inline constexpr std::size_t kMaxXattrNameBytes = 255;
inline constexpr std::size_t kMaxXattrValueBytes = 64 * 1024;
inline constexpr std::uint64_t kMaxFileBytes = 16ull << 40;
inline constexpr std::uint32_t kMaxLinks = 1u << 20;

/// 1 to 255 bytes, no '/' or NUL, not "." or "..". Errors: InvalidArgument, NameTooLong.
Status check_name(std::string_view name);

/// S_IFMT bits of a type, and back. Errors: InvalidArgument for no known type.
std::uint32_t format_bits(FileType type);
Result<FileType> type_from_mode(std::uint32_t st_mode);

}  // namespace skymoor
