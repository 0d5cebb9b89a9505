#include "fuse/app/host/stop_signals.h"

#include <unistd.h>

#include "shared/base/executor.h"
#include "shared/base/log.h"

namespace skymoor::client {
namespace {
constexpr timespec kCheck{0, 200'000'000};
constexpr int kSignalExit = 128;
/// Whoever signals a whole group reaches the supervisor as well, which passes the signal on: that is one request, not two.
constexpr auto kOneRequest = std::chrono::milliseconds(500);
}  // namespace

StopSignals::StopSignals(std::stop_source stop) {
  sigemptyset(&signals_);
  for (int number : {SIGINT, SIGTERM, SIGHUP}) sigaddset(&signals_, number);
  ::pthread_sigmask(SIG_BLOCK, &signals_, nullptr);
  thread_ = std::jthread([this, stop](std::stop_token end) {
    set_thread_name("signals");
    wait(end, stop);
  });
}

StopSignals::~StopSignals() {
  thread_.request_stop();
  thread_.join();
}

void StopSignals::wait(std::stop_token end, std::stop_source stop) {
  std::chrono::steady_clock::time_point asked;
  while (!end.stop_requested()) {
    const int number = ::sigtimedwait(&signals_, nullptr, &kCheck);
    if (number < 0) continue;
    const auto now = std::chrono::steady_clock::now();
    if (stop.stop_requested()) {
      if (now - asked < kOneRequest) continue;
      log_warn("mount.forced_to_end", {{"signal", number}});
      ::_exit(kSignalExit + number);
    }
    log_info("mount.asked_to_end", {{"signal", number}});
    asked = now;
    stop.request_stop();
  }
}

}  // namespace skymoor::client
