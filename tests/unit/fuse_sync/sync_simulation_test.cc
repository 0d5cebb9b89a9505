// The whole engine under virtual time: nothing that was fsynced or acknowledged is lost, all become one, and a seed tells
// one story only.
#include <gtest/gtest.h>

#include <iostream>

#include "shared/base/log.h"
#include "tests/model/engine_simulation.h"
#include "tests/support/seeds.h"
#include "tests/support/tally.h"

namespace skymoor::client::model {
namespace {

constexpr std::uint64_t kUsual = 16;

SimulationOutcome once(std::uint64_t seed) {
  skymoor::testing::TempDir directory;
  return simulate({.seed = seed, .tell = skymoor::testing::traced()}, directory.path());
}

TEST(SyncSimulation, NothingIsLostAndEverySeedTellsOneStory) {
  // A server that is killed every few steps has warnings to tell.
  (void)configure_log({.level = skymoor::testing::traced() ? "debug" : "error", .file = "", .json = false});
  const std::uint64_t first = skymoor::testing::first_seed(), count = skymoor::testing::seeds(kUsual);
  SimulationOutcome all;
  for (std::uint64_t seed = first; seed < first + count; ++seed) {
    const SimulationOutcome outcome = once(seed);
    EXPECT_EQ(outcome.wrong, "") << "seed " << seed;
    if (HasFailure()) break;
    EXPECT_TRUE(once(seed).history == outcome.history) << "seed " << seed << " went two ways";
    all.add(outcome);
  }
  std::cout << all.summary() << "\n";
  const auto told = [](const char* what, int times) { skymoor::testing::tally(what, static_cast<std::uint64_t>(times)); };
  told("client lost power", all.power_cuts);
  told("server killed", all.server.kills);
  told("server lost power", all.server.power_cuts);
  told("trouble on a line", all.lost + all.repeated + all.delayed + all.overtaken);
  if (count < kUsual || HasFailure()) return;
  EXPECT_GT(all.rarest(), 0) << "a fault that never happens proves nothing";
}

}  // namespace
}  // namespace skymoor::client::model
