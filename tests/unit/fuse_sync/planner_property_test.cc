// Random schedules of 2 to 5 devices: everything converges, nothing unseen is lost, the tree stays a tree.
#include <gtest/gtest.h>

#include <cstdlib>

#include "tests/model/planner_simulation.h"
#include "tests/support/seeds.h"

namespace skymoor::client::model {
namespace {

using skymoor::testing::first_seed;

std::uint64_t seeds(std::uint64_t usual) {
  return skymoor::testing::number_from("SKYMOOR_PLAN_SEEDS", skymoor::testing::seeds(usual));
}

RunOptions options_for(std::uint64_t seed) {
  std::mt19937_64 dice(seed * 7 + 1);
  RunOptions options;
  options.seed = seed;
  options.devices = 2 + static_cast<int>(dice() % 4);
  options.steps = std::array{20, 60, 120}[dice() % 3];
  options.names = std::array<const char*, 4>{"a", "ab", "abc", "abcdef"}[dice() % 4];
  return options;
}

TEST(PlannerProperty, DevicesConvergeAndNothingIsLost) {
  std::size_t commits = 0;
  int most_rounds = 0;
  unsigned names = 0;
  for (std::uint64_t seed = first_seed(); seed < first_seed() + seeds(10000); ++seed) {
    RunOptions options = options_for(seed);
    options.shuffle = seed % 4 == 0;
    options.sends_ahead = seed % 2 == 1;
    try {
      const RunOutcome outcome = run(options);
      commits += outcome.commits;
      names += outcome.conflict_names;
      most_rounds = std::max(most_rounds, outcome.rounds);
    } catch (const Violation& violation) {
      ADD_FAILURE() << "seed " << seed << ": " << violation.what();
    }
  }
  RecordProperty("commits", std::to_string(commits));
  std::cout << commits << " commits, " << names << " conflict names, at most " << most_rounds << " rounds to settle\n";
  EXPECT_GT(names, 0u) << "the schedules make no conflicts: they test nothing";
  EXPECT_LE(most_rounds, 200);
}

TEST(PlannerProperty, OneWriterNeverMakesAConflictName) {
  for (std::uint64_t seed = first_seed(); seed < first_seed() + seeds(3000); ++seed) {
    RunOptions options = options_for(seed);
    options.writers = 1;
    options.sends_ahead = seed % 2 == 1;
    try {
      EXPECT_EQ(run(options).conflict_names, 0u) << "seed " << seed;
    } catch (const Violation& violation) {
      ADD_FAILURE() << "seed " << seed << ": " << violation.what();
    }
    if (HasFailure()) break;
  }
}

/// Whether some seed shows that the rules as given are broken.
bool caught(PlannerRules rules, Arbiter::Options arbiter = {}) {
  for (std::uint64_t seed = 0; seed < 600; ++seed) {
    RunOptions options = options_for(seed);
    options.rules = rules;
    options.arbiter = arbiter;
    try {
      run(options);
    } catch (const Violation&) {
      return true;
    }
  }
  return false;
}

struct Mutant {
  const char* name;
  bool PlannerRules::* rule;
};

class PlannerMutants : public ::testing::TestWithParam<Mutant> {};

TEST_P(PlannerMutants, EachRuleIsNeeded) {
  PlannerRules rules;
  rules.*GetParam().rule = false;
  EXPECT_TRUE(caught(rules)) << GetParam().name << " may be left out and nothing notices";
}

INSTANTIATE_TEST_SUITE_P(
    Rules, PlannerMutants,
    ::testing::Values(Mutant{"EditEditMakesCopy", &PlannerRules::edit_edit_makes_copy},
                    Mutant{"UnlinkChecksContent", &PlannerRules::unlink_checks_content},
                    Mutant{"UnlinkChecksLastLink", &PlannerRules::unlink_checks_last_link},
                    Mutant{"ReplaceChecksContent", &PlannerRules::replace_checks_content},
                    Mutant{"ReplaceChecksInode", &PlannerRules::replace_checks_inode},
                    Mutant{"RmdirChecksChildren", &PlannerRules::rmdir_checks_children},
                    Mutant{"EditRevivesDeleted", &PlannerRules::edit_revives_deleted},
                    Mutant{"CreateKeepsExisting", &PlannerRules::create_keeps_existing},
                    Mutant{"RmdirReadsChildren", &PlannerRules::rmdir_reads_children},
                    Mutant{"MovesCheckCycles", &PlannerRules::moves_check_cycles},
                    Mutant{"CreateRevivesDirectory", &PlannerRules::create_revives_directory},
                    Mutant{"FirstRenameWins", &PlannerRules::first_rename_wins}),
    [](const auto& mutant) { return std::string(mutant.param.name); });

TEST(PlannerMutant, AnArbiterThatForgetsOpIdsIsCaught) {
  EXPECT_TRUE(caught({}, {.knows_op_ids = false}));
}

TEST(PlannerMutant, AnArbiterThatComparesNoVersionsIsCaught) {
  EXPECT_TRUE(caught({}, {.compares_versions = false}));
}

}  // namespace
}  // namespace skymoor::client::model
