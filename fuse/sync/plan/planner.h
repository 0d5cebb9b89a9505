// The planner: the only place that resolves conflicts.
#pragma once
#include <string>
#include <unordered_map>
#include <vector>

#include "fuse/journal/record.h"
#include "fuse/journal/tree_effect.h"
#include "fuse/sync/plan/aliases.h"
#include "fuse/sync/plan/tree_view.h"
#include "shared/model/change.h"

namespace skymoor::client {

/// An object a plan depends on; the server refuses the commit if it has changed since. `name` for slots.
struct PlannedRead {
  ReadKind kind = ReadKind::kInode;
  InodeId inode;
  std::string name;
  friend auto operator<=>(const PlannedRead&, const PlannedRead&) = default;
};

/// "Is what the author's writes of `mine`, from this record on and each over the one before, end in the same, byte for
/// byte, as what `theirs` holds?" A plan that met such a pair without an answer in Aliases::equals went on as if they
/// differed.
struct ContentQuestion {
  InodeId mine;      ///< as the record names it
  Lsn first;         ///< the record that asks
  InodeId theirs;
  OpId their_content;
};

/// What one record comes to on the tree as it is now.
struct Plan {
  std::vector<TreeEffect> effects;          ///< in order; PutEffect::manifest is left empty
  std::vector<PlannedRead> reads;
  Aliases aliases;                          ///< entries to add
  std::vector<ContentQuestion> questions;
  std::vector<InodeId> late_births;         ///< inodes made before the records at hand (O_TMPFILE): xattrs not in them
  unsigned conflict_names = 0;
  bool dropped = false;                     ///< the intent lost, or had been met already
};

/// Switches of single rules, all on but in tests that prove that each is needed.
struct PlannerRules {
  bool edit_edit_makes_copy = true;
  bool unlink_checks_content = true;
  bool unlink_checks_last_link = true;
  bool replace_checks_content = true;
  bool replace_checks_inode = true;
  bool rmdir_checks_children = true;
  bool rmdir_reads_children = true;
  bool edit_revives_deleted = true;
  bool create_keeps_existing = true;
  bool moves_check_cycles = true;
  bool create_revives_directory = true;
  bool directories_merge = true;
  bool equal_contents_merge = true;
  bool conflict_names_are_each_records_own = true;
  bool first_rename_wins = true;
  bool rename_revives_deleted = true;
  bool attributes_go_by_field = true;
};

struct PlanContext {
  WriterId writer;
  std::string device_name;
  PlannerRules rules{};
};

/// Turns a record's intent into effects on `tree`. Pure: the same record, tree and aliases give the same plan, and none
/// of them is changed. Never drops content that its author has not seen. The rules: PLAN.md.
/// Errors: NotPresent (the tree lacks something that only the server can tell), Internal (the record is inconsistent).
Result<Plan> plan(const LogRecord& record, TreeView& tree, const Aliases& known, const PlanContext& context);

/// Questions of a run of records, each with where the writes it is about have got to.
class Questions {
 public:
  struct Open {
    ContentQuestion question;
    OpId end;        ///< the author's content as of the last record; 0: a new file that is not written
  };
  /// The next record, and what planning it asked.
  void add(const LogRecord& record, WriterId writer, const std::vector<ContentQuestion>& asked);
  const std::vector<Open>& all() const { return all_; }

 private:
  std::vector<Open> all_;
  std::unordered_map<InodeId, std::vector<std::size_t>> by_inode_;
};

}  // namespace skymoor::client
