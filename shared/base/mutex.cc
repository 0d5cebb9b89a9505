#include "shared/base/mutex.h"

#include <cstdio>
#include <cstdlib>
#include <vector>

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
