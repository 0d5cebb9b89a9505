#include <malloc.h>

#include <cstdio>
#include <exception>

#include "fuse/app/commands/commands.h"

namespace {

/// Many threads take chunks of up to 4 MiB, and each arena keeps what its threads give back: two arenas are enough for
/// the work, and what they hold beyond 16 MiB goes back to the system. Source: man 3 mallopt.
void keep_memory_small() {
  ::mallopt(M_MMAP_THRESHOLD, 8 << 20);
  ::mallopt(M_TRIM_THRESHOLD, 16 << 20);
  ::mallopt(M_ARENA_MAX, 2);
}

}  // namespace

int main(int argc, char** argv) {
  keep_memory_small();
  try {
    return skymoor::client::run_program(argv[0] ? argv[0] : "skymoor", {argv + std::min(argc, 1), argv + argc});
  } catch (const std::exception& e) {
    std::fprintf(stderr, "skymoor: internal error: %s\n", e.what());
    return 1;
  }
}
