// MetadataCheck: everything in metadata.db against everything else in it, for `skymoord fsck`.
#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "shared/base/clock.h"
#include "shared/base/ids.h"

namespace skymoor::server {

/// One thing that is wrong. Only what can be counted anew from rows that are right is repaired: counts and sums. Nothing
/// that names data is ever removed or emptied.
struct Finding {
  std::string what;           ///< one line, naming volume and object
  bool repairable = false;
  bool repaired = false;
};

struct MetadataReport {
  std::uint64_t volumes = 0, inodes = 0, versions = 0, commits = 0, blocks = 0;   ///< looked at
  std::vector<Finding> findings;      ///< at most kMaxFindings
  std::uint64_t more_findings = 0;    ///< beyond those
  static constexpr std::size_t kMaxFindings = 1000;
};

/// What a volume's versions name.
struct NamedBlock {
  VolumeId volume;
  BlockId block;
  std::uint32_t stored_bytes = 0;
  std::uint64_t references = 0;
};

/// For one thread, with no server on the same data: the caller holds the directory's lock. Memory stays bounded; what has
/// to be gathered goes to SQLite's temporary files. Failure: an error leaves the database as it was.
class MetadataCheck {
 public:
  virtual ~MetadataCheck() = default;
  /// `repair`: also puts right what can be, in one transaction. Errors: Io, Corrupt (it cannot even be read), NoSpace.
  virtual Result<MetadataReport> run(bool repair) = 0;
  /// Every block that a volume holds, in order of volume and id.
  virtual Status visit_blocks(const std::function<Status(const NamedBlock&)>& visit) = 0;
  virtual Result<std::optional<NamedBlock>> find_block(const VolumeId& volume, const BlockId& block) = 0;
};

/// Errors: NotFound, Corrupt (not a database, of another version), Io.
Result<std::unique_ptr<MetadataCheck>> open_sqlite_metadata_check(const std::string& file);

}  // namespace skymoor::server
