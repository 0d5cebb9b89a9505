// The thread that moves every byte of one client. Private to the room.
#pragma once
#include <thread>
#include <unordered_map>

#include "fuse/remote/curl/transfer.h"

namespace skymoor::client::curl {

/// Drives transfers over one libcurl multi handle. Thread-safe. Stopping ends what runs with Cancelled.
class EventLoop {
 public:
  static Result<std::unique_ptr<EventLoop>> start(std::size_t max_connections);
  ~EventLoop();
  EventLoop(const EventLoop&) = delete;
  EventLoop& operator=(const EventLoop&) = delete;

  /// Never blocks. Every transfer given is finished exactly once, soon after `cancel` or when the loop ends.
  void submit(std::shared_ptr<Transfer> transfer);
  /// Ends it with Cancelled, unless it is done already. Never blocks.
  void cancel(std::shared_ptr<Transfer> transfer);

 private:
  explicit EventLoop(Multi multi);
  void run();
  bool take_requests();
  void reap();
  void end(const std::shared_ptr<Transfer>& transfer);

  // Constant after construction.
  const Multi multi_;
  // Event thread only.
  std::unordered_map<CURL*, std::shared_ptr<Transfer>> running_;
  // Guarded by mutex_.
  Mutex mutex_;
  std::vector<std::shared_ptr<Transfer>> submitted_ GUARDED_BY(mutex_);
  std::vector<std::shared_ptr<Transfer>> cancelled_ GUARDED_BY(mutex_);
  bool stopping_ GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace skymoor::client::curl
