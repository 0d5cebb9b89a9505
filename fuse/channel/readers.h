// Readers: the threads that read the kernel's requests and answer them.
#pragma once
#include <atomic>
#include <functional>
#include <list>
#include <string>
#include <thread>

#include "shared/base/clock.h"
#include "shared/base/mutex.h"

namespace skymoor::client {

/// Role: as many threads as were asked for; and, as long as each of them is busy with a request that comes to no end (all wait
/// for one that is stuck), some more: what needs nothing of the stuck one (statfs) is answered all the same.
///   enough -> (all busy with the same for kPatience) -> one more -> ... -> (one goes on) -> the surplus leaves
/// Thread-safe. Bounded: kSpares more than asked for. Failure: none; what no thread can be made for waits.
class Readers {
 public:
  static constexpr std::size_t kSpares = 14;
  static constexpr std::chrono::milliseconds kPatience{1000};

  class Reader {
   public:
    explicit Reader(std::string name) : name_(std::move(name)) {}
    const std::string& name() const { return name_; }

   private:
    friend class Readers;
    const std::string name_;
    std::thread thread_;
    std::atomic<std::uint64_t> beats_{0};   // odd: with a request in hand; written by its thread alone
    // Guarded by mutex_.
    std::uint64_t seen_ = 0;
    Instant since_{};
    bool leaving_ = false, ended_ = false;
  };

  /// While it lives its thread has a request in hand.
  class Busy {
   public:
    explicit Busy(Reader& reader) : reader_(reader) { beat(); }
    ~Busy() { beat(); }
    Busy(const Busy&) = delete;
    Busy& operator=(const Busy&) = delete;

   private:
    void beat() { reader_.beats_.store(reader_.beats_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed); }
    Reader& reader_;
  };

  Readers();
  ~Readers() { join(); }
  /// `serve` runs on each thread, until it returns. Once.
  void start(std::size_t count, std::function<void(Reader&)> serve);
  std::size_t running() const { return running_; }
  /// Looks whether there are enough; to be called a few times a second.
  void look(Instant now);
  /// For `serve`, between requests: whether its thread is one too many, and is to return.
  bool may_leave(Reader& reader);
  /// Interrupts what they wait for.
  void signal(int number);
  void join();

 private:
  void add(const MutexLock&) REQUIRES(mutex_);

  // Constant after start.
  std::size_t count_ = 0;
  std::function<void(Reader&)> serve_;
  // Own synchronisation.
  std::atomic<std::size_t> running_{0}, surplus_{0};
  // Guarded by mutex_.
  Mutex mutex_;
  std::list<Reader> readers_ GUARDED_BY(mutex_);
  std::size_t made_ GUARDED_BY(mutex_) = 0;
};

}  // namespace skymoor::client
