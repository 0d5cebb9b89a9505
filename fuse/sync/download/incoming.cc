#include "fuse/sync/download/incoming.h"

#include <algorithm>

#include "shared/base/copy_bytes.h"

namespace skymoor::client {

Status write_pieces(File& file, Extent part, std::uint64_t begin, BlockReader::Pieces data) {
  for (ByteView piece : data) {
    const Extent here{std::max(part.begin, begin), std::min(part.end, begin + piece.size())};
    if (here.begin < here.end) TRY(file.write_at(here.begin, piece.subspan(here.begin - begin, here.length())));
    begin += piece.size();
  }
  return {};
}

std::shared_ptr<Incoming::Version> Incoming::find(const MutexLock&, InodeId inode, OpId content) {
  auto it = versions_.find(inode);
  return it == versions_.end() || it->second->content != content ? nullptr : it->second;
}

bool Incoming::has(InodeId inode, OpId content) {
  if (count_.load(std::memory_order_acquire) == 0) return false;
  MutexLock lock(mutex_);
  return find(lock, inode, content) != nullptr;
}

std::vector<Extent> Incoming::lacking(InodeId inode, OpId content, const std::vector<Extent>& parts) {
  MutexLock lock(mutex_);
  const auto version = find(lock, inode, content);
  if (!version) return parts;
  std::vector<Extent> lacking;
  for (const Extent& part : parts)
    for (const Extent& unwritten : version->data.missing(part))
      for (const Extent& none : version->zeros.missing(unwritten)) lacking.push_back(none);
  return lacking;
}

std::vector<Extent> Incoming::present(InodeId inode, OpId content, const std::vector<Extent>& parts) {
  MutexLock lock(mutex_);
  const auto version = find(lock, inode, content);
  if (!version) return {};
  ExtentSet here = version->data;
  for (const Extent& zeros : version->zeros.all()) here.add(zeros);
  std::vector<Extent> present;
  for (const Extent& part : parts)
    for (const Extent& one : here.present(part)) present.push_back(one);
  return present;
}

Result<std::shared_ptr<Incoming::Version>> Incoming::begin(InodeId inode, OpId content) {
  {
    MutexLock lock(mutex_);
    if (auto version = find(lock, inode, content)) {
      version->age = ++made_;   // somebody goes on with it
      return version;
    }
  }
  auto version = std::make_shared<Version>();
  version->content = content;
  version->file = TRY(backing_.open_unnamed());
  MutexLock lock(mutex_);
  version->age = ++made_;
  versions_[inode] = version;
  if (versions_.size() > kMaxVersions)   // most likely nobody goes on with it
    versions_.erase(std::min_element(versions_.begin(), versions_.end(),
                                     [](const auto& a, const auto& b) { return a.second->age < b.second->age; }));
  count_.store(versions_.size(), std::memory_order_release);
  return version;
}

Status Incoming::gather(InodeId inode, OpId content, const std::vector<Extent>& parts, std::uint64_t begin,
                        BlockReader::Pieces data) {
  auto version = TRY(this->begin(inode, content));
  for (const Extent& part : parts) {
    if (Status written = write_pieces(*version->file, part, begin, data); !written.ok()) {
      if (written.error().code() == Code::kNoSpace) end(inode);   // others need the room more
      return written;
    }
    MutexLock lock(mutex_);
    (data.empty() ? version->zeros : version->data).add(part);
  }
  return {};
}

Result<std::vector<Extent>> Incoming::put_in_place(InodeId inode, OpId content, const std::vector<Extent>& parts,
                                                   BackingFile& file) {
  std::shared_ptr<Version> version;
  ExtentSet data, zeros;
  {
    MutexLock lock(mutex_);
    version = find(lock, inode, content);
    if (!version) return std::vector<Extent>();
    data = version->data;
    zeros = version->zeros;
  }
  std::vector<Extent> done;
  for (const Extent& part : parts) {
    for (const Extent& written : data.present(part)) {
      const std::uint64_t copied = TRY(copy_bytes(*version->file, written.begin, file.file(), written.begin, written.length()));
      if (copied != written.length()) return Error(Code::kIo, "a version that was gathered beside its file has become shorter");
      done.push_back(written);
    }
    for (const Extent& empty : zeros.present(part)) {
      TRY(file.zero(empty));
      done.push_back(empty);
    }
  }
  return done;
}

void Incoming::clear() {
  MutexLock lock(mutex_);
  versions_.clear();
  count_.store(0, std::memory_order_release);
}

bool Incoming::has_room(std::uint64_t bytes) {
  constexpr std::uint64_t kReserve = 256u << 20;   // as for pins
  const auto free = backing_.free_bytes();
  return free.ok() && *free >= bytes + kReserve;
}

void Incoming::end(InodeId inode) {
  MutexLock lock(mutex_);
  versions_.erase(inode);
  count_.store(versions_.size(), std::memory_order_release);
}

void Incoming::drop_unwanted() {
  if (count_.load(std::memory_order_acquire) == 0) return;
  std::vector<std::pair<InodeId, OpId>> there;
  {
    MutexLock lock(mutex_);
    for (const auto& [inode, version] : versions_) there.emplace_back(inode, version->content);
  }
  for (const auto& [inode, content] : there) {
    {
      MutexLock lock(store_.mutex());
      const auto row = store_.content(lock, inode);
      if (row.ok() && row->manifest_content == content && store_.is_shown(lock, inode)) continue;
    }
    MutexLock lock(mutex_);
    if (auto it = versions_.find(inode); it != versions_.end() && it->second->content == content) versions_.erase(it);
    count_.store(versions_.size(), std::memory_order_release);
  }
}

}  // namespace skymoor::client
