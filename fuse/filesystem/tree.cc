// Reading the tables, and the small rules that several operations share.
#include "fuse/filesystem/engine.h"

namespace skymoor::client {
namespace {

constexpr std::size_t kMaxDepth = 1u << 16;   // a longer way up means that the tree has a cycle

}  // namespace

Error Engine::lacks(Request& request, Need::Kind kind, InodeId inode, Extent extent) {
  request.need = Need{kind, inode, extent};
  return Error(Code::kNotPresent, "not here");
}

/// A full disk is waited for while the server takes what lies on it. Errors: as SpaceGuard::ask.
Status Engine::ask_room(Request& request, std::uint64_t bytes) {
  Status asked = space_.ask(bytes);
  if (asked.ok() || asked.error().code() != Code::kNoSpace || !fetcher_.makes_room()) return asked;
  return lacks(request, Need::Kind::kRoom, kRootInode);
}

Result<InodeRow> Engine::row_of(const MutexLock& lock, Request& request, InodeId inode) {
  auto row = store_.inode(lock, inode);
  if (row.ok()) return row;
  if (row.error().code() == Code::kNotPresent) return lacks(request, Need::Kind::kInode, inode);
  if (row.error().code() == Code::kNotFound) return Error(Code::kStale, "the inode is gone");
  return row;
}

Result<InodeRow> Engine::directory_of(const MutexLock& lock, Request& request, InodeId inode) {
  InodeRow row = TRY(row_of(lock, request, inode));
  if (row.attributes.type != FileType::kDirectory) return Error(Code::kNotDirectory, "not a directory");
  if (row.links == 0) return Error(Code::kNotFound, "the directory was removed");
  return row;
}

Result<DentryRow> Engine::entry_of(const MutexLock& lock, Request& request, InodeId directory, std::string_view name) {
  auto entry = store_.dentry(lock, directory, name);
  if (entry.ok() || entry.error().code() != Code::kNotPresent) return entry;
  if (TRY(row_of(lock, request, directory)).attributes.type != FileType::kDirectory)
    return Error(Code::kNotDirectory, "not a directory");
  return lacks(request, Need::Kind::kDirectory, directory);
}

Status Engine::check_free(const MutexLock& lock, Request& request, InodeId directory, std::string_view name) {
  auto entry = entry_of(lock, request, directory, name);
  if (entry.ok()) return Error(Code::kAlreadyExists, "the name exists");
  if (entry.error().code() != Code::kNotFound) return std::move(entry).error();
  return {};
}

Result<bool> Engine::is_empty(const MutexLock& lock, Request& request, InodeId directory) {
  auto children = store_.has_children(lock, directory);
  if (children.ok()) return !*children;
  if (children.error().code() == Code::kNotPresent) return lacks(request, Need::Kind::kDirectory, directory);
  return std::move(children).error();
}

Result<std::optional<Bytes>> Engine::xattr_of(const MutexLock& lock, const InodeRow& row, std::string_view name) {
  if (!row.has_xattrs) return std::optional<Bytes>();
  auto value = store_.xattr(lock, row.id, name);
  if (value.ok()) return std::optional<Bytes>(std::move(value).value());
  if (value.error().code() == Code::kNoAttribute) return std::optional<Bytes>();
  return std::move(value).error();
}

/// Whether `directory` is `above` or lies below it.
Result<bool> Engine::is_below(const MutexLock& lock, Request& request, InodeId directory, InodeId above) {
  for (std::size_t depth = 0; depth < kMaxDepth; ++depth) {
    if (directory == above) return true;
    if (directory == kRootInode) return false;
    InodeRow row = TRY(row_of(lock, request, directory));
    if (!row.parent || row.links == 0) return false;
    directory = row.parent;
  }
  return Error(Code::kCorrupt, "directories form a cycle");
}

void Engine::stamp(Change& change, InodeRow& directory) {
  directory.attributes.mtime = directory.attributes.ctime = change.time();
}

/// One name less; the caller puts the row.
void Engine::drop_link(const MutexLock&, Change& change, InodeRow& row) {
  row.attributes.ctime = change.time();
  if (row.attributes.type == FileType::kDirectory) row.links = 0;
  else if (row.links != 0) --row.links;
}

/// Takes a name of `row` out of its directory, and commits.
Status Engine::remove_name(const MutexLock& lock, Change change, InodeRow directory, std::string name, InodeRow row) {
  drop_link(lock, change, row);
  stamp(change, directory);
  change.erase_dentry(directory.id, std::move(name));
  change.put(row);
  change.put(std::move(directory));
  TRY(commit(lock, std::move(change)));
  note_orphan(lock, row);
  return {};
}

void Engine::note_orphan(const MutexLock&, const InodeRow& row) {
  if (row.links == 0) orphans_.insert(row.id);
}

Status Engine::commit(const MutexLock& lock, Change change) {
  const Intent& intent = change.intent();
  const bool noted = options_.before_commit && !std::holds_alternative<LocalIntent>(intent) &&
                     !std::holds_alternative<WriteIntent>(intent) && !std::holds_alternative<AttributeIntent>(intent);
  if (noted) options_.before_commit(change.lsn());
  Status done = store_.commit(lock, std::move(change));
  if (done.ok()) {
    fetcher_.changed();
    return done;
  }
  if (noted) options_.before_commit(Lsn{});   // the next record under that number is another request's
  if (done.error().code() == Code::kNoSpace) space_.forget();
  return done;
}

}  // namespace skymoor::client
