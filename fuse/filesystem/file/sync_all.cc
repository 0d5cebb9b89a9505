// fsync of a directory, and of all.
#include "fuse/filesystem/engine.h"

namespace skymoor::client {

Status Engine::sync_directory(Request& request, InodeId directory) {
  Lsn target;
  {
    MutexLock lock(store_.mutex());
    // Not directory_of: a removed directory may still be open.
    target = TRY(row_of(lock, request, directory)).changed;
  }
  TRY(store_.sync(target));
  return sync_to_server(target, request.stop);
}

Status Engine::sync_all(Request&) {
  settle_unseen(Look::kSilent);
  Lsn target = store_.last_lsn();
  TRY(backing_.sync_all());
  {
    MutexLock lock(store_.mutex());
    TRY(store_.note_data_durable(lock, InodeId{}, target));
  }
  return store_.sync(target);
}

}  // namespace skymoor::client
