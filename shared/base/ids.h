// Ids as types: what one names cannot be passed for another.
#pragma once
#include <array>
#include <compare>
#include <cstdint>
#include <cstring>
#include <functional>
#include <string>

#include "shared/base/bytes.h"

namespace skymoor {

/// A number with a name. `Tag` keeps the kinds apart.
template <typename Tag, typename Number = std::uint64_t>
struct NumberId {
  Number value = 0;
  constexpr NumberId() = default;
  constexpr explicit NumberId(Number v) : value(v) {}
  friend constexpr auto operator<=>(NumberId, NumberId) = default;
  constexpr explicit operator bool() const { return value != 0; }
};

/// A fixed number of bytes with a name; spelled in lower-case hex.
template <typename Tag, std::size_t Size>
struct BytesId {
  static constexpr std::size_t kSize = Size;
  std::array<std::uint8_t, Size> value{};
  friend constexpr auto operator<=>(const BytesId&, const BytesId&) = default;
  ByteView view() const { return value; }
  std::string hex() const { return hex_encode(value); }
  bool is_zero() const { return *this == BytesId{}; }
  /// Errors: InvalidArgument unless exactly Size bytes.
  static Result<BytesId> from(ByteView bytes) {
    if (bytes.size() != Size) return Error(Code::kInvalidArgument, "id of wrong length");
    BytesId id;
    std::memcpy(id.value.data(), bytes.data(), Size);
    return id;
  }
  /// Errors: InvalidArgument unless exactly 2 x Size lower-case hex digits (one spelling per id).
  static Result<BytesId> from_hex(std::string_view text) {
    for (char c : text)
      if (c >= 'A' && c <= 'F') return Error(Code::kInvalidArgument, "id in upper case");
    return from(TRY(hex_decode(text)));
  }
};

/// Inode id: 24-bit writer prefix << 40 | the writer's 40-bit counter. FUSE node id and st_ino.
using InodeId = NumberId<struct InodeIdTag>;
inline constexpr InodeId kRootInode{1};
/// Position of a commit in a volume's total order; the first commit is 1.
using Sequence = NumberId<struct SequenceTag>;
/// Position of a record in a device's op log; the first record is 1.
using Lsn = NumberId<struct LsnTag>;
/// Counts server restores of a volume from a backup; starts at 1.
using Epoch = NumberId<struct EpochTag, std::uint32_t>;
/// The 24-bit prefix the server leased to one device for one volume; 0 is the server's own (the root inode).
using WriterId = NumberId<struct WriterIdTag, std::uint32_t>;

inline constexpr std::uint64_t kInodeCounterBits = 40;
constexpr InodeId make_inode_id(WriterId writer, std::uint64_t counter) {
  return InodeId{static_cast<std::uint64_t>(writer.value) << kInodeCounterBits | counter};
}
/// On its device also the number of the record that made it.
constexpr std::uint64_t counter_of(InodeId id) { return id.value & ((1ull << kInodeCounterBits) - 1); }
constexpr WriterId writer_of(InodeId id) { return WriterId{static_cast<std::uint32_t>(id.value >> kInodeCounterBits)}; }

/// Names one commit of one device for ever: sending it twice gives the stored answer.
struct OpId {
  WriterId writer;
  std::uint64_t counter = 0;
  friend constexpr auto operator<=>(const OpId&, const OpId&) = default;
};

using VolumeId = BytesId<struct VolumeIdTag, 16>;
using DeviceId = BytesId<struct DeviceIdTag, 16>;
using UserId = BytesId<struct UserIdTag, 16>;
using BlockId = BytesId<struct BlockIdTag, 32>;    ///< SHA-256 of a block's sealed bytes
using Hash256 = BytesId<struct Hash256Tag, 32>;
using NameToken = BytesId<struct NameTokenTag, 32>;  ///< HMAC over directory id and name: uniqueness without the name

}  // namespace skymoor

template <typename Tag, typename Number>
struct std::hash<skymoor::NumberId<Tag, Number>> {
  std::size_t operator()(skymoor::NumberId<Tag, Number> id) const noexcept {
    // Ids are sequential: spread them, so that open-addressed and power-of-two tables do not cluster.
    return static_cast<std::size_t>(static_cast<std::uint64_t>(id.value) * 0x9E3779B97F4A7C15ull);
  }
};
template <typename Tag, std::size_t Size>
struct std::hash<skymoor::BytesId<Tag, Size>> {
  std::size_t operator()(const skymoor::BytesId<Tag, Size>& id) const noexcept {
    std::size_t h;
    std::memcpy(&h, id.value.data(), sizeof h);
    return h;
  }
};
