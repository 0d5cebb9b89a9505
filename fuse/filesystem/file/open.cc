#include "fuse/filesystem/file/content_change.h"

namespace skymoor::client {
namespace {
constexpr int kMostTries = 8;   // of an open between whose steps other contents come
}

Result<Opened> Engine::open(Request& request, InodeId id, OpenFlags flags) {
  if (options_.ask_at_open) TRY(ask_first(request, id));
  std::shared_ptr<OpenInode> inode;
  {
    MutexLock lock(store_.mutex());
    InodeRow row = TRY(row_of(lock, request, id));
    if (row.attributes.type == FileType::kDirectory) return Error(Code::kIsDirectory, "a directory");
    if (row.attributes.type == FileType::kSymlink) return Error(Code::kLoop, "a symbolic link");
    if (row.attributes.type != FileType::kFile) return Error(Code::kNoDevice, "not a file with content");
    inode = enter(lock, id);
  }
  if (flags.truncate) {
    if (Status cut = truncate(request, inode, 0, request.uid != 0); !cut.ok()) {
      MutexLock lock(store_.mutex());
      leave(lock, inode);
      return std::move(cut).error();
    }
  }
  return finish_open(request, std::move(inode), flags);
}

/// Decides how the kernel will serve the file, counts the handle in, and has it ready for that way.
std::pair<Result<bool>, Status> Engine::enter_ready(Request& request, const std::shared_ptr<OpenInode>& inode, OpenFlags flags,
                                                    Opened& opened) {
  for (int tries = 1;; ++tries) {
    auto through = enter_mode(request, inode, flags);
    if (!through.ok() || !*through) return {std::move(through), Status()};
    Status prepared = is_whole(inode) ? prepare_through(inode, flags, opened)
                                      : Status(Error(Code::kConflict, "some of the file went while it was opened"));
    // Something is missing after all, or became so: once more, perhaps the other way.
    if (prepared.ok() || prepared.error().code() != Code::kConflict || tries == kMostTries)
      return {std::move(through), std::move(prepared)};
    leave_ready(inode, flags.write, true);
  }
}

/// Takes back what enter_ready has counted. The last other writer may have gone while this one was counted.
void Engine::leave_ready(const std::shared_ptr<OpenInode>& inode, bool writer, bool through) {
  bool last_writer;
  {
    MutexLock lock(store_.mutex());
    leave_mode(lock, *inode, writer, through);
    last_writer = through && writer && inode->unseen_writers == 0 && inode->watched.load();
  }
  if (last_writer) end_unseen(inode);
}

Status Engine::prepare_through(const std::shared_ptr<OpenInode>& inode, OpenFlags flags, Opened& opened) {
  auto file = TRY(backing_of(inode, true));
  TRY(flags.write ? begin_unseen(inode) : cut_unrecorded(inode, *file));
  if (flags.write && flags.sync) TRY(vouch_from_now(inode));
  opened.passthrough = std::move(file);
  return {};
}

/// Takes over the caller's place in the table of open inodes: it becomes the handle's, or is left.
Result<Opened> Engine::finish_open(Request& request, std::shared_ptr<OpenInode> inode, OpenFlags flags) {
  Opened opened;
  auto [ready, prepared] = enter_ready(request, inode, flags, opened);
  if (ready.ok() && *ready) opened.wants_flush = flags.write;
  MutexLock lock(store_.mutex());
  Result<HandleId> handle = !ready.ok()      ? Result<HandleId>(ready.error())
                            : !prepared.ok() ? Result<HandleId>(prepared.error())
                                             : handles_.add({.inode = inode,
                                                             .read = flags.read,
                                                             .write = flags.write,
                                                             .append = flags.append,
                                                             .sync = flags.sync,
                                                             .no_access_time = flags.no_access_time,
                                                             .passthrough = opened.passthrough != nullptr});
  if (!handle.ok()) {
    lock.unlock();
    if (ready.ok()) leave_ready(inode, flags.write, *ready);
    MutexLock again(store_.mutex());
    leave(again, inode);
    return std::move(handle).error();
  }
  opened.handle = *handle;
  opened.unnamed = inode->unnamed;
  opened.failed = inode->failed.has_value();
  // The kernel may serve all reads itself: opening for reading is the access that is seen for certain.
  if (flags.read && !flags.write && !flags.no_access_time) opened.accessed = note_access(lock, inode->id);
  opened.keep_cache = !trust_no_pages_ && changed_elsewhere_.erase(inode->id) == 0;
  return opened;
}

/// The file itself says whether all that the tables count on is here: a wiped cache or a power cut may have taken it. Asked
/// before the kernel is given the file, for it would take the end of what is left for the end of the file.
bool Engine::is_whole(const std::shared_ptr<OpenInode>& inode) {
  if (auto file = backing_of(inode, false); !file.ok() && file.error().code() != Code::kNotFound) return true;   // the open says so
  MutexLock lock(store_.mutex());
  auto row = store_.inode(lock, inode->id);
  return !row.ok() || inode->view.wholly_valid(row->attributes.size);
}

/// Decides how the kernel will serve the file and counts the handle in; true: passthrough.
Result<bool> Engine::enter_mode(Request& request, const std::shared_ptr<OpenInode>& inode, OpenFlags flags) {
  // Nobody can say EDQUOT to a write that the kernel does by itself.
  constexpr std::uint64_t kUnseenGrowth = 256ull << 20;
  const bool may_grow = options_.passthrough && flags.write && space_.quota_leaves(kUnseenGrowth);
  MutexLock lock(store_.mutex());
  InodeRow row = TRY(row_of(lock, request, inode->id));
  bool passthrough = false;
  if (options_.passthrough) {
    TRY(load_view(lock, *inode, row));
    passthrough = TRY(may_pass_through(lock, request, *inode, row, flags, may_grow));
  }
  inode->mode = passthrough ? IoMode::kPassthrough : IoMode::kCached;
  ++inode->handles;
  if (row.links != 0) inode->forgotten = false;
  if (flags.write) ++(passthrough ? inode->unseen_writers : inode->cached_writers);
  return passthrough;
}

void Engine::leave_mode(const MutexLock&, OpenInode& inode, bool writer, bool passthrough) {
  if (writer) --(passthrough ? inode.unseen_writers : inode.cached_writers);
  if (--inode.handles == 0) inode.mode = IoMode::kNone;
}

}  // namespace skymoor::client
