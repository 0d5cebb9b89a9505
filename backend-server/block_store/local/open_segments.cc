#include "backend-server/block_store/local/open_segments.h"

#include "backend-server/block_store/local/segment_format.h"

namespace skymoor::server {

std::shared_ptr<File> OpenSegments::find(std::uint32_t number) {
  MutexLock lock(mutex_);
  auto it = kept_.find(number);
  if (it == kept_.end()) return nullptr;
  by_use_.splice(by_use_.end(), by_use_, it->second.by_use);
  return it->second.file;
}

Result<std::shared_ptr<File>> OpenSegments::open(std::uint32_t number) {
  if (auto file = find(number)) return file;
  std::shared_ptr<File> file = TRY(disk_.open(segment::segment_path(directory_, number), {.read_only = true}));
  std::vector<std::shared_ptr<File>> closing;  // closed after the lock is let go
  MutexLock lock(mutex_);
  auto [it, fresh] = kept_.try_emplace(number);
  if (!fresh) return it->second.file;
  it->second = {file, by_use_.insert(by_use_.end(), number)};
  while (kept_.size() > limit_) {
    auto oldest = kept_.find(by_use_.front());
    closing.push_back(std::move(oldest->second.file));
    kept_.erase(oldest);
    by_use_.pop_front();
  }
  return file;
}

void OpenSegments::forget(std::uint32_t number) {
  std::shared_ptr<File> closing;
  MutexLock lock(mutex_);
  auto it = kept_.find(number);
  if (it == kept_.end()) return;
  closing = std::move(it->second.file);
  by_use_.erase(it->second.by_use);
  kept_.erase(it);
}

}  // namespace skymoor::server
