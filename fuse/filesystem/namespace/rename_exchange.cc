// RENAME_EXCHANGE: two names swap what they stand for, at once.
#include "fuse/filesystem/engine.h"

namespace skymoor::client {

Status Engine::rename_exchange(const MutexLock& lock, Request& request, RenameEnds ends) {
  InodeRow& moved = ends.moved;
  InodeRow& other = *ends.replaced;
  InodeRow& to_directory = ends.same_directory ? ends.from_directory : ends.to_directory;
  const bool moved_directory = moved.attributes.type == FileType::kDirectory;
  const bool other_directory = other.attributes.type == FileType::kDirectory;
  if ((moved_directory && TRY(is_below(lock, request, to_directory.id, moved.id))) ||
      (other_directory && TRY(is_below(lock, request, ends.from_directory.id, other.id))))
    return Error(Code::kInvalidArgument, "a directory cannot go into itself");
  if (moved_directory != other_directory && !ends.same_directory &&
      (moved_directory ? to_directory : ends.from_directory).links >= kMaxLinks)
    return Error(Code::kTooManyLinks, "too many subdirectories");

  Change change = store_.begin(lock, RenameIntent{ends.from.directory, ends.from.name, to_directory.id, ends.to_name,
                                                  moved.id, moved.content, other.id, other.content, false, true});
  if (moved_directory != other_directory && !ends.same_directory) {
    --(moved_directory ? ends.from_directory : ends.to_directory).links;
    ++(moved_directory ? ends.to_directory : ends.from_directory).links;
  }
  moved.parent = to_directory.id;
  other.parent = ends.from_directory.id;
  moved.attributes.ctime = other.attributes.ctime = change.time();
  change.put(DentryRow{to_directory.id, ends.to_name, moved.id, moved.attributes.type, 0, {}});
  change.put(DentryRow{ends.from_directory.id, ends.from.name, other.id, other.attributes.type,
                       0, {}});
  change.put(moved);
  change.put(other);
  return commit_names(lock, std::move(change), ends);
}

}  // namespace skymoor::client
