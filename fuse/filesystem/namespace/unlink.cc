#include "fuse/filesystem/engine.h"

namespace skymoor::client {

// The last name leaves an orphan: readable and writable for those who have it open, local only, erased by `forget`.
Status Engine::unlink(Request& request, InodeId parent, std::string_view name) {
  MutexLock lock(store_.mutex());
  InodeRow directory = TRY(directory_of(lock, request, parent));
  DentryRow entry = TRY(entry_of(lock, request, parent, name));
  InodeRow row = TRY(row_of(lock, request, entry.inode));
  if (row.attributes.type == FileType::kDirectory) return Error(Code::kIsDirectory, "a directory");

  std::string text(name);
  Change change = store_.begin(lock, UnlinkIntent{parent, text, row.id, row.links <= 1, row.content});
  return remove_name(lock, std::move(change), std::move(directory), std::move(text), std::move(row));
}

}  // namespace skymoor::client
