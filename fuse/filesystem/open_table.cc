#include "fuse/filesystem/open_table.h"

namespace skymoor::client {
namespace {

constexpr std::uint64_t kMaxLoggedBytes = 32 * 1024;   // more is cheaper to sync where it is
constexpr std::size_t kMaxLoggedExtents = 64;

}  // namespace

void UnsyncedBytes::wrote(Extent extent) {
  ++changes_;
  if (!known_) return;
  if (extent.length() > kMaxLoggedBytes) return lost_track();
  extents_.add(extent);
  if (extents_.size() > kMaxLoggedExtents || extents_.total() > kMaxLoggedBytes) lost_track();
}

Result<HandleId> HandleTable::add(Handle handle) {
  if (used_ >= limit_) return Error(Code::kTooManyOpenFiles, "too many open files");
  std::uint32_t index;
  if (free_.empty()) {
    index = static_cast<std::uint32_t>(slots_.size());
    slots_.push_back({first_use_, {}});
  } else {
    index = free_.back();
    free_.pop_back();
  }
  Slot& slot = slots_[index];
  if (++slot.uses == 0) ++slot.uses;
  slot.handle = std::move(handle);
  ++used_;
  return HandleId{static_cast<std::uint64_t>(slot.uses) << 32 | index};
}

bool HandleTable::restore(HandleId id, Handle handle) {
  auto number = static_cast<std::uint64_t>(id);
  std::uint64_t index = number & 0xffffffffu;
  if (index >= limit_ || number >> 32 == 0) return false;
  while (slots_.size() <= index) slots_.emplace_back();
  if (slots_[index].handle) return false;
  slots_[index].uses = static_cast<std::uint32_t>(number >> 32);
  slots_[index].handle = std::move(handle);
  ++used_;
  return true;
}

void HandleTable::end_restore(std::uint32_t salt) {
  first_use_ = salt;
  for (std::size_t index = slots_.size(); index-- > 0;)
    if (!slots_[index].handle) {
      slots_[index].uses = first_use_;
      free_.push_back(static_cast<std::uint32_t>(index));
    }
}

void HandleTable::for_each(const std::function<void(HandleId, const Handle&)>& visit) const {
  for (std::size_t index = 0; index < slots_.size(); ++index)
    if (const Slot& slot = slots_[index]; slot.handle) visit(HandleId{static_cast<std::uint64_t>(slot.uses) << 32 | index}, *slot.handle);
}

HandleTable::Slot* HandleTable::slot_of(HandleId id) {
  auto number = static_cast<std::uint64_t>(id);
  std::uint64_t index = number & 0xffffffffu;
  if (index >= slots_.size() || slots_[index].uses != number >> 32 || !slots_[index].handle) return nullptr;
  return &slots_[index];
}

Handle* HandleTable::find(HandleId id) {
  Slot* slot = slot_of(id);
  return slot ? &*slot->handle : nullptr;
}

std::optional<Handle> HandleTable::take(HandleId id) {
  Slot* slot = slot_of(id);
  if (!slot) return std::nullopt;
  std::optional<Handle> handle = std::exchange(slot->handle, std::nullopt);
  free_.push_back(static_cast<std::uint32_t>(static_cast<std::uint64_t>(id)));
  --used_;
  return handle;
}

}  // namespace skymoor::client
