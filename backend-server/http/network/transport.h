// Private to the room: a connected socket with or without TLS, behind callbacks. Keeps Asio out of the state machine.
#pragma once
#include <chrono>
#include <functional>
#include <span>
#include <string>

#include "shared/base/bytes.h"

namespace skymoor::server {

/// One connection's bytes. Lives on one I/O thread: every call but `post` is made there, and
/// so is every callback. At most one read and one write are under way. Callbacks hold what they need: the transport is
/// destroyed only after the last has been called or dropped.
class Transport {
 public:
  using Milliseconds = std::chrono::milliseconds;
  using Done = std::function<void(Status)>;
  using Read = std::function<void(Status, std::size_t)>;
  /// How slow a peer may be: `idle` without a byte, and `total` in all (zero: no bound).
  struct Pace {
    Milliseconds idle{0}, total{0};
  };

  virtual ~Transport() = default;
  virtual void handshake(Milliseconds timeout, Done done) = 0;
  /// At least one byte. Errors: Unavailable (closed by the peer, broken), TimedOut. No timeout when zero.
  virtual void read_some(std::span<std::uint8_t> into, Milliseconds timeout, Read read) = 0;
  /// All of `into`; with an error, as much as came.
  virtual void read_full(std::span<std::uint8_t> into, Pace pace, Read read) = 0;
  /// Both parts, one after the other; they stay alive until `done`.
  virtual void write(ByteView first, ByteView second, Pace pace, Done done) = 0;
  /// Says goodbye, then takes in and drops what the peer still sends for a short while, so that it reads our answer
  /// before it sees a reset.
  virtual void finish() = 0;
  /// Ends at once; callbacks under way report an error.
  virtual void close() = 0;
  /// Calls `task` after the time, unless closed or re-armed before.
  virtual void after(Milliseconds time, std::function<void()> task) = 0;
  /// Runs `task` on the I/O thread. From any thread.
  virtual void post(std::function<void()> task) = 0;
  virtual const std::string& remote_address() const = 0;
};

}  // namespace skymoor::server
