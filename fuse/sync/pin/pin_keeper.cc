#include "fuse/sync/pin/pin_keeper.h"

#include "fuse/journal/ancestry.h"
#include "fuse/sync/waiting.h"
#include "shared/base/log.h"

namespace skymoor::client {
namespace {

constexpr std::size_t kMaxGathered = 10'000;   ///< changes; beyond that a whole pass is cheaper
constexpr std::size_t kFetchThreads = 4;
constexpr std::chrono::milliseconds kLongestPause = std::chrono::minutes(5);

}  // namespace

PinKeeper::PinKeeper(Dependencies dependencies, Options options)
    : d_(dependencies),
      options_(options),
      pause_(options_.first_pause),
      fetchers_({.name = "pin-fetch", .threads = kFetchThreads}) {
  pass_wanted_ = !d_.pins.empty();
  thread_ = std::jthread([this](const std::stop_token& stop) {
    set_thread_name("pins");
    run(stop);
  });
}

PinKeeper::~PinKeeper() {
  thread_.request_stop();
  thread_.join();
  fetchers_.stop();
}

Status PinKeeper::pin(InodeId inode) {
  {
    MutexLock lock(d_.store.mutex());
    TRY(d_.store.inode(lock, inode));
  }
  TRY(d_.pins.add(inode));
  MutexLock lock(mutex_);
  pass_wanted_ = true;
  not_before_ = {};
  changed_.notify_all();
  return {};
}

Status PinKeeper::unpin(InodeId inode) {
  TRY(d_.pins.remove(inode));
  MutexLock lock(mutex_);
  changed_.notify_all();
  return {};
}

void PinKeeper::tree_changed(const VisibleChanges& changes) {
  if (d_.pins.empty()) return;
  MutexLock lock(mutex_);
  const bool idle = news_.size() == 0 && !pass_wanted_;
  for (const auto& name : changes.names) news_.names.emplace(name.directory, name.name);
  for (InodeId inode : changes.contents) news_.inodes.insert(inode);
  for (InodeId inode : changes.attributes) news_.inodes.insert(inode);
  for (const auto* directories : {&changes.revealed, &changes.unlisted}) news_.directories.insert(directories->begin(), directories->end());
  if (news_.size() > kMaxGathered) {
    news_ = {};
    pass_wanted_ = true;
  }
  if (idle) not_before_ = std::max(not_before_, d_.clock.monotonic() + options_.gather);
  changed_.notify_all();
}

bool PinKeeper::is_pinned(InodeId inode) {
  MutexLock lock(d_.store.mutex());
  return is_within(d_.store, lock, inode, [this](InodeId at) { return d_.pins.contains(at); });
}

void PinKeeper::run(const std::stop_token& stop) {
  NotifyOnStop wake(stop, mutex_, changed_);
  while (!stop.stop_requested()) {
    News news;
    bool whole = false;
    {
      MutexLock lock(mutex_);
      if (stop.stop_requested()) return;   // asked before the lock was held: nobody notifies again
      if (d_.pins.empty()) {   // and until there is one nothing here has a time of its own
        pass_wanted_ = false;
        news_ = {};
        trouble_.clear();
        changed_.wait(lock);
        continue;
      }
      const Instant now = d_.clock.monotonic();
      if (now >= next_look_) {
        next_look_ = now + options_.look_again;
        if (d_.store.last_lsn() != seen_) pass_wanted_ = true;
      }
      const bool due = pass_wanted_ || news_.size() > 0;
      if (!due || now < not_before_) {
        changed_.wait_for(lock, std::clamp<std::chrono::nanoseconds>((due ? not_before_ : next_look_) - now,
                                                                     std::chrono::milliseconds(1), std::chrono::seconds(60)));
        continue;
      }
      whole = std::exchange(pass_wanted_, false);
      news = std::exchange(news_, {});
      looking_ = true;
      if (whole) seen_ = d_.store.last_lsn();
    }
    Status done = whole ? pass(stop) : look_at(news, stop);
    MutexLock lock(mutex_);
    looking_ = false;
    if (whole) ++passes_;
    if (done.ok()) {
      trouble_.clear();
      pause_ = options_.first_pause;
    } else if (!stop.stop_requested()) {
      if (trouble_ != done.error().message()) log_warn("pins.waiting", {{"why", done.error()}});
      trouble_ = done.error().message();
      pass_wanted_ = true;
      not_before_ = d_.clock.monotonic() + pause_;
      pause_ = std::min(2 * pause_, kLongestPause);
    }
  }
}

PinKeeper::View PinKeeper::view(bool count) {
  View view;
  for (InodeId inode : d_.pins.all()) {
    Pin pin;
    pin.inode = inode;
    {
      MutexLock lock(d_.store.mutex());
      pin.path = path_of(d_.store, lock, inode);
    }
    if (count) count_into(pin);
    view.pins.push_back(std::move(pin));
  }
  MutexLock lock(mutex_);
  view.settled = !looking_ && !pass_wanted_ && news_.size() == 0 && trouble_.empty();
  view.trouble = trouble_;
  return view;
}

std::uint64_t PinKeeper::passes() {
  MutexLock lock(mutex_);
  return passes_;
}

}  // namespace skymoor::client
