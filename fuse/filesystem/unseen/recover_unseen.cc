// After a crash: what the kernel wrote for the process before us.
#include <unistd.h>

#include "fuse/filesystem/engine.h"

namespace skymoor::client {
namespace {

/// What of a file's first `size` bytes is no hole. Source: SEEK_DATA in man 2 lseek.
Result<ExtentSet> data_of(BackingFile& file, std::uint64_t size) {
  ExtentSet data;
  const int fd = file.fd();
  for (std::uint64_t at = 0; at < size;) {
    const off_t begin = ::lseek(fd, static_cast<off_t>(at), SEEK_DATA);
    if (begin < 0 && errno == ENXIO) break;
    const off_t end = begin < 0 ? -1 : ::lseek(fd, begin, SEEK_HOLE);
    if (end < 0) return Error::from_errno(errno, "looking for data in a backing file");
    data.add({static_cast<std::uint64_t>(begin), std::min(static_cast<std::uint64_t>(end), size)});
    at = static_cast<std::uint64_t>(end);
  }
  return data;
}

/// So many ranges fit a record.
constexpr std::size_t kMostRanges = 10000;

}  // namespace

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

Status Engine::recover_unseen_file(BackingFile& file) {
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
  return store_.power_was_lost() ? record_after_power_cut(file, now) : record_unseen(file, now);
}

/// Of what was here and unchanged (fetched, or read by the server from memory) not all need have reached the disk. Where it did
/// not there is a hole: that is absent from now on, and fetched again. The file may end earlier for the same reason: what a program
/// cuts off it cuts off through us.
Status Engine::record_after_power_cut(BackingFile& file, const UnseenStamp& now) {
  const InodeId id = file.inode();
  const ExtentSet data = TRY(data_of(file, now.size));
  TRY(backing_.make_dirty(id));
  MutexLock lock(store_.mutex());
  auto row = store_.inode(lock, id);
  if (!row.ok()) return row.error().code() == Code::kNotFound ? Status() : Status(row.error());
  const ContentRow content = TRY(store_.content(lock, id));
  if (content.manifest.empty() || data.size() > kMostRanges) {
    lock.unlock();
    return record_unseen(file, now);   // there is nothing to fetch
  }
  if (data.empty()) return {};
  const std::uint64_t recorded = row->attributes.size, size = std::max(recorded, now.size);
  Change change = store_.begin(lock, row->links == 0 ? Intent(LocalIntent{}) : Intent(WriteIntent{id, row->content}));
  row->content = content_id(change);
  row->attributes.size = size;
  row->attributes.mtime = now.mtime;
  row->attributes.ctime = change.time();
  change.mark_content(id, {size, kEndOfAll}, false, false);
  for (const Extent& hole : data.missing({0, recorded}))
    for (const Extent& clean : content.dirty.missing(hole)) change.mark_content(id, clean, false, false);
  for (const Extent& hole : data.missing({recorded, size})) change.mark_content(id, hole, true, true);
  for (const Extent& part : data.all()) change.mark_content(id, part, true, true);
  change.put(*row);
  return commit(lock, std::move(change));
}

}  // namespace skymoor::client
