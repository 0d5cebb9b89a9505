// Whole devices under virtual time: real planner, journal, cache, uploader and downloader on a disk that can lose power,
// over a network that loses, repeats, delays and reorders, against the server in memory.
#pragma once
#include <cstdint>
#include <string>

namespace skymoor::client::model {

struct SimulationOptions {
  std::uint64_t seed = 0;
  int steps = 120;
  bool tell = false;       ///< every step to standard error
};
struct SimulationOutcome {
  std::string history;     ///< what the devices did and what the server took, in words: equal for equal seeds
  std::string wrong;       ///< empty: all devices and a fresh one equal the server, and nothing is lost
  int power_cuts = 0, lost = 0, repeated = 0, delayed = 0, commits = 0, conflicts = 0, fsynced = 0;
};
/// One schedule in `directory`, which must be empty. One thread drives everything.
SimulationOutcome simulate(const SimulationOptions& options, const std::string& directory);

}  // namespace skymoor::client::model
