// How often what was broken, for a soak to add up: lines "COUNT WHAT" in the file that SKYMOOR_TALLY names, if it names one.
#pragma once
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <string>

namespace skymoor::testing {

/// `what` as in tests/support/night.txt. One write a line, so that tests may run beside each other.
inline void tally(const std::string& what, std::uint64_t count = 1) {
  if (const char* path = std::getenv("SKYMOOR_TALLY")) std::ofstream(path, std::ios::app) << std::to_string(count) + " " + what + "\n" << std::flush;
}

}  // namespace skymoor::testing
