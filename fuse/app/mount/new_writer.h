// A volume's state goes on under another device of its user: what its device has not sent yet becomes the new one's.
#pragma once
#include <stop_token>

#include "fuse/app/state/state_paths.h"
#include "fuse/app/state/volume_file.h"
#include "fuse/remote/account_remote.h"
#include "fuse/remote/volume_remote.h"
#include "shared/base/clock.h"

namespace skymoor::client {

/// Goes on with what `give_to_device` had begun when the process ended, if there is any. `volume` gets the device and the
/// writer that the state has. The caller holds the volume's lock, and nothing of its state is open.
/// Errors: Corrupt, NoSpace, Io: once more with the next call. Durability: on return all survives a power cut.
Status finish_new_writer(Disk& disk, const StatePaths& paths, LocalVolume& volume);

/// Whom a state is given to, and its line to the server.
struct NextDevice {
  const DeviceId& id;
  AccountRemote& account;
  VolumeRemote& volume;
  Random& random;
};

/// Leases a new writer for `device`, who is logged in, and gives the state to it: all that is unsent stays, under new numbers,
/// so that nothing is ever sent under a number that another copy of the state has used. What the old device had sent, its
/// answer lost, is settled first. A state whose metadata/ was taken away begins anew, under a writer of its own as well. A
/// reader's state, which names no writer, just becomes the device's; one with changes that its user may not send any more stays
/// as it is (UnknownServer). Nothing else happens if the state is the device's already.
/// Callers, errors, durability: as above, and the remote's errors before anything has changed. States on the disk:
/// metadata/ (old), metadata.making/ (of no worth) -> metadata.next/ (whole; the rest follows it) -> metadata/ (new).
Status give_to_device(Disk& disk, Clock& clock, const StatePaths& paths, LocalVolume& volume, const NextDevice& device,
                      std::stop_token stop);

}  // namespace skymoor::client
