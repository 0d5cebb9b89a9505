#include "shared/base/clock.h"

#include <sys/random.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <ctime>

namespace skymoor {

Timestamp SystemClock::now() const {
  timespec ts;
  clock_gettime(CLOCK_REALTIME, &ts);
  return Timestamp{std::chrono::seconds{ts.tv_sec} + std::chrono::nanoseconds{ts.tv_nsec}};
}

Instant SystemClock::monotonic() const { return Instant{std::chrono::steady_clock::now().time_since_epoch()}; }

void SystemRandom::fill(std::span<std::uint8_t> out) {
  while (!out.empty()) {
    ssize_t n = getrandom(out.data(), out.size(), 0);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) std::abort();  // no entropy, no keys: nothing sensible can follow
    out = out.subspan(static_cast<std::size_t>(n));
  }
}

}  // namespace skymoor
