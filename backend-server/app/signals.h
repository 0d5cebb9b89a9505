// Waiting for SIGINT and SIGTERM as plain control flow.
#pragma once
#include <chrono>
#include <thread>

namespace skymoor::server {

/// While it lives, SIGINT, SIGTERM and SIGPIPE are blocked in this thread and in those it starts. Make it before any
/// thread.
class StopSignals {
 public:
  StopSignals();
  /// Blocks: until one comes. Returns its number.
  int wait();
  /// From now on the next one ends the process at once with exit code 1.
  void force_on_next();

 private:
  std::jthread watcher_;
};

}  // namespace skymoor::server
