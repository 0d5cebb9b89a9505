// What the tables say of files' bytes, against the backing files that hold them.
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "fuse/app/mount/offline_store.h"
#include "shared/crypto/key_hierarchy.h"

namespace skymoor::client {

struct ContentFinding {
  std::string what;           ///< one line, naming the file
  bool repairable = false;    ///< the server has these bytes: they may be forgotten here
  bool repaired = false;
};

struct ContentCheckOptions {
  bool repair = false;
  /// Not null: bytes are read and compared with the blocks of the manifest, sealed with this key.
  const crypto::VolumeKey* deep = nullptr;
};

/// Looks at every file of which something is here. Unsent bytes are never touched, and of files that may have been written
/// without being seen (the mount ended while the kernel had them) only that they are there is checked.
/// Errors: those of the store; damage of files is a finding.
Result<std::vector<ContentFinding>> check_contents(OfflineStore& opened, const ContentCheckOptions& options);

}  // namespace skymoor::client
