// Passthrough: files that the kernel reads and writes without us.
//
//   kNone --first open--> kCached        (not wholly here, empty or too large to be written unseen, the quota nearly used up, or
//                                         switched off)
//         --first open--> kPassthrough   (wholly here)
//   kCached, kPassthrough --last release--> kNone
//
// The kernel cannot mix the ways on one inode: later opens follow the first. In kPassthrough an open for writing makes
// the inode *watched*: it is listed as unseen in the backing store (through kill -9), and its backing file carries a stamp.
// `settle` compares file and stamp, and records what was written past us. It runs at fstat, flush, fsync, release, once a tick,
// and after a crash (recover_unseen.cc). Whoever only opens for writing, as readers of databases do, changes nothing. A mapping may
// go on writing after the release: the inode stays watched (lingering) until the
// backing store says that nobody can write the file any more. What it writes to a page may leave no sign after a stamp
// (unseen_stamp.h): a file that was stamped is recorded once more when nobody can write it any more, before a sync of everything,
// and when the kernel has had the time to write its pages.
//
// A watched file changes hands for nobody: what another device made of it, and its last name's end, meets a change of here, written
// or not (`claim_unseen`), and the file goes to the conflict copy. Else what is written here, by a program that saw the old
// content, would be taken for a change of the new one, and a fetch would write under the kernel's hands. The journal asks
// (`may_be_written`) in the moment when it would put the other content there.
//
// Writes through O_SYNC and O_DSYNC handles would be on the disk, and nobody would know: such a file is served by us, or, where
// others have it open the other way, vouches for itself (vouch.cc) from the open on.
#include "fuse/filesystem/file/content_change.h"

namespace skymoor::client {
namespace {

/// Larger files are written through us when they are updated in place, so that only touched chunks are sent again.
constexpr std::uint64_t kMaxUnseenBytes = 4ull << 30;

/// How often, and for how long each time, an open waits for the last writer of the same file to be gone.
constexpr int kMaxLettingGo = 100;
constexpr std::chrono::milliseconds kLettingGo{50};

/// By then the kernel has written by itself what was dirty (vm.dirty_expire_centisecs and a writeback interval): little is
/// left to write.
constexpr std::chrono::seconds kBlind{40};

}  // namespace

Result<bool> Engine::may_pass_through(const MutexLock& lock, Request& request, OpenInode& inode, const InodeRow& row,
                                      OpenFlags flags, bool may_grow) {
  if (!options_.passthrough || inode.mode == IoMode::kCached) return false;
  bool whole = inode.view.wholly_valid(row.attributes.size);
  if (!whole) {
    TRY(reload_view(lock, inode, row));
    whole = inode.view.wholly_valid(row.attributes.size);
  }
  if (inode.mode == IoMode::kPassthrough) {
    if (!whole) return lacks(request, Need::Kind::kContent, inode.id, {0, row.attributes.size});
    if (flags.sync && flags.write && options_.fsync_remote)
      return Error(Code::kBusy, "others have the file open: with fsync=remote it cannot be opened for synchronous writing meanwhile");
    return true;
  }
  if (!whole || flags.direct || (flags.sync && flags.write)) return false;
  if (!flags.write) return true;
  const std::uint64_t size = row.attributes.size;
  return may_grow && size <= kMaxUnseenBytes && (size != 0 || options_.passthrough_empty);
}

/// Before the kernel gets the file for writing: on return a crash finds out what it wrote. Errors: Conflict (another content came
/// meanwhile: which way the file is served has to be decided anew), Busy, Io, NoSpace.
Status Engine::begin_unseen(const std::shared_ptr<OpenInode>& inode) {
  for (int attempt = 0;; ++attempt) {
    ContentChange change(*this, inode);
    TRY(change.begin());
    bool removed, anew;
    {
      MutexLock lock(store_.mutex());
      // A move put another content in its place: what is written to the file is nobody's any more.
      removed = inode->unseen_file && !inode->unseen_file->serves(inode->unseen_file->inode());
      anew = !inode->watched.load(std::memory_order_acquire) || (removed && inode->handles == 1);
    }
    if (anew) {
      TRY(backing_.set_unseen(inode->id, true));
      Status watched = watch(change, *inode);
      if (!watched.ok()) (void)backing_.set_unseen(inode->id, false);
      return watched;
    }
    MutexLock lock(store_.mutex());
    if (inode->unseen_file.get() == &change.file()) return {};
    if (removed) return Error(Code::kBusy, "the file is still open as what it was before a conflict");
    // The last writer is going this moment (end_unseen asks who else can write): it says when it knows.
    if (attempt == kMaxLettingGo) return Error(Code::kBusy, "the file's last writer is still being let go of");
    unseen_held_.wait_for(lock, kLettingGo);
  }
}

/// Before the kernel gets the file for reading: it reads to the end of the backing file, which may hold bytes of a write
/// that was cut short before its record.
Status Engine::cut_unrecorded(const std::shared_ptr<OpenInode>& inode, BackingFile& file) {
  {
    MutexLock lock(store_.mutex());
    auto row = store_.inode(lock, inode->id);
    if (!row.ok()) return Error(Code::kStale, "the inode is gone");
    if (!inode->trim_wanted || inode->watched.load(std::memory_order_acquire)) return {};
    if (TRY(file.file().size()) <= row->attributes.size) return {};
  }
  ContentChange change(*this, inode);
  return change.begin();
}

Status Engine::watch(ContentChange& change, OpenInode& inode) {
  MutexLock lock(store_.mutex());
  auto row = store_.inode(lock, inode.id);
  if (!row.ok()) return Error(Code::kStale, "the inode is gone");
  const std::uint64_t size = row->attributes.size;
  if (!inode.view.loaded_for(*row) || !inode.view.wholly_valid(size))
    return Error(Code::kConflict, "another device's content came while the file was opened");
  if (TRY(change.file().file().size()) != size) TRY(change.file().file().truncate(size));
  TRY(stamp_unseen(change.file(), inode.unseen, row->attributes.mtime));
  inode.blind_since.reset();
  inode.data_syncs = 0;
  inode.vouching = false;
  inode.unseen_file = inode.file;
  inode.watched.store(true, std::memory_order_release);
  return {};
}

/// Records the file of `inode` as changed, all of it, with the size and time the kernel gave it. The stamp comes first:
/// a write before it is in this record, a write after it shows at the next look.
Result<bool> Engine::settle(const std::shared_ptr<OpenInode>& inode, Look look) {
  std::shared_ptr<BackingFile> file;
  {
    MutexLock lock(store_.mutex());
    file = inode->unseen_file;
  }
  if (!file) return false;
  MutexLock changing(inode->change);
  UnseenStamp now = TRY(look_at(*file));
  if (!inode->watched.load(std::memory_order_acquire)) return false;
  const bool written = written_since(inode->unseen, now);
  const bool silent = look == Look::kSilent || look == Look::kLast;
  if (!written && look != Look::kAnyway && !(silent && inode->blind_since)) return false;
  // While a re-plan gives the file to a conflict copy its rows are ahead of its name: which inode was written is not to
  // be told in between.
  BackingFile::Modification recording(*file);
  if (!file->serves(file->inode())) return false;   // removed: nobody's any more
  // One nanosecond less than any later write in the same clock tick could give it.
  Timestamp mtime = written ? now.mtime - std::chrono::nanoseconds(1) : inode->unseen.mtime;
  TRY(stamp_unseen(*file, inode->unseen, mtime));
  UnseenStamp stamped = inode->unseen;
  inode->blind_since = clock_.monotonic();
  Status recorded = look == Look::kSilent ? protect_pages(*file) : Status();
  if (recorded.ok() && look == Look::kSilent) inode->blind_since.reset();
  if (recorded.ok()) recorded = record_unseen(*file, stamped);
  if (!recorded.ok()) {
    inode->unseen = UnseenStamp{};  // not what the file looks like: the next settle tries again
    return std::move(recorded).error();
  }
  return true;
}

/// What lies past the largest file is cut off, which flush and fsync tell.
/// Privileges stay: before a caller who may not keep them writes, the kernel says so (a SETATTR).
Status Engine::record_unseen(BackingFile& file, const UnseenStamp& stamp) {
  const InodeId id = file.inode();
  // The disk below may take more than a file of ours can have.
  const bool too_large = stamp.size > kMaxFileBytes;
  const std::uint64_t size = std::min(stamp.size, kMaxFileBytes);
  if (too_large) TRY(file.file().truncate(size));
  TRY(backing_.make_dirty(id));
  if (!file.serves(id)) return Error(Code::kIo, "somebody has removed the file that a program writes");
  MutexLock lock(store_.mutex());
  auto row = store_.inode(lock, id);
  if (!row.ok()) return row.error().code() == Code::kNotFound ? Status() : Status(row.error());
  // Where nothing says which bytes were written, those that nobody wrote count as changed, too.
  if (store_.has_base(lock, id)) store_.bytes_first(lock, id);
  auto it = open_.find(id);
  const bool goes_on = it != open_.end() && is_settled(*it->second, *row);
  Change change = store_.begin(lock, row->links == 0 ? Intent(LocalIntent{}) : Intent(WriteIntent{id, row->content}));
  row->content = content_id(change);
  row->attributes.size = size;
  row->attributes.mtime = stamp.mtime;
  row->attributes.ctime = change.time();
  change.mark_content(id, {size, kEndOfAll}, false, false);
  change.mark_content(id, {0, size}, true, true);
  change.put(*row);
  const Lsn lsn = change.lsn();
  TRY(commit(lock, std::move(change)));
  if (it == open_.end()) return {};
  it->second->settled = lsn;
  if (!goes_on) it->second->settled_base = lsn;
  it->second->view.cut(row->content, size);
  it->second->view.written(row->content, {0, size});
  if (too_large) note_failed(lock, *it->second, Error(Code::kFileTooLarge, "what was written past the largest file is gone"));
  return {};
}

/// Gives a watched file the time that its owner set. What is written in this moment is recorded with it.
Status Engine::restamp(const std::shared_ptr<OpenInode>& inode, Timestamp mtime) {
  std::shared_ptr<BackingFile> file;
  {
    MutexLock lock(store_.mutex());
    file = inode->unseen_file;
  }
  if (!file) return {};
  MutexLock changing(inode->change);
  BackingFile::Modification recording(*file);
  TRY(stamp_unseen(*file, inode->unseen, mtime));
  inode->blind_since = clock_.monotonic();
  return record_unseen(*file, inode->unseen);
}

/// What was deleted here is its writers' alone: a change of it stands against nothing.
bool Engine::may_be_written(const MutexLock& lock, InodeId id) {
  for (const auto* table : {&open_, &lingering_})
    if (auto it = table->find(id); it != table->end() && it->second->watched.load(std::memory_order_acquire)) {
      const auto row = store_.inode(lock, id);
      return row.ok() && row->links != 0;
    }
  return false;
}

bool Engine::is_shown(const MutexLock&, InodeId id) {
  auto it = open_.find(id);
  return it != open_.end() && it->second->mode == IoMode::kPassthrough;
}

Status Engine::claim_unseen(const Coming& coming) {
  std::vector<std::pair<std::shared_ptr<OpenInode>, Look>> claimed;
  {
    MutexLock lock(store_.mutex());
    for (const auto& [id, content] : coming) {
      std::shared_ptr<OpenInode> inode;
      for (const auto* table : {&open_, &lingering_})
        if (auto it = table->find(id); !inode && it != table->end()) inode = it->second;
      if (!inode || !inode->watched.load(std::memory_order_acquire)) continue;
      // Its last writer is going this moment; that may come to nothing.
      for (int i = 0; i < kMaxLettingGo && !inode->unseen_file && inode->watched.load(std::memory_order_acquire); ++i)
        unseen_held_.wait_for(lock, kLettingGo);
      const auto row = store_.inode(lock, id);
      const bool named = row.ok() && row->links != 0 && content && *content == OpId{};   // the journal has refused something on its account
      const bool other = row.ok() && row->links != 0 && content && *content != row->content;
      // What is dirty has a record that is to be sent. A pending change of attributes alone would keep nothing.
      const bool clean = other && TRY(store_.content(lock, id)).dirty.empty();
      claimed.emplace_back(std::move(inode), clean || named ? Look::kAnyway : other ? Look::kSilent : Look::kSigned);
    }
  }
  for (const auto& [inode, look] : claimed) TRY(settle(inode, look));
  return {};
}

/// Gives up our own hold on the watched file, so that it can be asked who else has it. Answers whose file it is.
InodeId Engine::let_go_of_unseen(const std::shared_ptr<OpenInode>& inode) {
  MutexLock lock(store_.mutex());
  wait_for_file(lock, *inode);
  inode->unseen_file.reset();
  if (inode->handles == 0) inode->file.reset();
  lingering_[inode->id] = inode;
  return inode->id;
}

/// A file that nobody wrote after all may be evicted as before. Best effort: eviction under pressure finds it, too.
void Engine::give_back_unwritten(InodeId id, BackingFile& file) {
  auto frozen = file.freeze();
  {
    MutexLock lock(store_.mutex());
    const auto row = store_.inode(lock, id);
    if (!row.ok() || row->links == 0 || !file.serves(id) || !server_has_all(lock, *row)) return;
  }
  if (Status cleaned = backing_.make_clean(id); !cleaned.ok())
    log_warn("filesystem.make_clean.failed", {{"inode", id.value}, {"error", cleaned.error()}});
}

/// The last handle that could write it is gone: stops watching unless a mapping is left.
void Engine::end_unseen(const std::shared_ptr<OpenInode>& inode) {
  while (!try_end_unseen(inode)) {}
}

/// False: a conflict copy took the file meanwhile, and what was asked was asked of another.
bool Engine::try_end_unseen(const std::shared_ptr<OpenInode>& inode) {
  const InodeId id = let_go_of_unseen(inode);
  const bool writers = backing_.has_writers(id);
  auto file = backing_.open_file(id, false);
  {
    MutexLock lock(store_.mutex());
    if (inode->id != id) return false;
    if (file.ok() && !inode->unseen_file) inode->unseen_file = *file;
    unseen_held_.notify_all();
  }
  // Only of a file that is not there nothing can come any more.
  if (!file.ok() && file.error().code() != Code::kNotFound) {
    log_error("filesystem.unseen.not_opened", {{"inode", id.value}, {"error", file.error()}});
    return true;
  }
  // After the question: what wrote before it is seen now.
  auto settled = settle(inode, writers ? Look::kSigned : Look::kLast);
  if (!settled.ok()) log_error("filesystem.settle.failed", {{"inode", id.value}, {"error", settled.error()}});
  if (writers || !settled.ok()) return true;
  if (Status ended = end_vouching(inode, id); !ended.ok()) {
    log_error("filesystem.vouching.not_ended", {{"inode", id.value}, {"error", ended.error()}});
    return true;   // goes on being watched
  }
  MutexLock changing(inode->change);
  std::optional<BackingFile::Holding> holding;   // the number and the file belong together until both are let go of
  if (file.ok()) holding.emplace(**file);
  {
    MutexLock lock(store_.mutex());
    if (inode->id != id) return false;
    if (inode->unseen_writers != 0) return true;   // opened again meanwhile
    inode->watched.store(false, std::memory_order_release);
    inode->unseen_file.reset();
    unseen_held_.notify_all();
  }
  (void)backing_.set_unseen(id, false);
  holding.reset();
  if (file.ok()) give_back_unwritten(id, **file);
  // Only now: who opens it in between takes this one, and waits for `change`.
  MutexLock lock(store_.mutex());
  if (!inode->watched.load(std::memory_order_acquire)) lingering_.erase(id);
  return true;
}

void Engine::settle_unseen(Look look) {
  std::vector<std::shared_ptr<OpenInode>> watched, over;
  {
    MutexLock lock(store_.mutex());
    for (auto& [id, inode] : open_)
      if (inode->unseen_writers != 0) watched.push_back(inode);
    for (auto& [id, inode] : lingering_)
      if (inode->unseen_writers == 0) over.push_back(inode);
  }
  const Instant long_ago = clock_.monotonic() - kBlind;
  auto settle_one = [&](const std::shared_ptr<OpenInode>& inode) {
    bool blind;
    {
      MutexLock changing(inode->change);
      blind = inode->blind_since && *inode->blind_since <= long_ago;
    }
    auto settled = settle(inode, blind ? Look::kSilent : look);
    if (!settled.ok()) log_error("filesystem.settle.failed", {{"inode", inode->id.load().value}, {"error", settled.error()}});
  };
  for (const auto& inode : watched) settle_one(inode);
  for (const auto& inode : over) {
    settle_one(inode);
    end_unseen(inode);
  }
}

}  // namespace skymoor::client
