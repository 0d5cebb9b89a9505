#include "fuse/channel/invalidator.h"

#define FUSE_USE_VERSION 314
#include <fuse3/fuse_lowlevel.h>
#include <linux/fuse.h>
#include <unistd.h>

#include <unordered_set>

#include "fuse/channel/convert.h"
#include "fuse/channel/lock_ranks.h"
#include "shared/base/executor.h"
#include "shared/base/log.h"

namespace skymoor::client {
namespace {
constexpr std::size_t kMaxQueued = 4096;
// From 7.44 of the protocol. Source: include/uapi/linux/fuse.h (FUSE_NOTIFY_INC_EPOCH).
constexpr std::int32_t kNotifyNewEpoch = 8;
thread_local bool may_wait = false;
}  // namespace

NoticesMayWait::NoticesMayWait() { may_wait = true; }
NoticesMayWait::~NoticesMayWait() { may_wait = false; }
bool NoticesMayWait::here() { return may_wait; }

Invalidator::Invalidator() : mutex_(kInvalidatorRank, "invalidator") {}

void Invalidator::start(fuse_session* session, std::shared_ptr<Handover> handover) {
  session_ = session;
  handover_ = std::move(handover);
  missing_before_ = handover_ ? handover_->notices_missing() : 0;
  thread_ = std::thread([this] {
    set_thread_name("invalidate");
    NoticesMayWait by_the_notifier;
    run();
  });
}

void Invalidator::add(const VisibleChanges& changes) {
  if (changes.names.empty() && changes.attributes.empty() && changes.contents.empty()) return;
  MutexLock lock(mutex_);
  // A feed that runs ahead of the kernel is slowed down here rather than forgotten: a dropped notice would be a stale
  // read for a day.
  while (queue_.size() >= kMaxQueued && !stopping_) changed_.wait(lock);
  if (stopping_) return;
  if (handover_) handover_->notice_queued();
  queue_.push_back(changes);
  changed_.notify_all();
}

void Invalidator::drop_pages(InodeId inode) {
  MutexLock lock(mutex_);
  if (stopping_ || queue_.size() >= kMaxQueued / 2) return;
  if (handover_) handover_->notice_queued();
  queue_.emplace_back().contents.push_back(inode);
  changed_.notify_all();
}

void Invalidator::run() {
  MutexLock lock(mutex_);
  for (;;) {
    while (queue_.empty() && !doubted_ && !stopping_) changed_.wait(lock);
    if (stopping_) return;
    if (Filesystem* filesystem = std::exchange(doubted_, nullptr)) {
      lock.unlock();
      notify_doubt(*filesystem);
      lock.lock();
      continue;
    }
    VisibleChanges changes = std::move(queue_.front());
    queue_.pop_front();
    changed_.notify_all();
    lock.unlock();
    notify(changes);
    if (handover_) handover_->notices_told(1);
    lock.lock();
  }
}

void Invalidator::notify(const VisibleChanges& changes) {
  // ENOENT only says that the kernel did not know the object.
  auto report = [](int rc, const char* what) {
    if (rc != 0 && rc != -ENOENT) log_debug("channel.invalidate_failed", {{"what", what}, {"errno", -rc}});
  };
  for (const auto& name : changes.names)
    report(fuse_lowlevel_notify_inval_entry(session_, name.directory.value, name.name.data(), name.name.size()), "name");
  // The kernel forgets a directory's listing with an entry only where it knows the entry.
  std::unordered_set<InodeId> directories;
  for (const auto& name : changes.names) directories.insert(name.directory);
  for (InodeId inode : directories) report(fuse_lowlevel_notify_inval_inode(session_, inode.value, 0, 0), "listing");
  for (InodeId inode : changes.attributes) report(fuse_lowlevel_notify_inval_inode(session_, inode.value, -1, 0), "attr");
  for (InodeId inode : changes.contents) report(fuse_lowlevel_notify_inval_inode(session_, inode.value, 0, 0), "data");
}

void Invalidator::doubt(Filesystem& filesystem) {
  MutexLock lock(mutex_);
  doubted_ = &filesystem;
  changed_.notify_all();
}

void Invalidator::notify_doubt(Filesystem& filesystem) {
  // Before anything else: names that were looked up until now are looked up anew. From Linux 6.16.
  fuse_out_header header = {};
  header.len = sizeof header;
  header.error = kNotifyNewEpoch;
  const bool names = ::write(fuse_session_fd(session_), &header, sizeof header) == static_cast<ssize_t>(sizeof header);
  // The one directory that is never looked up by a name.
  (void)fuse_lowlevel_notify_inval_inode(session_, kRootInode.value, 0, 0);
  for (const OpenFile& open : handover_->open_files())
    if (!open.file.passthrough) (void)fuse_lowlevel_notify_inval_inode(session_, open.file.inode.value, 0, 0);
  // A process that was killed between a change from elsewhere and its notice has queued none: before 6.16 nobody would tell.
  const bool everything = missing_before_ > 0 || !names;
  if (everything && notify_tree(filesystem, !names)) handover_->notices_told(missing_before_);
  log_info("channel.kernel_caches_doubted", {{"names", names}, {"everything", everything}});
}

/// All that the kernel may know, from the root down through the directories that are listed here. False: stopped on the way.
bool Invalidator::notify_tree(Filesystem& filesystem, bool names) {
  constexpr std::size_t kAtOnce = 512;
  std::vector<InodeId> directories{kRootInode};
  while (!directories.empty()) {
    const InodeId directory = directories.back();
    directories.pop_back();
    (void)fuse_lowlevel_notify_inval_inode(session_, directory.value, 0, 0);
    std::uint64_t after = 0;
    for (bool more = true; more;) {
      {
        MutexLock lock(mutex_);
        if (stopping_) return false;
      }
      Request nobody;
      auto entries = filesystem.read_directory(nobody, directory, after, kAtOnce, false);
      if (!entries.ok()) break;   // not listed: the kernel asked for single names of it, if anything
      for (const DirectoryEntry& entry : *entries) {
        after = entry.cookie;
        if (names)
          (void)fuse_lowlevel_notify_inval_entry(session_, directory.value, entry.name.data(), entry.name.size());
        if (entry.node.attributes.type == FileType::kDirectory) directories.push_back(entry.node.id);
        else (void)fuse_lowlevel_notify_inval_inode(session_, number_of(entry.node).value, 0, 0);
      }
      more = entries->size() == kAtOnce;
    }
  }
  return true;
}

void Invalidator::stop() {
  {
    MutexLock lock(mutex_);
    stopping_ = true;
    changed_.notify_all();
  }
  if (thread_.joinable()) thread_.join();
}

}  // namespace skymoor::client
