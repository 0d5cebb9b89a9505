// WaitingCalls: which calls wait for something, until when, and who may answer them.
#pragma once
#include <sys/types.h>

#include <functional>
#include <map>
#include <memory>
#include <stop_token>
#include <thread>
#include <vector>

#include "shared/base/clock.h"
#include "shared/base/mutex.h"

namespace skymoor::client {

/// Role: one thread that ends calls whose time is over or whose caller is to go, whether somebody works for them or they
/// are still queued. Each call is ended exactly once: by the thread, or by whoever claims it.
///   new -> waiting <-> claimed;   waiting -> ended
/// Thread-safe. Ownership: shares the waits. Failure: none; `add` refuses beyond the bound.
class WaitingCalls {
 public:
  static constexpr std::size_t kMaxWaiting = 4096;
  enum class End { kTimedOut, kInterrupted, kStopped };

  class Wait : public std::enable_shared_from_this<Wait> {
   public:
    explicit Wait(pid_t caller) : caller_(caller) {}
    virtual ~Wait() = default;
    /// For who works for the call: asked when nobody wants the outcome any more.
    std::stop_token token() const { return stop_.get_token(); }

   protected:
    /// Answers the call. Runs on the thread of WaitingCalls, or of who stops it, without locks; must not block.
    virtual void end(End why) = 0;

   private:
    friend class WaitingCalls;
    const pid_t caller_;
    std::stop_source stop_;
    // Guarded by WaitingCalls::mutex_.
    bool waiting_ = false, signalled_ = false;
    std::multimap<Instant, std::shared_ptr<Wait>>::iterator at_;
  };

  /// `wants_out(pid)`: whether what the caller was sent ends its call; asked again for as long as it does not.
  explicit WaitingCalls(std::function<bool(pid_t)> wants_out);
  ~WaitingCalls() { stop(); }
  WaitingCalls(const WaitingCalls&) = delete;
  WaitingCalls& operator=(const WaitingCalls&) = delete;

  /// Begins to wait. False: too many do, or it is stopped; the call stays the caller's to answer.
  bool add(Wait& wait, Instant deadline);
  /// True: the call is the caller's to answer, or to give back by `resume`. False: it was ended, or is about to be.
  bool claim(Wait& wait);
  /// A claimed call waits on. False: it is stopped.
  bool resume(Wait& wait, Instant deadline);
  /// The caller got a signal. Never blocks; before `add` as well.
  void signalled(Wait& wait);
  /// Ends all that waits. Idempotent.
  void stop();

 private:
  void run();
  bool insert(const MutexLock& lock, Wait& wait, Instant deadline) REQUIRES(mutex_);
  void take_out(const MutexLock& lock, Wait& wait) REQUIRES(mutex_);
  // These two let go of the mutex for a while.
  void judge(const MutexLock& lock, std::vector<std::shared_ptr<Wait>> waits) REQUIRES(mutex_);
  void end(const MutexLock& lock, const std::shared_ptr<Wait>& wait, End why) REQUIRES(mutex_);

  // Constant after construction.
  const std::function<bool(pid_t)> wants_out_;
  // Guarded by mutex_.
  Mutex mutex_;
  CondVar changed_;
  std::multimap<Instant, std::shared_ptr<Wait>> waiting_ GUARDED_BY(mutex_);   // by deadline
  std::vector<std::shared_ptr<Wait>> signals_ GUARDED_BY(mutex_);    // not looked at yet
  std::vector<std::shared_ptr<Wait>> watched_ GUARDED_BY(mutex_);    // had a signal that ended nothing
  bool stopping_ GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace skymoor::client
