// The thread that moves every byte of one client. Private to the room.
#pragma once
#include <optional>
#include <thread>
#include <unordered_map>

#include "fuse/remote/curl/transfer.h"
#include "shared/base/fd.h"

namespace skymoor::client::curl {

/// Drives transfers over one libcurl multi handle. Thread-safe. Stopping ends what runs with Cancelled.
///
/// It waits for the sockets itself, and has libcurl read from all of them until no TLS record is opened any more: libcurl takes
/// one at a time, and those that were read ahead with it are in no socket any more, so that nothing tells of them.
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
  EventLoop(Multi multi, UniqueFd poll, UniqueFd wake);
  static int on_socket(CURL* easy, curl_socket_t fd, int what, void* self, void* known);
  static int on_timer(CURLM* multi, long after_ms, void* self);
  void wake() const;
  void run();
  int wait_ms() const;
  void look_at_all();
  void serve(int fd, std::uint32_t events);
  void read_on();
  bool take_requests();
  void reap();
  void end(const std::shared_ptr<Transfer>& transfer);

  // Constant after construction.
  const UniqueFd poll_, wake_;   ///< epoll, and the eventfd in it that `submit` and `cancel` write to
  // Event thread only.
  std::optional<Instant> timer_;   ///< when libcurl wants to be called
  std::uint64_t records_ = 0;      ///< opened so far
  std::vector<int> reading_;       ///< sockets that libcurl wants to read from
  std::vector<int> watched_;       ///< all sockets
  std::vector<int> asked_;
  Instant next_look_{};
  std::chrono::milliseconds look_pause_{1000};
  bool more_ = false;              ///< records may wait that epoll does not know of
  std::unordered_map<CURL*, std::shared_ptr<Transfer>> running_;
  const Multi multi_;              ///< after what it calls back into when it ends
  // Guarded by mutex_.
  Mutex mutex_;
  std::vector<std::shared_ptr<Transfer>> submitted_ GUARDED_BY(mutex_);
  std::vector<std::shared_ptr<Transfer>> cancelled_ GUARDED_BY(mutex_);
  bool stopping_ GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace skymoor::client::curl
