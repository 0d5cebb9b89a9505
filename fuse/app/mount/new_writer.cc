#include "fuse/app/mount/new_writer.h"

#include <filesystem>

#include "fuse/app/mount/backing_replay.h"
#include "fuse/cache/pin_set.h"
#include "fuse/filesystem/filesystem.h"
#include "fuse/sync/sync_engine.h"
#include "shared/base/log.h"

namespace skymoor::client {
namespace {

using namespace std::chrono_literals;

std::string making(const StatePaths& paths, const VolumeId& id) { return paths.metadata(id) + ".making"; }
std::string next(const StatePaths& paths, const VolumeId& id) { return paths.metadata(id) + ".next"; }
std::string before(const StatePaths& paths, const VolumeId& id) { return paths.metadata(id) + ".before"; }

Status remove_directory(Disk& disk, const std::string& path) {
  if (!disk.exists(path)) return {};
  for (const std::string& name : TRY(disk.list(path))) TRY(disk.unlink(path + "/" + name));
  std::error_code failed;
  std::filesystem::remove(path, failed);
  return failed ? Status(Error::from_errno(failed.value(), "remove " + path)) : Status();
}

Result<std::unique_ptr<BackingStore>> open_backing(Disk& disk, const StatePaths& paths, const VolumeId& id) {
  BackingStore::Options options;
  options.data_directory = paths.volume(id);
  options.cache_directory = paths.cache_of(id);
  TRY(make_private_directory(disk, paths.cache));
  TRY(make_private_directory(disk, options.cache_directory));
  return BackingStore::open(disk, options);
}

/// For a filesystem that nobody works in.
class NothingElsewhere final : public Fetcher {
  Status fetch(const Need&, Instant, std::stop_token) override { return Error(Code::kOffline, "not mounted"); }
  void prefetch(InodeId, Extent) override {}
  bool makes_room() override { return false; }
  VolumeStatistics volume_statistics() override { return {}; }
  void changed() override {}
  Status sync_remote(Lsn, Instant, std::stop_token) override { return Error(Code::kOffline, "not mounted"); }
  std::string state_of(InodeId) override { return "unknown"; }
};

/// As at the start of a mount, and at its orderly end: what a crash or a power cut left half-done is done, as the old writer.
Status recover(Disk& disk, Clock& clock, const StatePaths& paths, const VolumeId& id) {
  auto backing = TRY(open_backing(disk, paths, id));
  BackingReplay replay(*backing);
  MetadataStore::Options options;
  options.directory = paths.metadata(id);
  const StoreIdentity identity = TRY(MetadataStore::read_identity(disk, options.directory));
  auto store = TRY(MetadataStore::open(disk, clock, options, identity, &replay));
  TRY(SyncEngine::recover(*store, *backing, disk, paths.volume(id)));
  NothingElsewhere nobody;
  auto files = TRY(Filesystem::open(*store, *backing, nobody, disk, clock, {}));
  files.reset();
  TRY(backing->sync_all());
  return store->close();
}

/// Files and pins of what the server lacks take its new numbers.
Status renumber_files(Disk& disk, const StatePaths& paths, const VolumeId& id, const Renumbering& numbers) {
  auto backing = TRY(open_backing(disk, paths, id));
  std::vector<InodeId> files;
  TRY(backing->sweep([&](InodeId inode) {
    if (numbers.of(inode) != inode) files.push_back(inode);
    return true;
  }));
  for (InodeId inode : files) TRY(backing->move(inode, numbers.of(inode)));
  TRY(backing->sync_all());
  auto pins = TRY(PinSet::open(disk, paths.volume(id) + "/pins"));
  for (InodeId inode : pins->all()) {
    if (numbers.of(inode) == inode) continue;
    TRY(pins->add(numbers.of(inode)));
    TRY(pins->remove(inode));
  }
  return SyncEngine::renumber(disk, paths.volume(id), numbers);
}

}  // namespace

Status finish_new_writer(Disk& disk, const StatePaths& paths, LocalVolume& volume) {
  const std::string metadata = paths.metadata(volume.id), whole = next(paths, volume.id), old = before(paths, volume.id);
  TRY(remove_directory(disk, making(paths, volume.id)));
  if (!disk.exists(whole)) return remove_directory(disk, old);
  // Once it is gone from its name, everything else has followed.
  if (disk.exists(metadata)) {
    const Renumbering numbers = TRY(MetadataStore::read_renumbering(disk, metadata, whole));
    TRY(renumber_files(disk, paths, volume.id, numbers));
    TRY(remove_directory(disk, old));
    TRY(disk.rename(metadata, old));
    TRY(disk.fault("app.new_writer.swap", metadata));
  }
  TRY(disk.rename(whole, metadata));
  TRY(disk.sync_directory(paths.volume(volume.id)));
  const StoreIdentity identity = TRY(MetadataStore::read_identity(disk, metadata));
  volume.device = identity.device;
  volume.writer = identity.writer;
  TRY(save_volume(disk, paths, volume));
  return remove_directory(disk, old);
}

Status give_to_device(Disk& disk, Clock& clock, const StatePaths& paths, LocalVolume& volume, const DeviceId& device,
                      AccountRemote& remote, std::stop_token stop) {
  const std::string metadata = paths.metadata(volume.id);
  // Somebody took the tables and the log away: what numbers this writer has given nobody knows.
  const bool lost = volume.role != protocol::Role::kReader && !disk.exists(metadata) &&
                    disk.exists(paths.volume(volume.id) + "/backing");
  if (volume.device == device && !lost) return {};
  auto identity = MetadataStore::read_identity(disk, metadata);
  if (!identity.ok() && identity.error().code() != Code::kNotFound) return std::move(identity).error();
  if (volume.role == protocol::Role::kReader && !identity.ok()) {   // nothing is here, and it makes nothing
    volume.device = device;
    return save_volume(disk, paths, volume);
  }
  if (volume.role == protocol::Role::kReader)
    return Error(Code::kUnknownServer, "the state of volume '" + volume.label + "' in " + paths.volume(volume.id) +
                                           " was made by another login of this machine: move it away to start anew");
  auto leased = remote.lease_writer(volume.id, {30s, stop});
  if (!leased.ok()) return leased.error().wrap("the first mount as a new device needs the server");
  const WriterId writer = leased->writer;
  if (!identity.ok()) {   // never mounted, or all anew
    volume.device = device;
    volume.writer = writer;
    return save_volume(disk, paths, volume);
  }
  TRY(recover(disk, clock, paths, volume.id));
  const std::string made = making(paths, volume.id);
  TRY(remove_directory(disk, made));
  MetadataStore::Options options;
  options.directory = metadata;
  auto backing = TRY(open_backing(disk, paths, volume.id));
  BackingReplay replay(*backing);
  TRY(MetadataStore::renumber(disk, clock, options, {volume.id, device, writer}, made, &replay));
  backing.reset();
  TRY(disk.rename(made, next(paths, volume.id)));
  TRY(disk.sync_directory(paths.volume(volume.id)));
  log_info("mount.new_writer", {{"volume", volume.id.hex()}, {"from", volume.writer.value}, {"to", writer.value}});
  return finish_new_writer(disk, paths, volume);
}

}  // namespace skymoor::client
