#include "fuse/sync/feed/name_finder.h"

namespace skymoor::client {
namespace {

/// Damage here is none of the server's history.
Error of_this_device(Error error) {
  if (error.code() != Code::kCorrupt) return error;
  return Error(Code::kIo, "the local state is damaged ('skymoor fsck' tells what can be done): " + error.message());
}

}  // namespace

Result<std::string> NameFinder::find(InodeId directory, const NameToken& token, InodeId inode) {
  auto name = look(directory, token, inode);
  return name.ok() ? std::move(name) : Result<std::string>(of_this_device(std::move(name).error()));
}

Result<std::string> NameFinder::find_xattr(InodeId inode, const NameToken& token) {
  auto name = look_for_xattr(inode, token);
  return name.ok() ? std::move(name) : Result<std::string>(of_this_device(std::move(name).error()));
}

Result<std::string> NameFinder::look(InodeId directory, const NameToken& token, InodeId inode) {
  if (auto it = learnt_.find({directory, token}); it != learnt_.end()) return it->second;
  std::vector<DentryRow> rows;
  {
    MutexLock lock(store_.mutex());
    auto links = store_.links(lock, inode);
    if (links.ok()) rows = std::move(links).value();
  }
  for (const DentryRow& row : rows)
    if (row.directory == directory && cipher_.name_token(directory, row.name) == token) return row.name;
  if (!confirmed_) confirmed_ = TRY(store_.confirmed());
  for (const DentryRow& row : TRY(confirmed_->links(inode)))
    if (row.directory == directory && cipher_.name_token(directory, row.name) == token) return row.name;
  return std::string();
}

Result<std::string> NameFinder::look_for_xattr(InodeId inode, const NameToken& token) {
  if (auto it = learnt_xattrs_.find({inode, token}); it != learnt_xattrs_.end()) return it->second;
  std::vector<std::string> names;
  {
    MutexLock lock(store_.mutex());
    auto known = store_.xattr_names(lock, inode);
    if (known.ok()) names = std::move(known).value();
  }
  for (std::string& name : names)
    if (cipher_.xattr_token(inode, name) == token) return std::move(name);
  // What was deleted here may come back, as the server has it.
  if (!confirmed_) confirmed_ = TRY(store_.confirmed());
  for (std::string& name : TRY(confirmed_->xattr_names(inode)))
    if (cipher_.xattr_token(inode, name) == token) return std::move(name);
  return std::string();
}

}  // namespace skymoor::client
