// The local state of a volume that is not mounted, opened for a look.
#pragma once
#include "fuse/app/state/volume_file.h"
#include "fuse/cache/backing_store.h"
#include "fuse/journal/metadata_store.h"

namespace skymoor::client {

/// Backing files and store, with the volume's lock held. Recovery runs as at a mount.
struct OfflineStore {
  UniqueFd lock;
  std::unique_ptr<BackingStore> backing;
  std::unique_ptr<DataReplay> replay;
  std::unique_ptr<MetadataStore> store;
};
/// Errors: NotFound (it was never mounted here), Busy (it is mounted), Corrupt (naming file and offset).
Result<OfflineStore> open_offline(Disk& disk, Clock& clock, const StatePaths& paths, const LocalVolume& volume);

/// What the server does not have yet; zeros for a volume that was never mounted. Errors: as open_offline.
Result<MetadataStore::Pending> unsent_changes(Disk& disk, Clock& clock, const StatePaths& paths,
                                              const LocalVolume& volume);

}  // namespace skymoor::client
