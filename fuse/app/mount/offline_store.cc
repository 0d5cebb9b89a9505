#include "fuse/app/mount/offline_store.h"

#include <thread>

#include "fuse/app/mount/backing_replay.h"
#include "fuse/app/mount/new_writer.h"

namespace skymoor::client {
namespace {
constexpr std::chrono::milliseconds kLockLook{50};
constexpr std::size_t kRecordsAtOnce = 1000, kBytesAtOnce = 4u << 20;
}  // namespace

Result<OfflineStore> open_offline(Disk& disk, Clock& clock, const StatePaths& paths, const LocalVolume& volume) {
  LocalVolume current = volume.clone();
  TRY(finish_new_writer(disk, paths, current));
  const StoreIdentity identity = TRY(MetadataStore::read_identity(disk, paths.metadata(volume.id)));
  OfflineStore opened;
  BackingStore::Options backing;
  backing.data_directory = paths.volume(volume.id);
  backing.cache_directory = paths.cache_of(volume.id);
  TRY(make_private_directory(disk, backing.cache_directory));
  opened.backing = TRY(BackingStore::open(disk, backing));
  opened.replay = std::make_unique<BackingReplay>(*opened.backing);
  MetadataStore::Options options;
  options.directory = paths.metadata(volume.id);
  opened.store = TRY(MetadataStore::open(disk, clock, options, identity, opened.replay.get()));
  return opened;
}

Result<std::uint64_t> unsent_changes(MetadataStore& store) {
  std::uint64_t changes = 0;
  for (Lsn at = store.position().acknowledged;;) {
    const auto records = TRY(store.records_after(at, kRecordsAtOnce, kBytesAtOnce));
    if (records.empty()) return changes;
    for (const LogRecord& record : records) changes += !std::holds_alternative<LocalIntent>(record.intent);
    at = records.back().lsn;
  }
}

Result<std::uint64_t> unsent_changes(Disk& disk, Clock& clock, const StatePaths& paths, const LocalVolume& volume) {
  auto opened = open_offline(disk, clock, paths, volume);
  if (!opened.ok() && opened.error().code() == Code::kNotFound) return std::uint64_t{0};
  if (!opened.ok()) return opened.error();
  // After a crash nobody has looked yet at what the kernel wrote by itself.
  return TRY(unsent_changes(*opened->store)) + opened->backing->unseen_inodes().size();
}

Result<UniqueFd> lock_volume(const StatePaths& paths, const VolumeId& volume, std::chrono::milliseconds patience) {
  const auto until = std::chrono::steady_clock::now() + patience;
  while (true) {
    auto lock = lock_directory(paths.volume(volume));
    if (lock.ok() || lock.error().code() != Code::kBusy || std::chrono::steady_clock::now() >= until) return lock;
    std::this_thread::sleep_for(kLockLook);
  }
}

Result<std::vector<UniqueFd>> lock_volumes(Disk& disk, const StatePaths& paths) {
  constexpr std::chrono::seconds kClosePatience{15};   // umount(8) returns while the process still closes its state
  std::vector<UniqueFd> locks;
  if (!disk.exists(paths.volumes())) return locks;
  for (const std::string& name : TRY(disk.list(paths.volumes())))
    if (const auto id = VolumeId::from_hex(name); id.ok()) locks.push_back(TRY(lock_volume(paths, *id, kClosePatience)));
  return locks;
}

}  // namespace skymoor::client
