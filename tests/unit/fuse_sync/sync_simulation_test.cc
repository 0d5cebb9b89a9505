// Whole devices under virtual time: nothing that was fsynced is lost, all become one, and a seed tells one story only.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <iostream>

#include "shared/base/log.h"
#include "tests/model/engine_simulation.h"
#include "tests/support/seeds.h"

namespace skymoor::client::model {
namespace {

SimulationOutcome once(std::uint64_t seed) {
  skymoor::testing::TempDir directory;
  return simulate({.seed = seed, .tell = skymoor::testing::traced()}, directory.path());
}

TEST(SyncSimulation, NothingIsLostAndEverySeedTellsOneStory) {
  if (skymoor::testing::traced()) (void)configure_log({.level = "debug", .file = "", .json = false});
  const std::uint64_t first = skymoor::testing::first_seed(), count = skymoor::testing::seeds(12);
  SimulationOutcome all;
  for (std::uint64_t seed = first; seed < first + count; ++seed) {
    const SimulationOutcome outcome = once(seed);
    EXPECT_EQ(outcome.wrong, "") << "seed " << seed;
    if (HasFailure()) break;
    EXPECT_TRUE(once(seed).history == outcome.history) << "seed " << seed << " went two ways";
    all.power_cuts += outcome.power_cuts;
    all.lost += outcome.lost;
    all.repeated += outcome.repeated;
    all.delayed += outcome.delayed;
    all.commits += outcome.commits;
    all.conflicts += outcome.conflicts;
    all.fsynced += outcome.fsynced;
  }
  std::cout << all.commits << " commits, " << all.fsynced << " contents fsynced, " << all.conflicts << " conflict names, "
            << all.power_cuts << " power cuts, " << all.lost << " messages lost, " << all.repeated << " repeated, "
            << all.delayed << " delayed\n";
  if (count < 12 || HasFailure()) return;
  EXPECT_GT(std::min({all.power_cuts, all.lost, all.repeated, all.delayed, all.conflicts, all.fsynced}), 0)
      << "a fault that never happens proves nothing";
}

}  // namespace
}  // namespace skymoor::client::model
