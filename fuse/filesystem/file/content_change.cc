#include "fuse/filesystem/file/content_change.h"

#include <sys/stat.h>

#include <algorithm>

#include "fuse/filesystem/unseen/unseen_stamp.h"

namespace skymoor::client {
namespace {

constexpr int kMaxTakeovers = 16;   // how often the file may change hands before we call it an error

}  // namespace

/// A conflict copy or a removal may take the file while we wait for the modification: then the inode's new one is
/// opened.
Status ContentChange::hold_file() {
  for (int i = 0; i < kMaxTakeovers; ++i) {
    file_ = TRY(engine_.backing_of(inode_, true));
    modification_.emplace(*file_);
    if (file_->serves(inode_->id)) TRY(engine_.backing_.make_dirty(inode_->id));
    if (file_->serves(inode_->id)) return {};
    modification_.reset();
  }
  return Error(Code::kBusy, "the file keeps changing hands");
}

/// Cuts off what may lie beyond the end of the file, so that growing it later shows zeros there. A watched file has no
/// such bytes: whatever is in it was written by somebody.
Status ContentChange::trim() {
  if (inode_->watched.load(std::memory_order_acquire)) return {};
  std::uint64_t size;
  {
    MutexLock lock(engine_.store_.mutex());
    if (!inode_->trim_wanted) return {};
    auto row = engine_.store_.inode(lock, inode_->id);
    if (!row.ok()) return Error(Code::kStale, "the inode is gone");
    size = row->attributes.size;
  }
  if (TRY(file_->file().size()) > size) TRY(file_->file().truncate(size));
  MutexLock lock(engine_.store_.mutex());
  inode_->trim_wanted = false;
  return {};
}

Status ContentChange::begin() {
  if (inode_->watched.load(std::memory_order_acquire)) TRY(engine_.settle(inode_));
  lock_.emplace(inode_->change);
  TRY(hold_file());
  return trim();
}

/// The manifest says how to get the rest. Once the file is changed here, the server may let that version go.
Status ContentChange::begin(Request& request) {
  TRY(begin());
  MutexLock lock(engine_.store_.mutex());
  InodeRow row = TRY(engine_.row_of(lock, request, inode_->id));
  began_with_ = row.content;
  if (row.content == OpId{}) return {};   // a new file
  TRY(engine_.load_view(lock, *inode_, row));
  while (inode_->trim_wanted && !inode_->watched.load(std::memory_order_relaxed)) {   // another device's content came in between
    lock.unlock();
    TRY(trim());
    lock.lock();
    row = TRY(engine_.row_of(lock, request, inode_->id));
    TRY(engine_.load_view(lock, *inode_, row));
    began_with_ = row.content;
  }
  auto known = [&] { return inode_->view.has_manifest() || inode_->view.wholly_valid(row.attributes.size); };
  if (row.attributes.size == 0 || known()) return {};
  TRY(engine_.reload_view(lock, *inode_, row));  // fetched, perhaps, since it was loaded
  if (known()) return {};
  return engine_.lacks(request, Need::Kind::kInode, inode_->id);
}

void ContentChange::mark(const MutexLock& lock, Change& change, const InodeRow& row, Extent written,
                         std::uint64_t old_size) {
  std::uint64_t size = row.attributes.size;
  if (size < old_size) change.mark_content(row.id, {size, kEndOfAll}, false, false);
  if (size > old_size) written = {std::min(written.begin, old_size), std::max(written.end, size)};
  written.end = std::min(written.end, size);
  if (written.begin >= written.end) return;
  const Extent dirty = dirty_extent(inode_->view, written, size);
  if (dirty != written && engine_.store_.has_base(lock, row.id)) engine_.store_.bytes_first(lock, row.id);
  change.mark_content(row.id, dirty, true, true);
}

/// The record of a new content, and the row as it leaves it.
std::pair<Change, InodeRow> ContentChange::begin_record(const MutexLock& lock, const InodeRow& row, std::uint64_t size) {
  Change change = engine_.store_.begin(lock, row.links == 0 ? Intent(LocalIntent{}) : Intent(WriteIntent{row.id, row.content}));
  InodeRow after = row;
  after.content = engine_.content_id(change);
  after.attributes.size = size;
  after.attributes.mtime = after.attributes.ctime = change.time();
  return {std::move(change), std::move(after)};
}

Status ContentChange::record(const MutexLock& lock, InodeRow& row, Extent written, std::uint64_t size) {
  TRY(engine_.load_view(lock, *inode_, row));
  const std::uint64_t old_size = row.attributes.size;
  if (row.content == OpId{} && old_size == 0 && !inode_->watched.load(std::memory_order_relaxed))
    inode_->unsynced.all_synced();   // a new file: there is nothing that could be missing
  // Another device's content came in since `begin` cut the file: what is beyond its end is still that of before.
  if (size > old_size && began_with_ && *began_with_ != row.content && !inode_->watched.load(std::memory_order_relaxed)) {
    TRY(file_->zero({old_size, std::max(written.begin, old_size)}));
    TRY(file_->zero({std::max(written.end, old_size), size}));
  }
  auto [change, after] = begin_record(lock, row, size);
  if (inode_->watched.load(std::memory_order_relaxed)) {
    // Others write past us: the backing file is the truth, and all of it may have changed.
    after.attributes.size = TRY(stamp_unseen(*file_, inode_->unseen, after.attributes.mtime));
    if (after.attributes.size > kMaxFileBytes) {
      inode_->unseen = UnseenStamp{};   // the next settle cuts it off
      return Error(Code::kFileTooLarge, "larger than the largest file");
    }
    written = {0, after.attributes.size};
  }
  mark(lock, change, after, written, old_size);
  if (Status done = commit(lock, std::move(change), after); !done.ok()) {
    if (inode_->watched.load(std::memory_order_relaxed)) inode_->unseen = UnseenStamp{};   // the next settle records it
    else give_up(lock, written);
    return done;
  }
  if (after.attributes.size < old_size) inode_->view.cut(after.content, after.attributes.size);
  Extent valid{std::min(written.begin, after.attributes.size > old_size ? old_size : written.begin),
               std::min(std::max(written.end, after.attributes.size > old_size ? after.attributes.size : 0),
                        after.attributes.size)};
  inode_->view.written(after.content, valid);
  plain_ ? inode_->unsynced.wrote(written) : inode_->unsynced.lost_track();
  row = std::move(after);
  return {};
}

Status ContentChange::record_clone(const MutexLock& lock, InodeRow& row, Bytes manifest, std::uint64_t size) {
  auto [change, after] = begin_record(lock, row, size);
  change.put_manifest(row.id, after.content, std::move(manifest));
  TRY(commit(lock, std::move(change), after));
  inode_->view.forget();
  row = std::move(after);
  return {};
}

Status ContentChange::commit(const MutexLock& lock, Change change, InodeRow& after) {
  const bool taken = takes_from_ && TRY(engine_.take_privileges(lock, change, after, may_keep_ids_));
  change.put(after);
  TRY(engine_.commit(lock, std::move(change)));
  if (taken) takes_from_->stale = after.id;
  return {};
}

void ContentChange::record_failure(const MutexLock& lock, Extent touched) {
  inode_->trim_wanted = true;
  auto row = engine_.store_.inode(lock, inode_->id);
  if (!row.ok()) return;
  if (!engine_.load_view(lock, *inode_, *row).ok()) return;
  touched.end = std::min(touched.end, row->attributes.size);
  for (const Extent& part : inode_->view.valid_set().present(touched))
    if (!record(lock, *row, part, row->attributes.size).ok()) return;
}

void ContentChange::give_up(const MutexLock& lock, Extent touched) {
  inode_->trim_wanted = true;
  inode_->view.forget();
  auto content = engine_.store_.content(lock, inode_->id);
  if (!content.ok()) return;
  for (const Extent& part : content->valid.present(touched))
    for (const Extent& clean : content->dirty.missing(part))
      (void)engine_.store_.note_content(lock, inode_->id, clean, false);
}

}  // namespace skymoor::client
