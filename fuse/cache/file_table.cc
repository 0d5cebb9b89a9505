#include "fuse/cache/file_table.h"

#include <algorithm>

namespace skymoor::client {
namespace {

constexpr std::uint32_t kDirtyBit = 1u << 31;
constexpr std::uint32_t kUnsyncedBit = 1u << 30;
constexpr std::uint64_t kMaxPages = kUnsyncedBit - 1;
constexpr std::uint64_t kPageBytes = 4096;
constexpr std::size_t kFirstSlots = 64;

}  // namespace

FileTable::Slot FileTable::pack(const FileEntry& entry) {
  std::uint64_t pages = std::min((entry.allocated_bytes + kPageBytes - 1) / kPageBytes, kMaxPages);
  std::uint32_t bits = (entry.dirty ? kDirtyBit : 0) | (entry.directory_unsynced ? kUnsyncedBit : 0);
  return {entry.inode.value, static_cast<std::uint32_t>(pages) | bits, entry.last_use};
}

FileEntry FileTable::unpack(const Slot& slot) {
  return {InodeId{slot.inode}, (slot.pages & kMaxPages) * kPageBytes, (slot.pages & kDirtyBit) != 0,
          (slot.pages & kUnsyncedBit) != 0, slot.last_use};
}

std::size_t FileTable::home(std::uint64_t inode) const {
  return (inode * 0x9E3779B97F4A7C15ull >> 20) & (slots_.size() - 1);
}

std::size_t FileTable::locate(std::uint64_t inode) const {
  std::size_t at = home(inode);
  while (slots_[at].inode != 0 && slots_[at].inode != inode) at = (at + 1) & (slots_.size() - 1);
  return at;
}

std::optional<FileEntry> FileTable::find(InodeId inode) const {
  if (slots_.empty()) return std::nullopt;
  const Slot& slot = slots_[locate(inode.value)];
  if (slot.inode == 0) return std::nullopt;
  return unpack(slot);
}

void FileTable::put(const FileEntry& entry) {
  if ((used_ + 1) * 4 > slots_.size() * 3) grow();
  Slot& slot = slots_[locate(entry.inode.value)];
  if (slot.inode == 0) ++used_;
  slot = pack(entry);
}

bool FileTable::erase(InodeId inode) {
  if (slots_.empty()) return false;
  std::size_t hole = locate(inode.value);
  if (slots_[hole].inode == 0) return false;
  --used_;
  // Close the gap: move back each follower whose home is not between the gap and itself.
  const std::size_t mask = slots_.size() - 1;
  for (std::size_t at = (hole + 1) & mask; slots_[at].inode != 0; at = (at + 1) & mask) {
    std::size_t wanted = home(slots_[at].inode);
    if (((at - wanted) & mask) < ((at - hole) & mask)) continue;
    slots_[hole] = slots_[at];
    hole = at;
  }
  slots_[hole] = Slot{};
  return true;
}

void FileTable::use(InodeId inode, std::uint32_t tick) {
  if (slots_.empty()) return;
  Slot& slot = slots_[locate(inode.value)];
  if (slot.inode != 0) slot.last_use = tick;
}

void FileTable::for_each(const std::function<void(const FileEntry&)>& visit) const {
  for (const Slot& slot : slots_)
    if (slot.inode != 0) visit(unpack(slot));
}

void FileTable::grow() {
  std::vector<Slot> old = std::move(slots_);
  slots_.assign(old.empty() ? kFirstSlots : old.size() * 2, Slot{});
  for (const Slot& slot : old)
    if (slot.inode != 0) slots_[locate(slot.inode)] = slot;
}

}  // namespace skymoor::client
