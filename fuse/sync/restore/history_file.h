// HistoryFile: chain hashes that this device has seen, to find where another history leaves the one known here.
#pragma once
#include <map>
#include <memory>

#include "shared/base/file.h"
#include "shared/base/ids.h"

namespace skymoor::client {

/// The newest `kDense` hashes without gaps, older ones in steps of `kStep`. Format: RESTORE.md.
///
/// Used by the sync thread alone. Without a disk it lives in memory only. Durability: none is promised; entries that a
/// power cut takes make the place where histories part less exact, never wrong. Failure: a file that cannot be read or
/// written is begun anew.
class HistoryFile {
 public:
  static constexpr std::uint64_t kDense = 8192, kStep = 1024;
  HistoryFile(Disk* disk, const std::string& directory);

  /// The hash at a sequence; sequences only grow, but for `cut`.
  void note(Sequence sequence, const Hash256& hash);
  /// What came after `sequence` was of a history that counts no more.
  void cut(Sequence sequence);
  const std::map<Sequence, Hash256>& hashes() const { return hashes_; }

 private:
  void load();
  void rewrite();
  void thin_out();

  Disk* const disk_;
  const std::string path_;
  std::unique_ptr<File> file_;
  std::uint64_t end_ = 0;        ///< of the file
  std::map<Sequence, Hash256> hashes_;
};

}  // namespace skymoor::client
