#include "fuse/cache/pin_set.h"

namespace skymoor::client {
namespace {

constexpr LockRank kPinWritingRank = 40100, kPinsRank = 40200;
constexpr std::uint8_t kVersion = 1;
constexpr std::size_t kMaxBytes = 64 + 8 * PinSet::kMaxPins;

Bytes encode(const std::set<InodeId>& pins) {
  ByteWriter out;
  out.u8(kVersion);
  out.varint(pins.size());
  for (InodeId pin : pins) out.u64(pin.value);
  const std::uint32_t checksum = crc32c(out.view());
  out.u32(checksum);
  return out.take();
}

Result<std::set<InodeId>> decode(ByteView bytes, const std::string& file) {
  const Error damaged(Code::kCorrupt, file + " is damaged: move it away and pin anew (no data is in it)");
  if (bytes.size() < 6) return damaged;
  const ByteView body = bytes.first(bytes.size() - 4);
  if (ByteReader(bytes.last(4)).u32() != crc32c(body)) return damaged;
  ByteReader in(body);
  if (in.u8() != kVersion) return Error(Code::kCorrupt, file + " is of an unknown version");
  std::set<InodeId> pins;
  for (std::size_t n = in.count(PinSet::kMaxPins, 8); n > 0; --n) pins.insert(InodeId{in.u64()});
  if (!in.finish(file).ok()) return damaged;
  return pins;
}

}  // namespace

PinSet::PinSet(Disk& disk, std::string file, std::set<InodeId> pins)
    : disk_(disk), file_(std::move(file)), count_(pins.size()), writing_(kPinWritingRank, "cache.pins_writing"),
      mutex_(kPinsRank, "cache.pins"), pins_(std::move(pins)) {}

Result<std::unique_ptr<PinSet>> PinSet::open(Disk& disk, const std::string& file) {
  std::set<InodeId> pins;
  if (disk.exists(file)) {
    const Bytes bytes = TRY(read_file(disk, file, kMaxBytes));
    pins = TRY(decode(bytes, file));
  }
  return std::unique_ptr<PinSet>(new PinSet(disk, file, std::move(pins)));
}

Status PinSet::replace(const MutexLock&, std::set<InodeId> pins) {
  TRY(write_file_durably(disk_, file_, encode(pins)));
  MutexLock lock(mutex_);
  pins_ = std::move(pins);
  count_.store(pins_.size(), std::memory_order_release);
  return {};
}

Status PinSet::add(InodeId inode) {
  MutexLock writing(writing_);
  std::set<InodeId> pins;
  {
    MutexLock lock(mutex_);
    pins = pins_;
  }
  if (!pins.insert(inode).second) return {};
  if (pins.size() > kMaxPins) return Error(Code::kTooLarge, "more than 10000 pins: pin a directory above them");
  return replace(writing, std::move(pins));
}

Status PinSet::remove(InodeId inode) {
  MutexLock writing(writing_);
  std::set<InodeId> pins;
  {
    MutexLock lock(mutex_);
    pins = pins_;
  }
  if (pins.erase(inode) == 0) return Error(Code::kNotFound, "it is not pinned itself");
  return replace(writing, std::move(pins));
}

bool PinSet::contains(InodeId inode) const {
  if (empty()) return false;
  MutexLock lock(mutex_);
  return pins_.contains(inode);
}

std::vector<InodeId> PinSet::all() const {
  MutexLock lock(mutex_);
  return {pins_.begin(), pins_.end()};
}

}  // namespace skymoor::client
