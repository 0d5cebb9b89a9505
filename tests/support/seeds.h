// Seeds of random tests: how many and from where is for the environment to say.
#pragma once
#include <gtest/gtest.h>

#include <cstdlib>
#include <functional>
#include <iostream>
#include <vector>

#include "shared/base/log.h"
#include "tests/support/temp_dir.h"

namespace skymoor::testing {

inline std::uint64_t number_from(const char* variable, std::uint64_t usual) {
  const char* text = std::getenv(variable);
  return text ? std::strtoull(text, nullptr, 10) : usual;
}

/// SKYMOOR_SEEDS: how many; SKYMOOR_FIRST_SEED: to look at one, or to go on where another run ended; SKYMOOR_TRACE: tell all.
inline std::uint64_t seeds(std::uint64_t usual) { return number_from("SKYMOOR_SEEDS", usual); }
inline std::uint64_t first_seed() { return number_from("SKYMOOR_FIRST_SEED", 0); }
/// For INSTANTIATE_TEST_SUITE_P: as many from another first one, if there is one.
inline std::vector<int> seed_range(int begin, int end) {
  std::vector<int> all;
  for (int seed = begin; seed < end; ++seed) all.push_back(static_cast<int>(first_seed() % 1000000) + seed);
  return all;
}
inline bool traced() { return std::getenv("SKYMOOR_TRACE") != nullptr; }

/// Runs `one` for each seed in a directory of its own, up to the first that fails, which is told. An exception is a failure.
inline void for_each_seed(std::uint64_t usual, const std::function<void(std::uint64_t seed, const std::string& directory)>& one) {
  if (traced()) (void)configure_log({.level = "debug", .file = "", .json = false});
  for (std::uint64_t seed = first_seed(), end = seed + seeds(usual); seed < end; ++seed) {
    TempDir directory;
    try {
      one(seed, directory.path());
    } catch (const std::exception& e) {
      ADD_FAILURE() << e.what();
    }
    if (!::testing::Test::HasFailure()) continue;
    std::cout << "seed " << seed << "\n";
    return;
  }
}

}  // namespace skymoor::testing
