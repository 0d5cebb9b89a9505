#include <linux/fs.h>

#include "fuse/filesystem/engine.h"

namespace skymoor::client {

Result<Engine::RenameEnds> Engine::rename_ends(const MutexLock& lock, Request& request, InodeId from,
                                               std::string_view from_name, InodeId to, std::string_view to_name) {
  RenameEnds ends;
  ends.same_directory = from == to;
  ends.to_name = std::string(to_name);
  ends.from_directory = TRY(directory_of(lock, request, from));
  ends.to_directory = ends.same_directory ? ends.from_directory : TRY(directory_of(lock, request, to));
  ends.from = TRY(entry_of(lock, request, from, from_name));
  ends.moved = TRY(row_of(lock, request, ends.from.inode));
  auto target = entry_of(lock, request, to, to_name);
  if (target.ok()) {
    ends.replaced = TRY(row_of(lock, request, target->inode));
    ends.to = std::move(target).value();
  } else if (target.error().code() != Code::kNotFound) {
    return std::move(target).error();
  }
  return ends;
}

Status Engine::check_rename(const MutexLock& lock, Request& request, const RenameEnds& ends) {
  const bool is_directory = ends.moved.attributes.type == FileType::kDirectory;
  if (is_directory && TRY(is_below(lock, request, ends.to_directory.id, ends.moved.id)))
    return Error(Code::kInvalidArgument, "a directory cannot go into itself");
  if (!ends.replaced) {
    if (is_directory && !ends.same_directory && ends.to_directory.links >= kMaxLinks)
      return Error(Code::kTooManyLinks, "too many subdirectories");
    return {};
  }
  const bool onto_directory = ends.replaced->attributes.type == FileType::kDirectory;
  if (onto_directory && !is_directory) return Error(Code::kIsDirectory, "the target is a directory");
  if (!onto_directory && is_directory) return Error(Code::kNotDirectory, "the target is not a directory");
  if (onto_directory && !TRY(is_empty(lock, request, ends.replaced->id)))
    return Error(Code::kNotEmpty, "the target is not empty");
  return {};
}

/// Puts both directories (once, if they are one) and commits.
Status Engine::commit_names(const MutexLock& lock, Change change, RenameEnds& ends) {
  stamp(change, ends.from_directory);
  change.put(ends.from_directory);
  if (!ends.same_directory) {
    stamp(change, ends.to_directory);
    change.put(ends.to_directory);
  }
  return commit(lock, std::move(change));
}

Status Engine::rename_onto(const MutexLock& lock, Request& request, RenameEnds ends) {
  TRY(check_rename(lock, request, ends));
  RenameIntent intent{ends.from.directory, ends.from.name, ends.to_directory.id, ends.to_name, ends.moved.id,
                      ends.moved.content, {}, {}, false, false};
  if (ends.replaced) {
    intent.replaced = ends.replaced->id;
    intent.replaced_seen = ends.replaced->content;
    intent.replaced_last = ends.replaced->attributes.type == FileType::kDirectory || ends.replaced->links <= 1;
  }
  Change change = store_.begin(lock, std::move(intent));
  InodeRow& to_directory = ends.same_directory ? ends.from_directory : ends.to_directory;
  if (ends.moved.attributes.type == FileType::kDirectory) {
    --ends.from_directory.links;
    ++to_directory.links;
    if (ends.replaced) --to_directory.links;
  }
  if (ends.replaced) {
    // As local filesystems do for those who save without fsync: what was there, or what comes, and never an empty file.
    if (ends.moved.attributes.type == FileType::kFile) store_.bytes_first(lock, ends.moved.id);
    drop_link(lock, change, *ends.replaced);
    change.put(*ends.replaced);
  }
  ends.moved.parent = to_directory.id;
  ends.moved.attributes.ctime = change.time();
  change.erase_dentry(ends.from.directory, ends.from.name);
  change.put(DentryRow{to_directory.id, ends.to_name, ends.moved.id, ends.moved.attributes.type,
                       0, {}});
  change.put(ends.moved);
  TRY(commit_names(lock, std::move(change), ends));
  if (ends.replaced) note_orphan(lock, *ends.replaced);
  return {};
}

Status Engine::rename(Request& request, InodeId from, std::string_view from_name, InodeId to, std::string_view to_name,
                      unsigned flags) {
  if ((flags & ~static_cast<unsigned>(RENAME_NOREPLACE | RENAME_EXCHANGE)) != 0)
    return Error(Code::kInvalidArgument, "unknown flags");
  if (flags == (RENAME_NOREPLACE | RENAME_EXCHANGE)) return Error(Code::kInvalidArgument, "flags exclude each other");
  TRY(check_name(to_name));
  MutexLock lock(store_.mutex());
  RenameEnds ends = TRY(rename_ends(lock, request, from, from_name, to, to_name));
  if (flags == RENAME_NOREPLACE && ends.to) return Error(Code::kAlreadyExists, "the target exists");
  if (flags == RENAME_EXCHANGE && !ends.to) return Error(Code::kNotFound, "the target does not exist");
  // Two names of one inode: POSIX says that nothing happens.
  if (ends.replaced && ends.replaced->id == ends.moved.id) return {};
  return flags == RENAME_EXCHANGE ? rename_exchange(lock, request, std::move(ends))
                                  : rename_onto(lock, request, std::move(ends));
}

}  // namespace skymoor::client
