#include "fuse/app/host/stop_signals.h"

#include <unistd.h>

#include "shared/base/executor.h"
#include "shared/base/log.h"

namespace skymoor::client {
namespace {
constexpr timespec kCheck{0, 200'000'000};
constexpr int kSignalExit = 128;
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
  while (!end.stop_requested()) {
    const int number = ::sigtimedwait(&signals_, nullptr, &kCheck);
    if (number < 0) continue;
    if (stop.stop_requested()) {
      log_warn("mount.forced_to_end", {{"signal", number}});
      ::_exit(kSignalExit + number);
    }
    log_info("mount.asked_to_end", {{"signal", number}});
    stop.request_stop();
  }
}

}  // namespace skymoor::client
