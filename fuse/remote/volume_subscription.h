// The push channel of one volume. Private to the room.
#pragma once
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "fuse/remote/backoff.h"
#include "fuse/remote/remote_session.h"
#include "fuse/remote/volume_remote.h"

namespace skymoor::client {

/// Owns a thread that keeps one event stream open: connecting -> up -> (lost: pause) -> connecting ... until destroyed.
/// Destruction ends the stream at once and joins; the callbacks must not destroy it.
class VolumeSubscription final : public VolumeRemote::Subscription {
 public:
  struct Options {
    Backoff::Options backoff;
    std::chrono::milliseconds connect_timeout{20000};
    std::chrono::milliseconds idle_timeout{10000};  ///< the server sends something every 4 s
  };
  VolumeSubscription(RemoteSession& session, Random& random, VolumeId volume, Options options,
                     std::function<void(Sequence)> on_head, std::function<void(const Status&)> on_state);
  ~VolumeSubscription() override;
  void connect_now() override;
  std::optional<Instant> heard() const override;

 private:
  void run(std::stop_token stop);
  Status connect(std::stop_token stop, bool& was_up);
  void tell(const Status& state);
  void note_heard();
  void pause(std::chrono::milliseconds span, const std::stop_token& stop);

  // Constant after construction.
  RemoteSession& session_;
  Random& random_;
  const VolumeId volume_;
  const Options options_;
  const std::function<void(Sequence)> on_head_;
  const std::function<void(const Status&)> on_state_;
  // Own synchronisation.
  std::atomic<std::int64_t> heard_ns_{0};   ///< SteadyClock's; 0: never
  std::mutex pause_mutex_;
  std::condition_variable_any pause_over_;
  bool now_ = false;                        ///< guarded by pause_mutex_
  // Its own thread only.
  std::optional<Code> told_;  ///< why it is down, as told last; nothing: up, or nothing told yet
  std::jthread thread_;
};

}  // namespace skymoor::client
