// After a crash: what the kernel wrote for the process before us.
#include "fuse/filesystem/engine.h"

namespace skymoor::client {

Status Engine::recover_unseen() {
  TRY(recover_vouching());
  for (InodeId id : backing_.unseen_inodes()) {
    {
      const auto file = backing_.open_file(id, false);
      if (file.ok()) TRY(recover_unseen_file(**file));
      else if (file.error().code() != Code::kNotFound) return std::move(file).error();
    }
    // A mapping outlives the mount.
    if (backing_.has_writers(id)) TRY(go_on_watching(id));
    else TRY(backing_.set_unseen(id, false));
  }
  return {};
}

/// After a power cut nothing is recorded. What was synced has a record, or its file vouches; what nobody synced may be lost; and
/// what else is in the file may be of any time: bytes that were fetched and never reached the disk, or those from before. All that
/// no record calls changed is fetched again (the era, JOURNAL.md).
Status Engine::recover_unseen_file(BackingFile& file) {
  if (store_.power_was_lost()) return {};
  UnseenStamp now = TRY(look_at(file)), known;
  bool pending;
  {
    MutexLock lock(store_.mutex());
    auto row = store_.inode(lock, file.inode());
    if (!row.ok()) return {};
    known = {row->attributes.mtime, row->attributes.size};
    pending = !TRY(store_.content(lock, file.inode())).dirty.empty();
  }
  // What is pending is read from the file. Of what the server has nobody knows whether a mapping wrote on without a sign.
  if (pending && !written_since(known, now)) return {};
  log_info("filesystem.unseen.recovered", {{"inode", file.inode().value}, {"bytes", now.size}});
  return record_unseen(file, now);
}

}  // namespace skymoor::client
