// Mutex with clang's thread-safety annotations and a rank that debug builds check.
#pragma once
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>

#if defined(__clang__)
#define SKYMOOR_TS(x) __attribute__((x))
#else
#define SKYMOOR_TS(x)
#endif
#define CAPABILITY(x) SKYMOOR_TS(capability(x))
#define SCOPED_CAPABILITY SKYMOOR_TS(scoped_lockable)
#define GUARDED_BY(x) SKYMOOR_TS(guarded_by(x))
#define PT_GUARDED_BY(x) SKYMOOR_TS(pt_guarded_by(x))
#define REQUIRES(...) SKYMOOR_TS(requires_capability(__VA_ARGS__))
#define ACQUIRE(...) SKYMOOR_TS(acquire_capability(__VA_ARGS__))
#define RELEASE(...) SKYMOOR_TS(release_capability(__VA_ARGS__))
#define EXCLUDES(...) SKYMOOR_TS(locks_excluded(__VA_ARGS__))
#define NO_THREAD_SAFETY_ANALYSIS SKYMOOR_TS(no_thread_safety_analysis)

namespace skymoor {

/// Ranks, lowest taken first: a thread that holds a mutex may only take one of a higher rank. Programs list theirs in
/// fuse/LOCKS.md and backend-server/LOCKS.md.
using LockRank = std::uint16_t;

namespace lock_order {
void entering(LockRank rank, const char* name);  ///< aborts, naming both locks, when the order is broken
void leaving(LockRank rank);
}  // namespace lock_order

/// Non-recursive. `name` must outlive the mutex (a literal).
class CAPABILITY("mutex") Mutex {
 public:
  Mutex(LockRank rank, const char* name) : rank_(rank), name_(name) {}
  Mutex(const Mutex&) = delete;
  Mutex& operator=(const Mutex&) = delete;
  void lock() ACQUIRE() {
#ifndef NDEBUG
    lock_order::entering(rank_, name_);
#endif
    mutex_.lock();
  }
  void unlock() RELEASE() {
    // First the book-keeping: once the mutex is free, its owner may destroy it.
#ifndef NDEBUG
    lock_order::leaving(rank_);
#endif
    mutex_.unlock();
  }
  /// Takes it within `patience`, if it is free by then.
  bool try_lock_for(std::chrono::milliseconds patience);
  LockRank rank() const { return rank_; }
  const char* name() const { return name_; }

 private:
  friend class CondVar;
  std::mutex mutex_;
  [[maybe_unused]] LockRank rank_;
  [[maybe_unused]] const char* name_;
};

/// Holds a Mutex for a scope. Functions that need the lock take `const MutexLock&` as proof.
class SCOPED_CAPABILITY MutexLock {
 public:
  explicit MutexLock(Mutex& mutex) ACQUIRE(mutex) : mutex_(mutex) { mutex_.lock(); }
  /// For who must not wait for a thread that may be stuck with it: ask `held` first.
  MutexLock(Mutex& mutex, std::chrono::milliseconds patience) ACQUIRE(mutex)
      : mutex_(mutex), held_(mutex.try_lock_for(patience)) {}
  ~MutexLock() RELEASE() {
    if (held_) mutex_.unlock();
  }
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;
  bool held() const { return held_; }
  /// Lets go for a while (before I/O); the scope must take it again or end.
  void unlock() RELEASE() {
    held_ = false;
    mutex_.unlock();
  }
  void lock() ACQUIRE() {
    mutex_.lock();
    held_ = true;
  }

 private:
  friend class CondVar;
  Mutex& mutex_;
  bool held_ = true;
};

/// Lets go of a held Mutex for a scope, for functions that were given the lock and must not hold it across something.
class SCOPED_CAPABILITY MutexUnlock {
 public:
  explicit MutexUnlock(Mutex& mutex) RELEASE(mutex) : mutex_(mutex) { mutex_.unlock(); }
  ~MutexUnlock() RELEASE() { mutex_.lock(); }
  MutexUnlock(const MutexUnlock&) = delete;
  MutexUnlock& operator=(const MutexUnlock&) = delete;

 private:
  Mutex& mutex_;
};

/// Condition variable for Mutex. Wake-ups may be spurious: wait in a loop on the condition.
class CondVar {
 public:
  void wait(MutexLock& lock) NO_THREAD_SAFETY_ANALYSIS {
    std::unique_lock<std::mutex> inner(lock.mutex_.mutex_, std::adopt_lock);
    cv_.wait(inner);
    inner.release();
  }
  /// Returns false when the time ran out.
  template <typename Rep, typename Period>
  bool wait_for(MutexLock& lock, std::chrono::duration<Rep, Period> timeout) NO_THREAD_SAFETY_ANALYSIS {
    std::unique_lock<std::mutex> inner(lock.mutex_.mutex_, std::adopt_lock);
    bool in_time = cv_.wait_for(inner, timeout) == std::cv_status::no_timeout;
    inner.release();
    return in_time;
  }
  void notify_one() { cv_.notify_one(); }
  void notify_all() { cv_.notify_all(); }

 private:
  std::condition_variable cv_;
};

}  // namespace skymoor
