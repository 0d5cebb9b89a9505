// Replay of the log's tail at open, and what else has to be put right then.
#include <algorithm>

#include "fuse/journal/store/store.h"
#include "fuse/journal/tables/row_codec.h"
#include "shared/base/log.h"

namespace skymoor::client {
namespace {

constexpr std::size_t kOrphansAtOnce = 1000;

}  // namespace

// What happened to files behind the log's data, by file. After a kill every write is in the backing file, so data that
// the log carries from before a write is not put over it. After a power cut a write that nobody synced may be missing,
// and older data that was synced through the log is better than what lies under it; but bytes that were cut off stay
// away. Files that were synced themselves (a note says so) hold all that came before.
struct JournaledMetadataStore::LaterWrites {
  explicit LaterWrites(bool lost) : power_lost(lost) {}
  const bool power_lost;
  std::unordered_map<InodeId, std::vector<std::pair<Lsn, Extent>>> writes;
  std::unordered_map<InodeId, Lsn> durable;  // inode 0: of every file

  void note_durable(const std::vector<RowChange>& note) {
    for (const RowChange& change : note)
      if (const auto* data = std::get_if<LogData>(&change))
        durable[data->inode] = std::max(durable[data->inode], Lsn{data->offset});
  }
  bool is_durable(InodeId inode, Lsn lsn) const {
    for (InodeId id : {inode, InodeId{}})
      if (auto it = durable.find(id); it != durable.end() && it->second >= lsn) return true;
    return false;
  }
  void note(const LogRecord& record) {
    for (const RowChange& change : record.changes) {
      const auto* mark = std::get_if<MarkContent>(&change);
      if (!mark || (power_lost && mark->valid && mark->dirty)) continue;
      ExtentSet unlogged;
      unlogged.add(mark->extent);
      for (const RowChange& other : record.changes)
        if (const auto* data = std::get_if<LogData>(&other); data && data->inode == mark->inode)
          unlogged.remove({data->offset, data->offset + data->bytes.size()});
      for (const Extent& part : unlogged.all()) writes[mark->inode].emplace_back(record.lsn, part);
    }
  }
  void remove_later(InodeId inode, Lsn lsn, ExtentSet& from) const {
    auto it = writes.find(inode);
    if (it == writes.end()) return;
    for (const auto& [when, extent] : it->second)
      if (when > lsn) from.remove(extent);
  }
};

Status JournaledMetadataStore::recount_dirty() {
  auto count = TRY(reads_->db().prepare("SELECT count(*),coalesce(sum(dirty_bytes),0) FROM content WHERE dirty_bytes>0"));
  TRY(count.step());
  dirty_files_ = count.u64(0);
  dirty_bytes_ = count.u64(1);
  return {};
}

Status JournaledMetadataStore::replay_log() {
  MutexLock lock(mutex_);
  Lsn from{applied_.value + 1};
  std::uint64_t records = 0;
  // Notes stand behind the record before them, so even an empty tail is looked at.
  auto visit = [&](const LogFrame& frame) -> Result<bool> {
    if (frame.kind == FrameKind::kNote) {
      // The tables have what it says, and what came after it: an evicted range may have been fetched again.
      if (closed_well_ && frame.lsn.value <= applied_.value) return true;
      ByteReader in(frame.body);
      std::vector<RowChange> changes = decode_changes(in);
      TRY(in.finish("note in the op log"));
      TRY(prepare(lock, changes));
      apply_note(lock, changes);
    } else {
      LogRecord record = TRY(decode_record(frame.body));
      TRY(replay_record(lock, std::move(record)));
      ++records;
    }
    trim(lock);
    return true;
  };
  TRY(log_->read(from, visit));
  if (records > 0) log_info("journal.replayed", {{"records", records}, {"last", log_->last().value}});
  return replay_data(lock);
}

Status JournaledMetadataStore::replay_record(const MutexLock& lock, LogRecord record) {
  TRY(prepare(lock, record.changes));
  apply(lock, record.changes, record.lsn);
  memory_lsn_ = record.lsn;
  if (memory_lsn_.value - applied_.value < options_.max_unchecked_records) return {};
  MutexLock writer(writer_mutex_);
  return checkpoint_inline(lock, writer);
}

// Only into ranges that are still dirty: what was acknowledged, cut off or handed to another file since is not ours.
Status JournaledMetadataStore::replay_data(const MutexLock& lock) {
  if (!replay_ || data_lsn_ >= log_->last()) return {};
  LaterWrites later(power_lost_);
  Lsn from{data_lsn_.value + 1};
  auto each = [&](const std::function<Status(const LogRecord&)>& visit) {
    return log_->read(from, [&](const LogFrame& frame) -> Result<bool> {
      if (frame.kind != FrameKind::kRecord) {
        ByteReader in(frame.body);
        later.note_durable(decode_changes(in));
        return true;
      }
      LogRecord record = TRY(decode_record(frame.body));
      TRY(visit(record));
      return true;
    });
  };
  TRY(each([&](const LogRecord& record) -> Status {
    later.note(record);
    return {};
  }));
  return each([&](const LogRecord& record) -> Status {
    for (const RowChange& change : record.changes) {
      const auto* data = std::get_if<LogData>(&change);
      if (!data || later.is_durable(data->inode, record.lsn)) continue;
      logged_data_.insert(data->inode);
      auto* entry = TRY(content_entry(lock, data->inode));
      if (!entry->row) continue;
      ExtentSet wanted;
      for (const Extent& part : entry->row->row.dirty.present({data->offset, data->offset + data->bytes.size()}))
        wanted.add(part);
      later.remove_later(data->inode, record.lsn, wanted);
      for (const Extent& part : wanted.all())
        TRY(replay_->replay(data->inode, part.begin,
                            ByteView(data->bytes).subspan(part.begin - data->offset, part.length())));
      contents_.trim();
    }
    return {};
  });
}

// What the process before knew of its own renames and conflict copies.
Status JournaledMetadataStore::find_replaced() {
  auto find = TRY(reads_->db().prepare("SELECT EXISTS(SELECT 1 FROM inode WHERE links=0)"));
  TRY(find.step());
  if (find.i64(0) == 0 && memory_lsn_ == applied_) return {};
  find.reset();
  MutexLock lock(mutex_);
  if (log_->last().value <= acknowledged_) return {};
  std::unordered_set<InodeId> orphans;
  auto unnamed = TRY(reads_->db().prepare("SELECT id FROM inode WHERE links=0"));
  while (TRY(unnamed.step())) orphans.insert(InodeId{unnamed.u64(0)});
  return log_->read(Lsn{acknowledged_ + 1}, [&](const LogFrame& frame) -> Result<bool> {
    if (frame.kind != FrameKind::kRecord) return true;
    const LogRecord record = TRY(decode_record(frame.body));
    note_replaced(lock, record);
    const InodeId copy = copy_of(record);
    const auto* entry = copy ? inodes_.peek(copy) : nullptr;   // what the database has not heard of yet
    if (entry ? entry->row && entry->row->links == 0 : orphans.contains(copy)) copies_.insert(copy);
    return true;
  });
}

// Inodes without a name that nobody can have open any more. One whose name the server still has is left for sync.
Status JournaledMetadataStore::remove_orphans() {
  MutexLock lock(mutex_);
  {
    MutexLock writer(writer_mutex_);
    if (memory_lsn_ > applied_) TRY(checkpoint_inline(lock, writer));
  }
  std::vector<InodeId> orphans;
  auto find = TRY(reads_->db().prepare("SELECT id FROM inode i WHERE links=0 AND NOT EXISTS "
                                       "(SELECT 1 FROM base_inode b WHERE b.id=i.id AND b.present=1)"));
  while (TRY(find.step())) orphans.push_back(InodeId{find.u64(0)});
  find.reset();
  // What the server knows and a conflict may bring back waits until the server has heard of its end, as it did before.
  for (InodeId& id : orphans) {
    auto row = TRY(reads_->inode(id));
    if (row && may_come_back(lock, *row)) id = kRootInode;
  }
  std::erase(orphans, kRootInode);
  for (std::size_t at = 0; at < orphans.size(); at += kOrphansAtOnce) {
    Change change = begin(lock, LocalIntent{});
    for (std::size_t i = at; i < std::min(orphans.size(), at + kOrphansAtOnce); ++i)
      change.erase_inode(orphans[i]);
    TRY(commit(lock, std::move(change)));
  }
  if (!orphans.empty()) log_info("journal.orphans_removed", {{"count", orphans.size()}});
  return {};
}

}  // namespace skymoor::client
