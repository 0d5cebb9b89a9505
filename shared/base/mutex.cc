#include "shared/base/mutex.h"

#include <cstdio>
#include <cstdlib>
#include <thread>
#include <vector>

namespace skymoor {

bool Mutex::try_lock_for(std::chrono::milliseconds patience) {
#ifndef NDEBUG
  lock_order::entering(rank_, name_);
#endif
  const auto deadline = std::chrono::steady_clock::now() + patience;
  while (!mutex_.try_lock()) {
    if (std::chrono::steady_clock::now() >= deadline) {
#ifndef NDEBUG
      lock_order::leaving(rank_);
#endif
      return false;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return true;
}

}  // namespace skymoor

namespace skymoor::lock_order {
namespace {

struct Held {
  LockRank rank;
  const char* name;
};
thread_local std::vector<Held> held;

}  // namespace

void entering(LockRank rank, const char* name) {
  if (!held.empty() && held.back().rank >= rank) {
    std::fprintf(stderr, "lock order broken: taking %s (rank %u) while holding %s (rank %u)\n", name, rank,
                 held.back().name, held.back().rank);
    std::abort();
  }
  held.push_back({rank, name});
}

void leaving(LockRank rank) {
  for (auto it = held.rbegin(); it != held.rend(); ++it)
    if (it->rank == rank) {
      held.erase(std::next(it).base());
      return;
    }
}

}  // namespace skymoor::lock_order
