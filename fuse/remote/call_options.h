// What every call to the server is bounded by.
#pragma once
#include <chrono>
#include <stop_token>

namespace skymoor::client {

/// What a call's time is for. kWhileItMoves: for each silence; as long as bytes come or go, a call may take what its size
/// takes on the slowest line that the server bears (4 KiB/s). For work that nobody waits for: on a slow line a large
/// commit or page would never come through within a fixed time.
enum class Patience : std::uint8_t { kWholeCall, kWhileItMoves };

struct CallOptions {
  std::chrono::milliseconds timeout{30000};  ///< see `patience`
  std::stop_token stop;                      ///< asked: the call ends with Cancelled at once
  Patience patience = Patience::kWholeCall;
};

}  // namespace skymoor::client
