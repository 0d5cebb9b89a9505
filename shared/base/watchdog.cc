#include "shared/base/watchdog.h"

#include <time.h>
#include <unistd.h>

#include <algorithm>

#include "shared/base/executor.h"
#include "shared/base/log.h"
#include "shared/base/thread_stack.h"

namespace skymoor {
namespace {

constexpr LockRank kWatchdogRank = 60100;   // a leaf
constexpr int kLooks = 5;                   // in the time of the limit
constexpr std::chrono::milliseconds kStackPatience{500};

void add(std::atomic<std::uint64_t>& beats, std::uint64_t count) {
  beats.store(beats.load(std::memory_order_relaxed) + count, std::memory_order_relaxed);
}

/// Processor time that a thread has used; zero if it is gone. Source: man 3 clock_gettime, include/linux/posix-timers.h.
std::chrono::nanoseconds cpu_time(int tid) {
  const auto clock = static_cast<clockid_t>((~static_cast<unsigned>(tid) << 3) | 6);
  timespec time = {};
  if (::clock_gettime(clock, &time) != 0) return {};
  return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
}

}  // namespace

thread_local Watchdog::Slot* Watchdog::own_slot_ = nullptr;

Watchdog::Watchdog(std::chrono::milliseconds limit)
    : limit_(std::max<std::chrono::milliseconds>(limit, std::chrono::milliseconds(100))),
      mutex_(kWatchdogRank, "watchdog") {
  prepare_thread_stacks();
  thread_ = std::thread([this] {
    set_thread_name("watchdog");
    run();
  });
}

Watchdog::~Watchdog() {
  {
    MutexLock lock(mutex_);
    stopping_ = true;
    changed_.notify_all();
  }
  thread_.join();
}

std::vector<Watchdog::Stuck> Watchdog::stuck() const {
  MutexLock lock(mutex_);
  std::vector<Stuck> all;
  for (const auto& [slot, one] : stuck_) all.push_back(one);
  return all;
}

void Watchdog::run() {
  MutexLock lock(mutex_);
  const std::chrono::nanoseconds pause = limit_ / kLooks;
  Instant before = SystemClock().monotonic();
  while (!stopping_) {
    changed_.wait_for(lock, pause);
    if (stopping_) return;
    const Instant now = SystemClock().monotonic();
    const auto passed = std::min<std::chrono::nanoseconds>(now - before, 2 * pause);   // more: nobody ran
    before = now;
    lock.unlock();
    look(passed);
    lock.lock();
  }
}

void Watchdog::look(std::chrono::nanoseconds passed) {
  std::vector<std::shared_ptr<Slot>> slots;
  {
    MutexLock lock(mutex_);
    slots = slots_;
  }
  for (const auto& slot : slots) judge(*slot, passed);
}

void Watchdog::judge(Slot& slot, std::chrono::nanoseconds passed) {
  const std::uint64_t beats = slot.beats.load(std::memory_order_relaxed);
  const bool still = beats % 2 == 1 && beats == slot.seen;
  slot.seen = beats;
  if (still) {
    const auto cpu = cpu_time(slot.tid);
    if (cpu - std::exchange(slot.cpu, cpu) > passed / 10) passed /= 10;
  }
  slot.still = still ? slot.still + passed : std::chrono::nanoseconds::zero();
  const auto time = std::chrono::duration_cast<std::chrono::seconds>(slot.still);
  const auto is_this = [&](const auto& one) { return one.first == &slot; };
  if (!still && std::exchange(slot.reported, false)) {
    log_warn("watchdog.thread_goes_on", {{"thread", slot.name}});
    MutexLock lock(mutex_);
    std::erase_if(stuck_, is_this);
  } else if (slot.reported) {
    MutexLock lock(mutex_);
    if (auto it = std::find_if(stuck_.begin(), stuck_.end(), is_this); it != stuck_.end()) it->second.time = time;
  } else if (slot.still >= limit_) {
    slot.reported = true;
    std::string stack = stack_of_thread(slot.tid, kStackPatience);
    log_error("watchdog.thread_stuck", {{"thread", slot.name}, {"seconds", time.count()}, {"stack", stack}});
    MutexLock lock(mutex_);
    // It may have gone meanwhile.
    if (std::any_of(slots_.begin(), slots_.end(), [&](const auto& one) { return one.get() == &slot; }))
      stuck_.push_back({&slot, {slot.name, time, std::move(stack)}});
  }
}

Watchdog::Watched::Watched(Watchdog* watchdog, std::string name) : watchdog_(watchdog) {
  if (!watchdog_) return;
  auto slot = std::make_shared<Slot>(std::move(name), ::gettid());
  MutexLock lock(watchdog_->mutex_);
  if (watchdog_->slots_.size() == kMaxThreads) return;
  slot_ = std::move(slot);
  watchdog_->slots_.push_back(slot_);
  own_slot_ = slot_.get();
}

Watchdog::Watched::~Watched() {
  if (!slot_) return;
  own_slot_ = nullptr;
  MutexLock lock(watchdog_->mutex_);
  std::erase(watchdog_->slots_, slot_);
  std::erase_if(watchdog_->stuck_, [&](const auto& one) { return one.first == slot_.get(); });
}

Watchdog::Idle::Idle() : slot_(own_slot_) {
  if (slot_ && slot_->beats.load(std::memory_order_relaxed) % 2 == 0) slot_ = nullptr;   // not busy, or within another
  if (slot_) add(slot_->beats, 1);
}

Watchdog::Idle::~Idle() {
  if (slot_) add(slot_->beats, 1);
}

void Watchdog::progress() {
  if (own_slot_) add(own_slot_->beats, 2);
}

}  // namespace skymoor
