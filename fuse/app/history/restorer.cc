#include "fuse/app/history/restorer.h"

#include <fcntl.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <set>

#include "fuse/app/mount/mount_control.h"
#include "fuse/app/state/copy_file.h"

namespace skymoor::client {
namespace {

constexpr auto kTogether = std::chrono::hours(1);   ///< `rm -r` of a large tree takes its time
constexpr int kMaxDepth = 2000, kMaxHolds = 10;

timespec to_timespec(Timestamp time) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(time);
  return {seconds.time_since_epoch().count(), (time - seconds).count()};
}

Status already_there(const std::string& path) {
  struct stat st = {};
  if (::lstat(path.c_str(), &st) != 0) return {};
  return Error(Code::kAlreadyExists, path + " is there already, and restoring overwrites nothing: give another name with --to");
}

}  // namespace

Status Restorer::hold(const HistoryPlace& place, std::chrono::milliseconds patience) {
  for (int attempt = 0; attempt < kMaxHolds; ++attempt) {
    if (Status held = sync_mount(history_.mount().directory, patience); !held.ok())
      return held.error().wrap("what is there now could not be sent to the server first, so nothing was restored");
    // Only what did not change between two looks with a sync in between is surely at the server.
    struct stat now = {};
    if (::lstat(place.path.c_str(), &now) != 0) return Error::from_errno(errno, place.path);
    if (is_unchanged(held_, now)) return {};
    held_ = now;
  }
  return Error(Code::kBusy, place.path + " is being written; nothing was restored");
}

Status Restorer::over_file(const HistoryPlace& place, const PathVersion& version) {
  const UniqueFd fetched = TRY(nameless_file(context_.paths.volume(history_.volume().id)));
  TRY(history_.write_content(version.inode.inode, version.record, fetched.get()));
  struct stat now = {};
  UniqueFd target(::open(place.path.c_str(), O_WRONLY | O_CLOEXEC | O_NOFOLLOW));
  if (!target) return Error::from_errno(errno, place.path);
  if (::fstat(target.get(), &now) != 0) return Error::from_errno(errno, place.path);
  if (!is_unchanged(held_, now))
    return Error(Code::kBusy, place.path + " changed meanwhile; nothing was restored");
  auto write = [&]() -> Status {
    if (::ftruncate(target.get(), 0) != 0) return Error::from_errno(errno, "emptying");
    TRY(copy_file(fetched.get(), target.get()));
    if (::fsync(target.get()) != 0) return Error::from_errno(errno, "fsync");
    return {};
  };
  Status written = write();
  if (!written.ok())
    return written.error().wrap(place.path + " is restored in part only (what it held before is a version: 'skymoor versions' lists it)");
  ++made_;
  return {};
}

Status Restorer::new_file(const std::string& path, const InodeRecord& inode, const VersionRecord* version) {
  TRY(already_there(path));
  const UniqueFd fetched = TRY(nameless_file(context_.paths.volume(history_.volume().id)));
  if (version) TRY(history_.write_content(inode.inode, *version, fetched.get()));
  UniqueFd target(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!target && errno == EEXIST) return already_there(path);
  if (!target) return Error::from_errno(errno, path);
  auto fill = [&]() -> Status {
    TRY(copy_file(fetched.get(), target.get()));
    TRY(set_attributes(path, inode));
    if (::fsync(target.get()) != 0) return Error::from_errno(errno, "fsync " + path);
    return {};
  };
  Status filled = fill();
  if (!filled.ok()) {
    ::unlink(path.c_str());
    return filled;
  }
  ++made_;
  return {};
}

Status Restorer::set_attributes(const std::string& path, const InodeRecord& inode) {
  const Attributes& a = inode.attributes;
  if (::geteuid() == 0 && ::lchown(path.c_str(), a.uid, a.gid) != 0)
    context_.console.note(path + ": the owner stays as it is");
  for (const SetXattr& sealed : inode.xattrs) {
    const auto xattr = TRY(history_.cipher().open_xattr(inode.inode, sealed.sealed));
    if (::lsetxattr(path.c_str(), xattr.name.c_str(), xattr.value.data(), xattr.value.size(), 0) != 0)
      context_.console.note(path + ": attribute " + xattr.name + " could not be set");
  }
  if (a.type != FileType::kSymlink && ::chmod(path.c_str(), a.mode) != 0) return Error::from_errno(errno, "chmod " + path);
  const timespec times[2] = {to_timespec(a.atime), to_timespec(a.mtime)};
  if (::utimensat(AT_FDCWD, path.c_str(), times, AT_SYMLINK_NOFOLLOW) != 0) return Error::from_errno(errno, "times of " + path);
  return {};
}

Status Restorer::deleted_entry(const std::string& path, const DeletedEntry& entry, bool all) {
  std::error_code failed;
  const auto directory = std::filesystem::absolute(path, failed).parent_path();   // also of a bare name
  if (!failed) std::filesystem::create_directories(directory, failed);
  if (failed) return Error::from_errno(failed.value(), directory.string());
  return make(path, entry, all, entry.time - kTogether, 0);
}

Status Restorer::make(const std::string& path, const DeletedEntry& entry, bool all, Timestamp since, int depth) {
  const InodeRecord& inode = entry.inode;
  const Attributes& a = inode.attributes;
  TRY(already_there(path));
  switch (a.type) {
    case FileType::kFile: {
      const auto versions = TRY(history_.versions_of(inode.inode));
      return new_file(path, inode, versions.empty() ? nullptr : &versions.front());
    }
    case FileType::kDirectory:
      if (::mkdir(path.c_str(), 0700) != 0) return Error::from_errno(errno, path);
      ++made_;
      TRY(children(path, inode.inode, all, since, depth));
      return set_attributes(path, inode);
    case FileType::kSymlink: {
      const std::string target = TRY(history_.cipher().open_target(inode.inode, inode.sealed_target));
      if (::symlink(target.c_str(), path.c_str()) != 0) return Error::from_errno(errno, path);
      break;
    }
    default:
      if (::mknod(path.c_str(), format_bits(a.type) | 0600, a.rdev) != 0) return Error::from_errno(errno, path);
  }
  ++made_;
  return set_attributes(path, inode);
}

/// Under each name the entry that was deleted last; what went long before the directory was no part of it any more.
Status Restorer::children(const std::string& path, InodeId directory, bool all, Timestamp since, int depth) {
  if (depth > kMaxDepth) return Error(Code::kTooLarge, path + ": too deep");
  std::set<std::string> seen;
  bool more = false;
  for (const DeletedEntry& entry : TRY(history_.deleted(directory, {}, &more))) {
    if ((!all && entry.time < since) || !seen.insert(entry.name).second) continue;
    TRY(make(path + "/" + entry.name, entry, all, since, depth + 1));
  }
  if (more) context_.console.note(path + ": more was deleted from it than one command restores; restore the rest by name");
  return {};
}

}  // namespace skymoor::client
