// Volumes of the account: making one, finding one by name, opening its key.
#pragma once
#include "fuse/app/state/account_file.h"
#include "fuse/app/state/volume_file.h"
#include "fuse/remote/account_remote.h"

namespace skymoor::client {

/// A volume as the server lists it, opened with the user's key. `why_closed` says why label and key are missing.
struct ListedVolume {
  protocol::VolumeInfo info;
  std::string label;
  crypto::VolumeKey key;
  std::string why_closed;
};

/// 1 to 64 bytes, printable, no '/', ',' or white space at the ends. Errors: InvalidArgument.
Status check_volume_label(std::string_view label);

/// Errors: AlreadyExists (one of the account's volumes is called so), InvalidArgument, and the remote's.
Result<ListedVolume> create_volume(AccountRemote& remote, const Account& account, const std::string& label,
                                   protocol::VolumeKind kind, Random& random, CallOptions options);
/// By label.
Result<std::vector<ListedVolume>> list_volumes(AccountRemote& remote, const Account& account, CallOptions options);
/// By label or id. Errors: NotFound, InvalidArgument (several are called so), Corrupt (its key does not open).
Result<ListedVolume> find_volume(AccountRemote& remote, const Account& account, const std::string& name,
                                 CallOptions options);

}  // namespace skymoor::client
