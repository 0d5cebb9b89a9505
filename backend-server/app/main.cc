#include <malloc.h>

#include "backend-server/app/commands.h"

namespace {

/// Packs are 8 MiB and come many a second. By default each would be mapped and unmapped, and its 2,000 page faults cost
/// more than decrypting it: here freed memory of that size stays with the process, up to 64 MiB an arena.
/// Source: man 3 mallopt.
void keep_large_buffers() {
  ::mallopt(M_MMAP_THRESHOLD, 32 << 20);
  ::mallopt(M_TRIM_THRESHOLD, 64 << 20);
  ::mallopt(M_ARENA_MAX, 4);
}

}  // namespace

int main(int argc, char** argv) {
  keep_large_buffers();
  return skymoor::server::run_command_line(argc, argv);
}
