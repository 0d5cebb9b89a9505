#include "fuse/sync/progress.h"

namespace skymoor::client {

void Progress::begin(bool upload, InodeId inode, std::uint64_t total) {
  MutexLock lock(mutex_);
  if (running_.size() >= kMaxListed) return;
  TransferProgress& transfer = running_[{upload, inode}];
  transfer.upload = upload;
  transfer.inode = inode;
  transfer.bytes_total = total;
}

void Progress::add(bool upload, InodeId inode, std::uint64_t bytes) {
  MutexLock lock(mutex_);
  auto it = running_.find({upload, inode});
  if (it != running_.end()) it->second.bytes_done += bytes;
}

void Progress::end(bool upload, InodeId inode) {
  MutexLock lock(mutex_);
  running_.erase({upload, inode});
}

bool Progress::uploading(InodeId inode) {
  MutexLock lock(mutex_);
  return running_.contains({true, inode});
}

std::vector<TransferProgress> Progress::transfers() {
  MutexLock lock(mutex_);
  std::vector<TransferProgress> all;
  for (const auto& [key, transfer] : running_) all.push_back(transfer);
  return all;
}

}  // namespace skymoor::client
