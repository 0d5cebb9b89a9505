// Flight: something that is on its way from the server, once for all who want it.
#pragma once
#include <new>

#include "shared/base/must_finish.h"

namespace skymoor::client {

/// Guarded by its owner's mutex.
struct Flight {
  bool done = false;
  int waiters = 0;   ///< those who wait, or are about to; too many where memory ran out, which keeps a request that nobody wants
  Status outcome;    ///< once it is done

  /// Where there is no memory for an error's text its code has to do.
  void land(const Status& how) {
    done = true;
    try {
      outcome = how;
    } catch (const std::bad_alloc& e) {
      outcome = error_of(e);
    }
  }
};

}  // namespace skymoor::client
