#include "backend-server/app/signals.h"

#include <pthread.h>
#include <signal.h>
#include <unistd.h>

namespace skymoor::server {
namespace {

sigset_t stop_signals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGTERM);
  return set;
}

}  // namespace

StopSignals::StopSignals() {
  sigset_t set = stop_signals();
  sigaddset(&set, SIGPIPE);
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
}

int StopSignals::wait() {
  sigset_t set = stop_signals();
  int signal = 0;
  while (sigwait(&set, &signal) != 0) {}
  return signal;
}

void StopSignals::force_on_next() {
  watcher_ = std::jthread([](const std::stop_token& stop) {
    sigset_t set = stop_signals();
    while (!stop.stop_requested()) {
      timespec pause{0, 100'000'000};
      if (sigtimedwait(&set, nullptr, &pause) > 0) _exit(1);
    }
  });
}

}  // namespace skymoor::server
