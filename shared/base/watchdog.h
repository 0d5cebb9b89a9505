// Watchdog: notices threads that make no progress, and says where they are.
#pragma once
#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "shared/base/clock.h"
#include "shared/base/mutex.h"

namespace skymoor {

/// Role: a thread that looks at watched ones a few times in `limit`. One that is busy and has not moved for that long is
/// logged with its stack, once, and listed until it goes on; nothing is done about it.
///   idle <-> busy;   busy -> (limit) -> stuck -> (any progress) -> idle or busy
/// Thread-safe. Ownership: must outlive what it watches. Bounded: at most kMaxThreads; more are not watched. Cost for a
/// watched thread: a store when it begins something and one when it ends. Time in which the process was stopped or the
/// machine slept does not count; computing counts a tenth, for large work is not a fault. Failure: none.
class Watchdog {
 public:
  static constexpr std::size_t kMaxThreads = 256;
  struct Stuck {
    std::string thread;
    std::chrono::seconds time{};   ///< without progress
    std::string stack;             ///< newest call first
  };

  /// `limit`: at least 100 ms.
  explicit Watchdog(std::chrono::milliseconds limit);
  ~Watchdog();
  Watchdog(const Watchdog&) = delete;
  Watchdog& operator=(const Watchdog&) = delete;

  std::vector<Stuck> stuck() const;

 private:
  struct Slot {
    Slot(std::string thread_name, int id) : name(std::move(thread_name)), tid(id) {}
    const std::string name;
    const int tid;
    std::atomic<std::uint64_t> beats{0};   ///< odd: busy; written by its thread alone
    // Of the watchdog's thread.
    std::uint64_t seen = 0;
    std::chrono::nanoseconds still{}, cpu{};
    bool reported = false;
  };

 public:
  /// Watches the calling thread as long as it lives; one at a time for a thread. `watchdog` null: does nothing.
  class Watched {
   public:
    Watched(Watchdog* watchdog, std::string name);
    ~Watched();
    Watched(const Watched&) = delete;
    Watched& operator=(const Watched&) = delete;
    void begin() { beat(); }
    void end() { beat(); }

   private:
    void beat() {
      if (slot_) slot_->beats.store(slot_->beats.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
    }
    Watchdog* const watchdog_;
    std::shared_ptr<Slot> slot_;   // null: not watched
  };

  /// Busy for as long as it lives.
  class Busy {
   public:
    explicit Busy(Watched& watched) : watched_(watched) { watched_.begin(); }
    ~Busy() { watched_.end(); }
    Busy(const Busy&) = delete;
    Busy& operator=(const Busy&) = delete;

   private:
    Watched& watched_;
  };

  /// The calling thread, if it is watched, waits for somebody else (the network) as long as this lives.
  class Idle {
   public:
    Idle();
    ~Idle();
    Idle(const Idle&) = delete;
    Idle& operator=(const Idle&) = delete;

   private:
    Slot* slot_;
  };

  /// The calling thread, if it is watched, has moved: for loops that wait.
  static void progress();

 private:
  void run();
  void look(std::chrono::nanoseconds passed);
  void judge(Slot& slot, std::chrono::nanoseconds passed);

  static thread_local Slot* own_slot_;   // of the calling thread, while it is watched
  // Constant after construction.
  const std::chrono::milliseconds limit_;
  // Guarded by mutex_.
  mutable Mutex mutex_;
  CondVar changed_;
  std::vector<std::shared_ptr<Slot>> slots_ GUARDED_BY(mutex_);
  std::vector<std::pair<const Slot*, Stuck>> stuck_ GUARDED_BY(mutex_);
  bool stopping_ GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace skymoor
