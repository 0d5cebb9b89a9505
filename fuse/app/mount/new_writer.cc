#include "fuse/app/mount/new_writer.h"

#include <filesystem>

#include "fuse/app/mount/backing_replay.h"
#include "fuse/app/mount/offline_store.h"
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
  bool online() override { return false; }
  bool makes_room() override { return false; }
  VolumeStatistics volume_statistics() override { return {}; }
  void changed() override {}
  Status sync_remote(Lsn, Instant, std::stop_token) override { return Error(Code::kOffline, "not mounted"); }
  std::string state_of(InodeId) override { return "unknown"; }
};

/// Tells nobody: nothing is mounted.
class Unwatched final : public TreeListener {
  void tree_changed(const VisibleChanges&) override {}
};

/// What the server has taken of this device without its having heard so must not go up once more as another's. Where no more
/// can be taken in (the state is a copy, the history is another one) the rest is given to the next device as it is.
Status settle(Disk& disk, Clock& clock, const StatePaths& paths, const LocalVolume& volume, const NextDevice& to,
              MetadataStore& store, BackingStore& backing, std::stop_token stop) {
  if (store.last_offered() <= store.position().acknowledged) return {};
  Unwatched nobody;
  const crypto::KeyPair none;
  SyncEngine::Options options;
  options.state_directory = paths.volume(volume.id);
  Status settled = SyncEngine::settle({store, backing, to.volume, clock, to.random, nobody, volume.key, none, &disk}, options,
                                      std::move(stop));
  if (settled.ok()) return {};
  const Code code = settled.error().code();
  const bool copied = code == Code::kUnknownServer && SyncEngine::was_copied(disk, paths.volume(volume.id));
  if (!copied && code != Code::kResync)
    return settled.error().wrap("what was sent as the device before has to be settled with the server first");
  log_warn("mount.new_writer.not_settled", {{"why", settled.error()}});
  return {};
}

/// As at the start of a mount, and at its orderly end: what a crash or a power cut left half-done is done, as the old writer.
/// Answers how many changes the server lacks then.
Result<std::uint64_t> recover(Disk& disk, Clock& clock, const StatePaths& paths, const LocalVolume& volume,
                                       const NextDevice& to, std::stop_token stop) {
  auto backing = TRY(open_backing(disk, paths, volume.id));
  BackingReplay replay(*backing);
  MetadataStore::Options options;
  options.directory = paths.metadata(volume.id);
  const StoreIdentity identity = TRY(MetadataStore::read_identity(disk, options.directory));
  auto store = TRY(MetadataStore::open(disk, clock, options, identity, &replay));
  TRY(SyncEngine::recover(*store, *backing, disk, paths.volume(volume.id)));
  NothingElsewhere nobody;
  // What the kernel wrote unseen first: else what comes from elsewhere would take its place.
  auto files = TRY(Filesystem::open(*store, *backing, nobody, disk, clock, {}));
  files.reset();
  TRY(settle(disk, clock, paths, volume, to, *store, *backing, std::move(stop)));
  TRY(backing->sync_all());
  const std::uint64_t unsent = TRY(unsent_changes(*store));
  TRY(store->close());
  return unsent;
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

Status give_to_device(Disk& disk, Clock& clock, const StatePaths& paths, LocalVolume& volume, const NextDevice& device,
                      std::stop_token stop) {
  const std::string metadata = paths.metadata(volume.id);
  const bool reader = volume.role == protocol::Role::kReader;
  // Somebody took the tables and the log away: what numbers this writer has given nobody knows.
  const bool lost = !reader && !disk.exists(metadata) && disk.exists(paths.volume(volume.id) + "/backing");
  if (volume.device == device.id && !lost) return {};
  auto identity = MetadataStore::read_identity(disk, metadata);
  if (!identity.ok() && identity.error().code() != Code::kNotFound) return std::move(identity).error();
  WriterId writer;   // a reader makes nothing
  if (!reader) {
    auto leased = device.account.lease_writer(volume.id, {30s, stop});
    if (!leased.ok()) return leased.error().wrap("the first mount as a new device needs the server");
    writer = leased->writer;
  }
  if (!identity.ok()) {   // never mounted, or all anew
    volume.device = device.id;
    if (!reader) volume.writer = writer;
    return save_volume(disk, paths, volume);
  }
  const std::uint64_t unsent = TRY(recover(disk, clock, paths, volume, device, stop));
  if (reader && identity->writer && unsent > 0)
    return Error(Code::kUnknownServer, "the state of volume '" + volume.label + "' in " + paths.volume(volume.id) + " has " +
                                           std::to_string(unsent) + " unsent changes of a device that was replaced, and " +
                                           "only its readers' rights are left: move it away to start anew");
  const std::string made = making(paths, volume.id);
  TRY(remove_directory(disk, made));
  MetadataStore::Options options;
  options.directory = metadata;
  auto backing = TRY(open_backing(disk, paths, volume.id));
  BackingReplay replay(*backing);
  TRY(MetadataStore::renumber(disk, clock, options, {volume.id, device.id, writer}, made, &replay));
  backing.reset();
  TRY(disk.rename(made, next(paths, volume.id)));
  TRY(disk.sync_directory(paths.volume(volume.id)));
  log_info("mount.new_writer", {{"volume", volume.id.hex()}, {"from", identity->writer.value}, {"to", writer.value}});
  return finish_new_writer(disk, paths, volume);
}

}  // namespace skymoor::client
