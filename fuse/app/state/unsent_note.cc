#include "fuse/app/state/unsent_note.h"

#include <fcntl.h>
#include <sys/file.h>

#include <algorithm>

#include "fuse/app/state/volume_file.h"
#include "shared/base/settings.h"
#include "shared/protocol/json_fields.h"

namespace skymoor::client {
namespace {

constexpr std::size_t kMaxNoteBytes = 4096;

/// Whether a process has the volume's lock (lock_directory); takes it from nobody. Source: man 2 flock.
bool is_open(const std::string& directory) {
  const UniqueFd lock(::open((directory + "/lock").c_str(), O_RDONLY | O_CLOEXEC));
  return lock && ::flock(lock.get(), LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
}

}  // namespace

Status write_unsent_note(Disk& disk, const StatePaths& paths, const VolumeId& id, const UnsentChanges& unsent) {
  const std::string text = protocol::dump({{"changes", unsent.changes}, {"files", unsent.files}, {"bytes", unsent.bytes}});
  auto file = TRY(disk.open(paths.unsent_note(id), {.create = true}));
  TRY(file->truncate(0));
  return file->write_at(0, as_bytes(text));
}

Status remove_unsent_note(Disk& disk, const StatePaths& paths, const VolumeId& id) {
  const std::string path = paths.unsent_note(id);
  if (!disk.exists(path)) return {};
  TRY(disk.unlink(path));
  return disk.sync_directory(paths.volume(id));   // or a power cut brings back a number that is too low
}

std::optional<UnsentChanges> read_unsent_note(Disk& disk, const StatePaths& paths, const VolumeId& id) {
  const auto bytes = read_file(disk, paths.unsent_note(id), kMaxNoteBytes);
  if (!bytes.ok()) return std::nullopt;
  const auto json = protocol::parse_object(*bytes);
  if (!json.ok()) return std::nullopt;
  protocol::FieldReader in(*json, "");
  UnsentChanges unsent{in.number("changes", UINT64_MAX), in.number("files", UINT64_MAX), in.number("bytes", UINT64_MAX)};
  return in.finish().ok() ? std::optional(unsent) : std::nullopt;
}

Result<std::vector<UnmountedVolume>> unmounted_volumes(Disk& disk, const StatePaths& paths, bool ours) {
  std::vector<UnmountedVolume> found;
  if (!disk.exists(paths.volumes())) return found;
  for (const std::string& name : TRY(disk.list(paths.volumes()))) {
    const auto id = VolumeId::from_hex(name);
    if (!id.ok() || !disk.exists(paths.metadata(*id))) continue;
    if (!ours && is_open(paths.volume(*id))) continue;
    const auto volume = load_volume(disk, paths, *id);
    found.push_back({volume.ok() ? volume->label : name, *id, read_unsent_note(disk, paths, *id)});
  }
  std::sort(found.begin(), found.end(), [](const auto& a, const auto& b) { return a.label < b.label; });
  return found;
}

std::string describe_unsent(const UnsentChanges& unsent) {
  if (unsent.changes == 0) return "nothing";
  return format_count(unsent.changes, "change", "changes") + " (" + format_count(unsent.files, "file", "files") + ", " + format_bytes(unsent.bytes) + ")";
}

std::string describe_unsent(const UnmountedVolume& volume) {
  const std::string who = "volume '" + volume.label + "', not mounted: ";
  if (!volume.unsent) return who + "what it has not sent is known when it is mounted again";
  if (volume.unsent->changes == 0) return {};
  return who + describe_unsent(*volume.unsent) + " not sent yet, " + (volume.unsent->changes == 1 ? "goes" : "go") +
         " up when it is mounted again";
}

}  // namespace skymoor::client
