#include "fuse/app/state/volume_file.h"

#include "fuse/app/state/state_file.h"

namespace skymoor::client {
namespace {

constexpr std::uint64_t kAnyNumber = INT64_MAX;

Result<LocalVolume> parse(const protocol::Json& json, const std::string& path) {
  protocol::FieldReader in(json, "");
  LocalVolume volume;
  volume.id = in.hex_id<VolumeId>("id");
  volume.label = in.text("label", 255, 1);
  volume.role = static_cast<protocol::Role>(1 + in.choice("role", {"reader", "writer", "owner"}));
  volume.device = in.hex_id<DeviceId>("device");
  volume.writer = WriterId{static_cast<std::uint32_t>(in.number("writer", 0xffffff))};
  volume.key.volume = volume.id;
  volume.key.epoch = static_cast<std::uint32_t>(in.number("key_epoch", UINT32_MAX));
  volume.key.seed = crypto::SecretBytes::adopt(in.bytes("key_seed", 32));
  volume.quota_bytes = in.number("quota_bytes", kAnyNumber);
  volume.stored_bytes = in.number("stored_bytes", kAnyNumber);
  volume.free_bytes = in.number("free_bytes", kAnyNumber);
  if (Status read = in.finish(); !read.ok()) return damaged_state_file(path, read.error());
  return volume;
}

}  // namespace

LocalVolume LocalVolume::clone() const {
  return {id, label, role, device, writer, key.clone(), quota_bytes, stored_bytes, free_bytes};
}

Result<LocalVolume> load_volume(Disk& disk, const StatePaths& paths, const VolumeId& id) {
  const std::string path = paths.volume_file(id);
  const auto json = TRY(read_state_file(disk, path, "volume"));
  LocalVolume volume = TRY(parse(json, path));
  if (volume.id != id) return damaged_state_file(path, Error(Code::kCorrupt, "it is another volume's"));
  return volume;
}

Status save_volume(Disk& disk, const StatePaths& paths, const LocalVolume& volume) {
  static constexpr const char* kRoles[] = {"reader", "writer", "owner"};
  TRY(make_private_directory(disk, paths.volume(volume.id)));
  return write_state_file(disk, paths.volume_file(volume.id), "volume",
                          {{"id", volume.id.hex()},
                           {"label", volume.label},
                           {"role", kRoles[static_cast<int>(volume.role) - 1]},
                           {"device", volume.device.hex()},
                           {"writer", volume.writer.value},
                           {"key_epoch", volume.key.epoch},
                           {"key_seed", protocol::base64(volume.key.seed.view())},
                           {"quota_bytes", std::min(volume.quota_bytes, kAnyNumber)},
                           {"stored_bytes", std::min(volume.stored_bytes, kAnyNumber)},
                           {"free_bytes", std::min(volume.free_bytes, kAnyNumber)}});
}

Result<std::vector<LocalVolume>> local_volumes(Disk& disk, const StatePaths& paths, std::vector<Error>* damaged) {
  std::vector<LocalVolume> volumes;
  if (!disk.exists(paths.volumes())) return volumes;
  for (const std::string& name : TRY(disk.list(paths.volumes()))) {
    auto id = VolumeId::from_hex(name);
    if (!id.ok()) continue;
    auto volume = load_volume(disk, paths, *id);
    if (volume.ok())
      volumes.push_back(std::move(*volume));
    else if (damaged && volume.error().code() != Code::kNotFound)
      damaged->push_back(volume.error());
  }
  std::sort(volumes.begin(), volumes.end(), [](const auto& a, const auto& b) { return a.label < b.label; });
  return volumes;
}

Result<LocalVolume> find_local_volume(Disk& disk, const StatePaths& paths, const std::string& name) {
  if (auto id = VolumeId::from_hex(name); id.ok()) {
    auto by_id = load_volume(disk, paths, *id);
    if (by_id.ok() || by_id.error().code() != Code::kNotFound) return by_id;
  }
  std::vector<Error> damaged;
  auto volumes = TRY(local_volumes(disk, paths, &damaged));
  std::vector<LocalVolume> matches;
  for (auto& volume : volumes)
    if (volume.label == name) matches.push_back(std::move(volume));
  if (matches.size() == 1) return std::move(matches.front());
  if (matches.size() > 1) {
    std::string ids;
    for (const auto& volume : matches) ids += "\n  " + volume.id.hex();
    return Error(Code::kInvalidArgument, "several volumes are called '" + name + "': name one by its id" + ids);
  }
  // A damaged file may be the very one that was asked for.
  if (!damaged.empty()) return damaged.front();
  return Error(Code::kNotFound, "no volume '" + name + "' is known here: it was never mounted on this device");
}

}  // namespace skymoor::client
