// Files that vouch for themselves: what fsync of a file that the kernel writes by itself has to sync.
//
// The bytes lie in the backing file, the record that they changed in the log: two syncs, each with a write to the disk and a
// flush. But the record says little that the file does not: size and time stand there, too, and which bytes changed is not
// known anyway. So from the third fdatasync on the backing file alone is synced, after it was noted (on the disk) that the
// file vouches for its content. After a power cut it is recorded as changed, whatever the records say.
//
// That is right as long as the last record on the disk about the content is one of unseen writes (`settled_base`), and no
// other record (a name, a mode) has come since: then that one is synced, and with it all before. A content from another
// device is in the tables only after all records of here were synced, so a file whose row shows such a one has nothing of
// its own to tell. fsync, unlike fdatasync, answers for the times as well and syncs the record. The note goes once nobody
// can write the file any more, after the records were synced and before the file may become a clean one.
#include "fuse/filesystem/engine.h"

namespace skymoor::client {
namespace {

constexpr std::uint32_t kSyncsBefore = 2;   // a file that is synced once or twice is not worth the note

}  // namespace

/// The last that happened to the inode, and to its content, was that unseen writes were recorded.
bool Engine::is_settled(const OpenInode& inode, const InodeRow& row) const {
  return row.changed == inode.settled && row.content == OpId{identity_.writer, inode.settled.value};
}

bool Engine::may_vouch(const MutexLock&, const OpenInode& inode, const InodeRow& row) const {
  return row.links != 0 && is_settled(inode, row) && inode.unseen_file && inode.unseen_file->serves(inode.id);
}

/// After a sync of file and record. Best effort: without the note both are synced each time.
void Engine::begin_vouching(const std::shared_ptr<OpenInode>& inode) {
  InodeId id;
  {
    MutexLock lock(store_.mutex());
    id = inode->id;
    auto row = store_.inode(lock, id);
    if (inode->vouching || options_.fsync_remote || !row.ok() || !may_vouch(lock, *inode, *row)) return;
    if (++inode->data_syncs < kSyncsBefore) return;
  }
  if (Status noted = backing_.set_vouching(id, true); !noted.ok()) {
    log_warn("filesystem.vouching.not_noted", {{"inode", id.value}, {"error", noted.error()}});
    return;
  }
  {
    MutexLock lock(store_.mutex());
    inode->vouching = inode->id == id && inode->unseen_file && inode->unseen_file->serves(id);
    if (inode->vouching) return;
  }
  (void)backing_.set_vouching(id, false);   // a conflict copy took the file in this moment
}

/// Each write through a handle is to be on the disk when it returns, and nobody tells us. Errors: Io, NoSpace.
Status Engine::vouch_from_now(const std::shared_ptr<OpenInode>& inode) {
  constexpr int kTries = 4;   // another record about the file may come in between
  for (int i = 0; i < kTries; ++i) {
    {
      MutexLock lock(store_.mutex());
      if (inode->vouching) return {};
    }
    TRY(settle(inode, Look::kAnyway));
    TRY(sync_inode(inode));
    {
      MutexLock lock(store_.mutex());
      inode->data_syncs = kSyncsBefore;
    }
    begin_vouching(inode);
    MutexLock lock(store_.mutex());
    const auto row = store_.inode(lock, inode->id);
    if (inode->vouching || !row.ok() || row->links == 0) return {};
  }
  return Error(Code::kBusy, "the file cannot be opened for synchronous writing in this moment: it is open, and being changed");
}

/// Nobody writes the file any more, and what was written is recorded. Blocks: on the disk.
Status Engine::end_vouching(const std::shared_ptr<OpenInode>& inode, InodeId id) {
  if (!backing_.vouching(id)) return {};
  {
    MutexLock lock(store_.mutex());
    if (inode->unseen_writers != 0) return {};   // opened again meanwhile
    inode->vouching = false;
    inode->data_syncs = 0;
  }
  TRY(store_.sync(store_.last_lsn()));
  return backing_.set_vouching(id, false);
}

/// At the start. After the end of a process the records tell, as of any file that was written unseen.
Status Engine::recover_vouching() {
  const std::vector<InodeId> vouching = backing_.vouching_inodes();
  if (vouching.empty()) return {};
  for (InodeId id : vouching) {
    if (!store_.power_was_lost()) continue;
    auto file = backing_.open_file(id, false);
    if (file.ok()) TRY(recover_vouched(**file));
    else if (file.error().code() != Code::kNotFound) return std::move(file).error();
  }
  TRY(store_.sync(store_.last_lsn()));
  for (InodeId id : vouching)
    if (lingering_.count(id) == 0) TRY(backing_.set_vouching(id, false));   // else its end is still to come
  return {};
}

Status Engine::recover_vouched(BackingFile& file) {
  UnseenStamp now = TRY(look_at(file));
  {
    MutexLock lock(store_.mutex());
    auto row = store_.inode(lock, file.inode());
    if (!row.ok() || row->links == 0 || row->content.writer != identity_.writer) return {};
  }
  log_info("filesystem.vouched.recovered", {{"inode", file.inode().value}, {"bytes", now.size}});
  return record_unseen(file, now);
}

}  // namespace skymoor::client
