#include "fuse/cache/unseen_list.h"

namespace skymoor::client {
namespace {
constexpr std::size_t kMaxSlots = 1u << 20;
}

Result<std::unique_ptr<UnseenList>> UnseenList::open(Disk& disk, const std::string& path) {
  auto file = TRY(disk.open(path, {.create = true}));
  Bytes content(std::min<std::uint64_t>(TRY(file->size()), kMaxSlots * 8));
  content.resize(TRY(file->read_at(0, content)));
  std::unique_ptr<UnseenList> list(new UnseenList(std::move(file)));
  ByteReader in(content);
  for (; in.remaining() >= 8; ++list->end_) {
    InodeId inode{in.u64()};
    if (!inode || !list->slots_.emplace(inode, list->end_).second) list->free_.push_back(list->end_);
  }
  return list;
}

Status UnseenList::write_slot(std::size_t slot, InodeId inode) {
  ByteWriter out;
  out.u64(inode.value);
  return file_->write_at(slot * 8, out.view());
}

Status UnseenList::set(InodeId inode, bool on) {
  auto it = slots_.find(inode);
  if (on == (it != slots_.end())) return {};
  if (!on) {
    TRY(write_slot(it->second, InodeId{}));
    free_.push_back(it->second);
    slots_.erase(it);
    return {};
  }
  if (free_.empty() && end_ >= kMaxSlots) return Error(Code::kTooManyOpenFiles, "too many files open for writing");
  std::size_t slot = free_.empty() ? end_ : free_.back();
  TRY(write_slot(slot, inode));
  if (free_.empty()) ++end_; else free_.pop_back();
  slots_.emplace(inode, slot);
  return {};
}

std::vector<InodeId> UnseenList::all() const {
  std::vector<InodeId> out;
  for (const auto& [inode, slot] : slots_) out.push_back(inode);
  return out;
}

}  // namespace skymoor::client
