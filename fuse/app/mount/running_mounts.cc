#include "fuse/app/mount/running_mounts.h"

#include "fuse/app/mount/mount_control.h"
#include "shared/protocol/json_fields.h"

namespace skymoor::client {
namespace {

constexpr std::chrono::seconds kPatience{5};

Result<RunningMount> ask(const std::string& directory) {
  RunningMount mount;
  mount.directory = directory;
  const std::string answer = TRY(control_call(directory, status_request(), kPatience));
  mount.status_json = TRY(read_control_answer(answer));
  const auto json = TRY(protocol::parse_object(as_bytes(mount.status_json)));
  protocol::FieldReader in(json, "");
  mount.volume = in.text("volume", 1024);
  mount.mount_point = in.text("mount_point", 65536);
  mount.pid = static_cast<int>(in.number("pid", INT32_MAX));
  mount.online = in.flag("online", false);
  mount.stopped = in.flag("stopped", false);
  mount.attached = in.flag("attached", true);
  if (json.contains("pending") && json["pending"].is_object()) mount.unsent = json["pending"].value("records", std::uint64_t{0});
  if (json.contains("supervisor") && json["supervisor"].is_object())
    mount.supervisor = json["supervisor"].value("pid", 0);
  TRY(in.finish());
  return mount;
}

}  // namespace

Result<std::vector<RunningMount>> running_mounts(Disk& disk, const StatePaths& paths,
                                                 std::vector<std::string>* silent) {
  std::vector<RunningMount> mounts;
  if (!disk.exists(paths.volumes())) return mounts;
  for (const std::string& name : TRY(disk.list(paths.volumes()))) {
    const std::string directory = paths.volumes() + "/" + name;
    if (!VolumeId::from_hex(name).ok() || !disk.exists(directory + "/" + kControlSocket)) continue;
    auto mount = ask(directory);
    if (mount.ok())
      mounts.push_back(std::move(*mount));
    else if (silent && mount.error().code() != Code::kNotFound)
      silent->push_back(directory + ": " + mount.error().message());
  }
  return mounts;
}

Result<std::vector<ForeignMount>> foreign_mounts(const std::vector<RunningMount>& running) {
  std::vector<ForeignMount> found;
  for (const MountEntry& entry : TRY(read_mount_table())) {
    const bool ours = std::any_of(running.begin(), running.end(), [&](const RunningMount& mount) {
      return mount.attached && mount.mount_point == entry.mount_point;
    });
    if (entry.type == kMountType && !ours) found.push_back({entry, state_of_mount(entry.mount_point)});
  }
  return found;
}

Result<std::vector<MountEntry>> dead_mounts(Disk& disk, const StatePaths& paths, const std::vector<RunningMount>& running) {
  constexpr std::size_t kLongestPath = 65536;
  std::vector<MountEntry> dead;
  if (!disk.exists(paths.volumes())) return dead;
  const auto table = TRY(read_mount_table());
  for (const std::string& name : TRY(disk.list(paths.volumes()))) {
    const auto id = VolumeId::from_hex(name);
    const bool serves = std::any_of(running.begin(), running.end(), [&](const RunningMount& mount) {
      return mount.directory == paths.volumes() + "/" + name;
    });
    if (!id.ok() || serves || !disk.exists(paths.mount_note(*id))) continue;
    const Bytes note = TRY(read_file(disk, paths.mount_note(*id), kLongestPath));
    const MountEntry* entry = mount_noted(table, as_text(note));
    if (entry && state_of_mount(entry->mount_point) == MountState::kDead) dead.push_back(*entry);
  }
  return dead;
}

Status require_unmounted(Disk& disk, const StatePaths& paths) {
  std::vector<std::string> silent;
  const auto mounts = TRY(running_mounts(disk, paths, &silent));
  if (!mounts.empty())
    return Error(Code::kBusy, "volume '" + mounts.front().volume + "' is mounted on " + mounts.front().mount_point +
                                  ": 'skymoor umount " + mounts.front().mount_point + "' first");
  if (!silent.empty()) return Error(Code::kBusy, "a mount does not answer: " + silent.front());
  return {};
}

Result<RunningMount> find_running_mount(Disk& disk, const StatePaths& paths, const std::string& path) {
  const std::string full = absolute_mount_point(path);
  const auto table = TRY(read_mount_table());
  const MountEntry* entry = mount_holding(table, full);
  if (!entry || entry->type != kMountType)
    return Error(Code::kNotFound, full + " is not in a mounted volume ('skymoor status' lists them)");
  auto mounts = TRY(running_mounts(disk, paths));
  for (RunningMount& mount : mounts)
    if (mount.attached && mount.mount_point == entry->mount_point) return std::move(mount);
  const auto dead = TRY(dead_mounts(disk, paths, mounts));
  for (const MountEntry& mount : dead)
    if (mount.mount_point == entry->mount_point)
      return Error(Code::kNotFound, mount.mount_point + ": its process has died; 'skymoor umount " + mount.mount_point +
                                        "' clears it, mounting again goes on");
  return Error(Code::kNotFound, entry->mount_point +
                                    " is a skymoor mount, but none of this state directory's that answers: give the "
                                    "--state-dir it was mounted with; if its process has died, 'skymoor umount' clears it");
}

Result<RunningMount> find_process_of(Disk& disk, const StatePaths& paths, const std::string& path) {
  auto found = find_running_mount(disk, paths, path);
  if (found.ok()) return found;
  const std::string full = absolute_mount_point(path);
  for (RunningMount& mount : TRY(running_mounts(disk, paths)))
    if (!mount.attached && mount.mount_point == full) return std::move(mount);
  return found;
}

}  // namespace skymoor::client
