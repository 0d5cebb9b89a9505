// Making an inode of any type under a new name: the shared half of create, mknod, mkdir, symlink and O_TMPFILE.
#include "fuse/filesystem/attributes/posix_acl.h"
#include "fuse/filesystem/engine.h"

namespace skymoor::client {
namespace {

constexpr std::uint32_t kSetgid = 02000;

/// Group and setgid come from a setgid directory, else from the caller. Source: man 7 inode, S_ISGID on directories.
void inherit_group(const InodeRow& directory, std::uint32_t gid, Attributes& made) {
  bool inherit = (directory.attributes.mode & kSetgid) != 0;
  made.gid = inherit ? directory.attributes.gid : gid;
  if (inherit && made.type == FileType::kDirectory) made.mode |= kSetgid;
}

}  // namespace

Result<InodeRow> Engine::add_inode(const MutexLock& lock, Request& request, const NewNode& node) {
  const bool named = !node.name.empty(), is_directory = node.type == FileType::kDirectory;
  if (named) TRY(check_name(node.name));
  InodeRow directory = TRY(directory_of(lock, request, node.parent));
  if (named) TRY(check_free(lock, request, node.parent, node.name));
  if (is_directory && directory.links >= kMaxLinks) return Error(Code::kTooManyLinks, "too many subdirectories");

  InheritedAcl acl;
  auto standard = TRY(xattr_of(lock, directory, kDefaultAclName));
  if (standard && node.type != FileType::kSymlink) acl = TRY(inherit_acl(*standard, node.mode, is_directory));
  else acl.mode = node.type == FileType::kSymlink ? 0777 : node.mode & ~request.umask;

  Change change = store_.begin(lock, LocalIntent{});
  InodeRow row;
  row.id = new_id(change);
  if (named) change.intent() = CreateIntent{node.parent, std::string(node.name), row.id};
  Attributes& made = row.attributes;
  made.type = node.type;
  made.mode = acl.mode & 07777;
  made.uid = request.uid;
  inherit_group(directory, request.gid, made);
  made.rdev = node.rdev;
  made.size = node.target.size();
  made.atime = made.mtime = made.ctime = made.btime = change.time();
  row.links = !named ? 0 : is_directory ? 2 : 1;
  row.parent = node.parent;
  row.target = std::string(node.target);
  row.listed = is_directory;
  row.has_xattrs = acl.access.has_value() || acl.standard.has_value();
  change.put(row);
  if (acl.access) change.put_xattr(row.id, std::string(kAccessAclName), *acl.access);
  if (acl.standard) change.put_xattr(row.id, std::string(kDefaultAclName), *acl.standard);
  if (named) {
    change.put(DentryRow{node.parent, std::string(node.name), row.id, node.type, 0, {}});
    stamp(change, directory);
    if (is_directory) ++directory.links;
    change.put(std::move(directory));
  }
  row.changed = change.lsn();
  TRY(commit(lock, std::move(change)));
  note_orphan(lock, row);
  return row;
}

Result<Node> Engine::make(Request& request, const NewNode& node) {
  TRY(ask_room(request, 0));
  MutexLock lock(store_.mutex());
  return node_of(lock, TRY(add_inode(lock, request, node)));
}

}  // namespace skymoor::client
