#include "fuse/sync/progress.h"

namespace skymoor::client {

Progress::Transfer::Transfer(Progress& progress, bool upload, InodeId inode, std::uint64_t total)
    : progress_(progress), key_(upload, inode), total_(total) {
  MutexLock lock(progress_.mutex_);
  listed_ = progress_.running_.size() < kMaxListed || progress_.running_.contains(key_);
  if (!listed_) return;
  Listed& listed = progress_.running_[key_];
  listed.shown.upload = upload;
  listed.shown.inode = inode;
  listed.shown.bytes_total += total;
  ++listed.running;
}

Progress::Transfer::~Transfer() {
  if (!listed_) return;
  MutexLock lock(progress_.mutex_);
  auto it = progress_.running_.find(key_);
  if (--it->second.running == 0) progress_.running_.erase(it);
}

void Progress::Transfer::moved(std::uint64_t bytes) {
  if (!listed_) return;
  MutexLock lock(progress_.mutex_);
  progress_.running_.at(key_).shown.bytes_done += bytes;
}

void Progress::Transfer::expect(std::uint64_t total) {
  if (!listed_) return;
  MutexLock lock(progress_.mutex_);
  progress_.running_.at(key_).shown.bytes_total += total - std::exchange(total_, total);
}

std::shared_ptr<Progress::Transfer> Progress::begin(bool upload, InodeId inode, std::uint64_t total) {
  return std::make_shared<Transfer>(*this, upload, inode, total);
}

bool Progress::uploading(InodeId inode) {
  MutexLock lock(mutex_);
  return running_.contains({true, inode});
}

std::vector<TransferProgress> Progress::transfers() {
  MutexLock lock(mutex_);
  std::vector<TransferProgress> all;
  for (const auto& [key, listed] : running_) all.push_back(listed.shown);
  return all;
}

}  // namespace skymoor::client
