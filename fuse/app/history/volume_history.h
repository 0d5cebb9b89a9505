// VolumeHistory: replaced versions and deleted entries of a mounted volume, opened with the volume's keys.
#pragma once
#include <sys/stat.h>

#include <map>
#include <optional>

#include "fuse/app/commands/commands.h"
#include "fuse/app/mount/running_mounts.h"
#include "fuse/app/state/volume_file.h"
#include "fuse/remote/history_remote.h"
#include "fuse/remote/http_volume_remote.h"
#include "fuse/sync/download/block_reader.h"

namespace skymoor::client {

/// A path in a mount, also one that is not there any more.
struct HistoryPlace {
  std::string path;              ///< absolute
  InodeId directory;             ///< that holds, or held, the name; may be deleted itself
  std::string name;              ///< empty: the mount's root
  std::optional<struct stat> now;
};

/// A content that stood at a path: of the file that is there, or of one that was deleted from there or replaced.
struct PathVersion {
  std::string id;                ///< what people name it by: the sequence, and the inode where one sequence has two
  InodeRecord inode;
  VersionRecord record;
  std::string device;            ///< its name; empty: not known
  bool current = false;          ///< it is what the server has at the path now
  std::optional<Timestamp> deleted;   ///< when its file lost the name
};

struct DeletedEntry {
  std::string name;
  Timestamp time{};
  Sequence sequence;
  InodeRecord inode;
};

/// For one command: one thread. Asks the server; keeps nothing. Errors of all that ask: those of the remote, among them
/// Offline; Corrupt when something does not open with the volume's key.
class VolumeHistory {
 public:
  /// Errors: NotFound (`path` is in no mount of this state directory), Unauthenticated.
  static Result<std::unique_ptr<VolumeHistory>> open(CommandContext& context, const std::string& path);
  ~VolumeHistory();

  const RunningMount& mount() const { return mount_; }
  const LocalVolume& volume() const { return volume_; }
  const crypto::VolumeCipher& cipher() const { return *cipher_; }

  /// Follows what is there, and behind it what was deleted last under each name. Errors: NotFound.
  Result<HistoryPlace> find(const std::string& path);
  /// Newest first. Empty: there is no content at the server. `more`: older files of that name were left out.
  Result<std::vector<PathVersion>> versions(const HistoryPlace& place, bool* more = nullptr);
  /// Of one file, newest first.
  Result<std::vector<VersionRecord>> versions_of(InodeId inode, InodeRecord* record = nullptr);
  /// What was deleted from a directory, newest first; `name` not empty: only under that name. At most kMaxListed;
  /// `more` when there are others.
  Result<std::vector<DeletedEntry>> deleted(InodeId directory, std::string_view name = {}, bool* more = nullptr);
  /// Writes a version's bytes into an empty file, holes as holes.
  Status write_content(InodeId inode, const VersionRecord& version, int fd);

  static constexpr std::size_t kMaxListed = 100'000;

 private:
  VolumeHistory(CommandContext& context, RunningMount mount);
  Status load_device_names();

  // Constant after open.
  CommandContext& context_;
  RunningMount mount_;
  LocalVolume volume_;
  LoggedIn login_;
  std::unique_ptr<HistoryRemote> remote_;
  std::unique_ptr<HttpVolumeRemote> blocks_remote_;
  std::unique_ptr<crypto::VolumeCipher> cipher_;
  std::map<DeviceId, std::string> device_names_;
  // What a block reader stands on.
  Throttle throttle_;
  Progress progress_;
  Connection connection_;
  std::unique_ptr<BlockReader> blocks_;
};

/// "2026-03-01T12:00:00Z" as commands show it; "2026-03-01", "2026-03-01 12:00[:00]" in local time; or an age like "2h".
/// Errors: InvalidArgument.
Result<Timestamp> parse_point_in_time(const std::string& text, Timestamp now);

}  // namespace skymoor::client
