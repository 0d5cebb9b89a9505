// SIGINT, SIGTERM and SIGHUP end a mount cleanly.
#pragma once
#include <signal.h>

#include <stop_token>
#include <thread>

namespace skymoor::client {

/// Make it before the process has a second thread: it blocks the signals for all that follow and takes them on a thread
/// of its own. The first asks the stop source; a second one, while the first is still being obeyed, ends the process at
/// once (what was written is in the op log). Destruction unblocks nothing.
class StopSignals {
 public:
  explicit StopSignals(std::stop_source stop);
  ~StopSignals();

 private:
  void wait(std::stop_token end, std::stop_source stop);
  sigset_t signals_;
  std::jthread thread_;
};

}  // namespace skymoor::client
