#include "fuse/filesystem/engine.h"

namespace skymoor::client {

Status Engine::remove_directory(Request& request, InodeId parent, std::string_view name) {
  if (name == ".") return Error(Code::kInvalidArgument, "the directory itself");
  if (name == "..") return Error(Code::kNotEmpty, "the parent directory");
  MutexLock lock(store_.mutex());
  InodeRow directory = TRY(directory_of(lock, request, parent));
  DentryRow entry = TRY(entry_of(lock, request, parent, name));
  InodeRow row = TRY(row_of(lock, request, entry.inode));
  if (row.attributes.type != FileType::kDirectory) return Error(Code::kNotDirectory, "not a directory");
  if (!TRY(is_empty(lock, request, row.id))) return Error(Code::kNotEmpty, "the directory is not empty");

  std::string text(name);
  Change change = store_.begin(lock, RmdirIntent{parent, text, row.id});
  --directory.links;
  return remove_name(lock, std::move(change), std::move(directory), std::move(text), std::move(row));
}

}  // namespace skymoor::client
