#include <cstdio>
#include <exception>

#include "fuse/app/commands/commands.h"

int main(int argc, char** argv) {
  try {
    return skymoor::client::run_program(argv[0] ? argv[0] : "skymoor", {argv + std::min(argc, 1), argv + argc});
  } catch (const std::exception& e) {
    std::fprintf(stderr, "skymoor: internal error: %s\n", e.what());
    return 1;
  }
}
