// A volume made ready to mount: its key and writer id, from this device's state or, the first time, from the server.
#pragma once
#include "fuse/app/account/volume_keys.h"
#include "fuse/journal/metadata_store.h"
#include "fuse/remote/volume_remote.h"

namespace skymoor::client {

/// With a volume this device knows, nothing waits for the network. Otherwise the server is asked, a writer id is leased
/// and both are stored.
/// The state may be another device's of the user's: see `give_to_device`.
/// Errors: Offline and TimedOut ("the first mount needs the server"), NotFound, Unauthenticated, Corrupt.
Result<LocalVolume> open_volume(Disk& disk, const StatePaths& paths, const Account& account, AccountRemote& remote,
                                const std::string& name, std::stop_token stop);

/// Starts an empty store as a mirror of the server's head: the root, and nothing else known. Nothing to do when the root
/// is known already. Errors: the remote's.
Status start_mirror(MetadataStore& store, VolumeRemote& remote, std::stop_token stop);

}  // namespace skymoor::client
