// Time and randomness behind interfaces, so that whole engines run under simulated ones.
#pragma once
#include <chrono>
#include <cstdint>
#include <span>

namespace skymoor {

/// Nanoseconds since 1970-01-01 UTC; negative before. Covers the years 1678 to 2262.
using Timestamp = std::chrono::sys_time<std::chrono::nanoseconds>;
/// A monotonic instant, for deadlines and pauses.
using Instant = std::chrono::time_point<std::chrono::steady_clock, std::chrono::nanoseconds>;

/// Thread-safe.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual Timestamp now() const = 0;
  virtual Instant monotonic() const = 0;
};

/// The machine's clocks.
class SystemClock final : public Clock {
 public:
  Timestamp now() const override;
  Instant monotonic() const override;
};

/// Source of unpredictable bytes. Thread-safe.
class Random {
 public:
  virtual ~Random() = default;
  virtual void fill(std::span<std::uint8_t> out) = 0;
  std::uint64_t u64() {
    std::uint64_t v;
    fill({reinterpret_cast<std::uint8_t*>(&v), sizeof v});
    return v;
  }
};

/// getrandom(2). Source: man 2 getrandom.
class SystemRandom final : public Random {
 public:
  void fill(std::span<std::uint8_t> out) override;
};

}  // namespace skymoor
