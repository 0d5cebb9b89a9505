// The local state of a volume that is not mounted, opened for a look.
#pragma once
#include <chrono>

#include "fuse/app/state/volume_file.h"
#include "fuse/cache/backing_store.h"
#include "fuse/journal/metadata_store.h"

namespace skymoor::client {

/// Backing files and store of a volume whose lock is held. Recovery runs as at a mount, also of a change of its writer that
/// was cut short.
struct OfflineStore {
  std::unique_ptr<BackingStore> backing;
  std::unique_ptr<DataReplay> replay;
  std::unique_ptr<MetadataStore> store;
};
/// The caller holds the volume's lock (`lock_volume`): else nothing here stays true.
/// Errors: NotFound (it was never mounted here), Corrupt (naming file and offset).
Result<OfflineStore> open_offline(Disk& disk, Clock& clock, const StatePaths& paths, const LocalVolume& volume);

/// How many changes the server does not have yet; none for a volume that was never mounted. Callers, errors: as open_offline.
Result<std::uint64_t> unsent_changes(Disk& disk, Clock& clock, const StatePaths& paths, const LocalVolume& volume);
/// The same of an open store. Its last records may be of nothing that is sent: files without a name that were cleared away.
Result<std::uint64_t> unsent_changes(MetadataStore& store);

/// Keeps everybody else from mounting the volume, and from giving its state to another device, while it is held.
/// Blocks: up to `patience` while another process has it. Errors: Busy (it is mounted, about to be, or just closing).
Result<UniqueFd> lock_volume(const StatePaths& paths, const VolumeId& volume, std::chrono::milliseconds patience = {});
/// The same of every volume there is anything of, damaged or not. While they are held nothing is mounted, and no state is on its
/// way from one device to the next. Blocks: some seconds for each that is just closing. Errors: Busy.
Result<std::vector<UniqueFd>> lock_volumes(Disk& disk, const StatePaths& paths);

}  // namespace skymoor::client
