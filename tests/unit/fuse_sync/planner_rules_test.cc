// Rules that no content depends on, each in a schedule of few steps: what it promises comes about with it, and not without.
#include <gtest/gtest.h>

#include <functional>

#include "tests/unit/fuse_sync/three_devices.h"

namespace skymoor::client::model {
namespace {

struct Rule {
  const char* name;
  bool PlannerRules::* rule;
  std::function<bool(ThreeDevices&)> kept;   ///< plays a schedule; whether the rule's promise came about
};

InodeId in_root(ThreeDevices& all, const std::string& name) {
  return all.arbiter_.tree().slot({kRootInode, name}).value().value_or(InodeId{});
}

bool a_rename_revives(ThreeDevices& all) {
  all.unlink(all.a_, all.file_);
  all.rename(all.b_, all.file_, "g");
  all.settle();
  return in_root(all, "g") == all.file_ && !in_root(all, "f");
}

bool the_first_rename_stands(ThreeDevices& all) {
  all.rename(all.a_, all.file_, "g");
  all.rename(all.b_, all.file_, "h");
  all.settle();
  return in_root(all, "g") == all.file_ && !in_root(all, "h") && all.names_with(1) == 1;
}

bool a_create_revives_its_directory(ThreeDevices& all) {
  const InodeId directory = all.make(all.a_, kRootInode, "d");
  all.settle();
  const Place at = all.place(all.a_, directory);
  all.author(all.a_, RmdirIntent{at.directory, at.name, directory});
  const InodeId made = all.create(all.b_, directory, "x", 2);
  all.settle();
  return in_root(all, "d") == directory && all.arbiter_.tree().slot({directory, "x"}).value() == made;
}

bool directories_of_one_name_are_one(ThreeDevices& all) {
  const InodeId one = all.make(all.a_, kRootInode, "d"), other = all.make(all.b_, kRootInode, "d");
  all.create(all.a_, one, "x", 2);
  all.create(all.b_, other, "y", 3);
  all.settle();
  auto& tree = all.arbiter_.tree();
  return all.conflict_names() == 0 && tree.children(kRootInode, 10).value().size() == 2 &&
         tree.children(in_root(all, "d"), 10).value() == std::vector<std::string>{"x", "y"};
}

bool equal_files_are_one(ThreeDevices& all) {
  all.create(all.a_, kRootInode, "n", 2);
  all.create(all.b_, kRootInode, "n", 2);
  all.write(all.a_, 3);
  all.write(all.c_, 3);
  all.settle();
  return all.conflict_names() == 0 && all.names_with(2) == 1 && all.names_with(3) == 1;
}

/// Nobody else's copy has it, so the name that a user was shown stays.
bool a_copy_keeps_the_name_it_was_shown_with(ThreeDevices& all) {
  all.write(all.a_, 2);
  const InodeId of_b = all.write(all.b_, 3), of_c = all.write(all.c_, 4);
  all.a_.push(1, false);
  all.b_.pull();
  all.c_.pull();
  const Place shown = all.place(all.c_, of_c), other = all.place(all.b_, of_b);
  all.settle();
  return shown != other && all.place(all.c_, of_c) == shown && all.names_with(3) == 1 && all.names_with(4) == 1;
}

bool fields_are_kept_apart(ThreeDevices& all) {
  InodeRow row = all.row(all.a_, all.file_);
  row.attributes.mode = 0600;
  all.author(all.a_, AttributeIntent{all.file_, kFieldMode}, row);
  row = all.row(all.b_, all.file_);
  row.attributes.uid = 1001;
  all.author(all.b_, AttributeIntent{all.file_, kFieldUid}, row);
  all.a_.push(1, false);
  all.b_.pull();
  all.settle();
  const Attributes now = all.arbiter_.tree().node(all.file_).value()->attributes;
  return now.mode == 0600 && now.uid == 1001;
}

class PlannerRulesTest : public testing::TestWithParam<Rule> {};

TEST_P(PlannerRulesTest, IsKeptAndIsNeeded) {
  // Of one name: that two devices differ in theirs must not matter.
  constexpr std::array<const char*, 3> kNames = {"laptop", "laptop", "laptop"};
  ThreeDevices whole({}, kNames);
  EXPECT_TRUE(GetParam().kept(whole));
  PlannerRules rules;
  rules.*GetParam().rule = false;
  bool kept = false;
  try {
    ThreeDevices without(rules, kNames);
    kept = GetParam().kept(without);
  } catch (const Violation&) {
  }
  EXPECT_FALSE(kept) << GetParam().name << " may be left out and nothing notices";
}

INSTANTIATE_TEST_SUITE_P(
    Rules, PlannerRulesTest,
    testing::Values(Rule{"RenameRevivesDeleted", &PlannerRules::rename_revives_deleted, a_rename_revives},
                    Rule{"FirstRenameWins", &PlannerRules::first_rename_wins, the_first_rename_stands},
                    Rule{"CreateRevivesDirectory", &PlannerRules::create_revives_directory, a_create_revives_its_directory},
                    Rule{"DirectoriesMerge", &PlannerRules::directories_merge, directories_of_one_name_are_one},
                    Rule{"EqualContentsMerge", &PlannerRules::equal_contents_merge, equal_files_are_one},
                    Rule{"ConflictNamesAreEachRecordsOwn", &PlannerRules::conflict_names_are_each_records_own,
                         a_copy_keeps_the_name_it_was_shown_with},
                    Rule{"AttributesGoByField", &PlannerRules::attributes_go_by_field, fields_are_kept_apart}),
    [](const auto& rule) { return std::string(rule.param.name); });

}  // namespace
}  // namespace skymoor::client::model
