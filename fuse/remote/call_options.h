// What every call to the server is bounded by.
#pragma once
#include <chrono>
#include <stop_token>

namespace skymoor::client {

struct CallOptions {
  std::chrono::milliseconds timeout{30000};  ///< for the whole call
  std::stop_token stop;                      ///< asked: the call ends with Cancelled at once
};

}  // namespace skymoor::client
