// The steps of the arbiter, in the order in which they run. Private to this folder.
#pragma once
#include "backend-server/services/commit/arbiter.h"
#include "backend-server/services/commit/working_tree.h"

namespace skymoor::server {

/// What all steps share.
struct CommitContext {
  Tables& tables;
  const IncomingCommit& incoming;
  const VolumeRow& volume;
  WorkingTree& tree;

  const Commit& commit() const { return incoming.commit; }
  Sequence next() const { return Sequence{volume.state.head.value + 1}; }
  /// The commit does not fit the tree. Where the device had not seen the newest tree, it may fit once it has: Conflict.
  /// Where it had, no retry helps: Unprocessable.
  Error misfit(std::string what) const {
    return Error(commit().base < volume.state.head ? Code::kConflict : Code::kUnprocessable, std::move(what));
  }
};

inline Error unprocessable(std::string what) { return Error(Code::kUnprocessable, std::move(what)); }

/// Epoch, base, chain and writer's prefix. Errors: Resync, Unprocessable.
Status check_origin(const CommitContext& context);
/// No object that the device read has changed after its base. Errors: Conflict.
Status check_reads(const CommitContext& context);
/// Runs the effects one after the other on the working tree. Errors: Unprocessable, Conflict.
Status apply_effects(const CommitContext& context);
/// Rules that hold for the tree as the whole commit leaves it: links in live directories, removed directories empty, no
/// cycle, no edit of what stays dead. Errors: Unprocessable, Conflict.
Status check_result(const CommitContext& context);
/// Every block that is put is stored in this volume. Errors: BlockMissing, naming some.
Status check_blocks(const CommitContext& context);
/// Writes what changed, and returns the volume's new state without head and hash. Errors: QuotaExceeded, Unprocessable.
Result<VolumeState> write_tree(const CommitContext& context);

}  // namespace skymoor::server
