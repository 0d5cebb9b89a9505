#include "fuse/app/mount/sync_fetcher.h"

namespace skymoor::client {
namespace {
Error not_connected() { return Error(Code::kOffline, "the server is not connected"); }
}  // namespace

void SyncFetcher::bind(std::shared_ptr<SyncEngine> engine) {
  MutexLock lock(mutex_);
  engine_.swap(engine);
}

void SyncFetcher::remember(const VolumeStatistics& statistics) {
  MutexLock lock(mutex_);
  remembered_ = statistics;
}

std::shared_ptr<SyncEngine> SyncFetcher::engine() {
  MutexLock lock(mutex_);
  return engine_;
}

Status SyncFetcher::fetch(const Need& need, Instant deadline, std::stop_token stop) {
  auto engine = this->engine();
  if (!engine) return not_connected();
  switch (need.kind) {
    case Need::Kind::kDirectory: return engine->fetch_directory(need.inode, deadline, stop);
    case Need::Kind::kInode: return engine->fetch_inode(need.inode, deadline, stop);
    case Need::Kind::kAgain: return {};
    case Need::Kind::kFresh: return engine->catch_up(deadline, stop);
    case Need::Kind::kRoom: return engine->make_room(deadline, stop);
    case Need::Kind::kContent: return engine->fetch_content(need.inode, need.extent, deadline, stop);
  }
  return Error(Code::kInternal, "unknown need");
}

void SyncFetcher::prefetch(InodeId inode, Extent extent) {
  if (auto engine = this->engine()) engine->prefetch(inode, extent);
}

bool SyncFetcher::online() {
  auto engine = this->engine();
  return engine && engine->online();
}

bool SyncFetcher::makes_room() {
  auto engine = this->engine();
  return engine && engine->makes_room();
}

VolumeStatistics SyncFetcher::volume_statistics() {
  auto engine = this->engine();
  auto info = engine ? engine->volume_info() : std::nullopt;
  MutexLock lock(mutex_);
  if (info) remembered_ = statistics_of(*info);
  return remembered_;
}

void SyncFetcher::changed() {
  if (auto engine = this->engine()) engine->wake();
}

Status SyncFetcher::sync_remote(Lsn lsn, Instant deadline, std::stop_token stop) {
  auto engine = this->engine();
  if (!engine) return not_connected();
  return engine->sync_to(lsn, deadline, stop);
}

std::string SyncFetcher::state_of(InodeId inode) {
  auto engine = this->engine();
  return engine ? engine->state_of(inode) : std::string("pending");
}

VolumeStatistics statistics_of(const protocol::VolumeInfo& info) {
  VolumeStatistics statistics;
  statistics.used_bytes = info.stored_bytes;
  statistics.inodes = info.inodes;
  const std::uint64_t quota_left = info.quota_bytes > info.stored_bytes ? info.quota_bytes - info.stored_bytes : 0;
  statistics.free_bytes = info.quota_bytes == 0 ? info.free_bytes : std::min(quota_left, info.free_bytes);
  statistics.total_bytes = info.quota_bytes == 0 ? info.stored_bytes + info.free_bytes : info.quota_bytes;
  return statistics;
}

void TreeFanout::bind(std::shared_ptr<Channel> channel) {
  MutexLock lock(mutex_);
  channel_.swap(channel);
}

void TreeFanout::bind(PinKeeper* pins) {
  MutexLock lock(pins_mutex_);
  pins_ = pins;
}

void TreeFanout::tree_changed(const VisibleChanges& changes) {
  filesystem_.tree_changed(changes);
  {
    MutexLock lock(pins_mutex_);
    if (pins_) pins_->tree_changed(changes);
  }
  std::shared_ptr<Channel> channel;
  {
    MutexLock lock(mutex_);
    channel = channel_;
  }
  if (channel) channel->invalidate(filesystem_.for_kernel(changes));
}

}  // namespace skymoor::client
