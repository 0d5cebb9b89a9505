// A state goes on under another writer: its log and tables written anew with other numbers for what the server lacks.
#include "fuse/journal/renumbering.h"
#include "fuse/journal/store/store.h"
#include "fuse/journal/store/offers.h"
#include "shared/base/log.h"

namespace skymoor::client {
namespace {

constexpr std::string_view kDatabaseName = "/metadata.db";
constexpr std::size_t kCopyBytes = 1u << 20, kRecordsAtOnce = 1000;

/// Every id in an intent or a row change.
struct Renumber {
  const Renumbering& numbers;
  template <typename Id>
  void set(Id& id) const {
    id = numbers.of(id);
  }
  template <typename Slot>
  void slot(Slot& s) const {
    set(s.directory);
    set(s.inode);
  }
  void operator()(LocalIntent&) const {}
  void operator()(CreateIntent& i) const { slot(i); }
  void operator()(RmdirIntent& i) const { slot(i); }
  void operator()(LinkIntent& i) const {
    slot(i);
    set(i.seen);
  }
  void operator()(UnlinkIntent& i) const {
    slot(i);
    set(i.seen);
  }
  void operator()(RenameIntent& i) const {
    set(i.from_directory);
    set(i.to_directory);
    set(i.inode);
    set(i.seen);
    set(i.replaced);
    set(i.replaced_seen);
  }
  void operator()(WriteIntent& i) const {
    set(i.inode);
    set(i.seen);
  }
  void operator()(AttributeIntent& i) const { set(i.inode); }
  void operator()(XattrIntent& i) const { set(i.inode); }

  void operator()(PutInode& c) const { c.row = numbers.of(std::move(c.row)); }
  void operator()(EraseInode& c) const { set(c.inode); }
  void operator()(PutDentry& c) const { slot(c.row); }
  void operator()(EraseDentry& c) const { set(c.directory); }
  void operator()(PutXattr& c) const { set(c.inode); }
  void operator()(EraseXattr& c) const { set(c.inode); }
  void operator()(MarkContent& c) const { set(c.inode); }
  void operator()(PutManifest& c) const {
    set(c.inode);
    set(c.content);
  }
  void operator()(MoveContent& c) const {
    set(c.from);
    set(c.to);
  }
  void operator()(LogData& c) const { set(c.inode); }
};

Status copy_file(Disk& disk, const std::string& from, const std::string& to) {
  auto source = TRY(disk.open(from, {.read_only = true}));
  auto target = TRY(disk.open(to, {.create = true, .exclusive = true}));
  Bytes part(kCopyBytes);
  for (std::uint64_t at = 0;; at += part.size()) {
    part.resize(kCopyBytes);
    part.resize(TRY(source->read_at(at, part)));
    if (part.empty()) return target->sync();
    TRY(target->write_at(at, part));
  }
}

Result<std::uint64_t> last_transaction(const std::string& directory) {
  auto db = TRY(sqlite::Database::open(directory + std::string(kDatabaseName)));
  auto tables = TRY(SqlTables::open(std::move(db)));
  return tables->meta_number("transaction");
}

/// The log of what is pending, from the record after the last that the server has.
Status write_log(MetadataStore& store, Disk& disk, Clock& clock, const StoreIdentity& to, const std::string& into,
                 const OpLog::Known& known, const Renumbering& numbers) {
  const Lsn first{numbers.after.value + 1};
  {
    auto file = TRY(disk.open(into + "/" + segment_name(first), {.create = true, .exclusive = true}));
    TRY(file->write_at(0, encode_segment_header({to.volume, to.writer, first, clock.now()})));
    TRY(file->sync());
  }
  auto log = TRY(OpLog::open(disk, clock, {into, to.volume, to.writer}, known));
  for (Lsn done = numbers.after; done < store.last_lsn();) {
    auto records = TRY(store.records_after(done, kRecordsAtOnce, kMaxRecordBytes));
    if (records.empty()) return Error(Code::kCorrupt, "records behind " + std::to_string(done.value) + " are missing");
    for (LogRecord& record : records) {
      done = record.lsn;
      encode_record_to(log->start(FrameKind::kRecord, record.lsn, known.transaction), numbers.of(std::move(record)));
      TRY(log->append());
    }
  }
  return log->sync(log->last());
}

/// Rows that name others: an inode's own number and the keys of all tables follow in `renumber_keys`.
Status renumber_bodies(SqlTables& tables, const Renumbering& numbers) {
  std::vector<InodeId> pending;
  {
    auto find = TRY(tables.db().prepare("SELECT id FROM inode WHERE changed>?1"));
    find.bind(1, numbers.after.value);
    while (TRY(find.step())) pending.push_back(InodeId{find.u64(0)});
  }
  for (InodeId id : pending) {
    auto row = TRY(tables.inode(id));
    if (!row) continue;
    InodeRow changed = numbers.of(*row);
    changed.id = id;
    TRY(tables.put_inode(changed));
  }
  return {};
}

Status renumber_keys(SqlTables& tables, const Renumbering& numbers) {
  constexpr std::pair<const char*, const char*> kIds[] = {
      {"inode", "id"},           {"dentry", "directory"},      {"dentry", "inode"},     {"xattr", "inode"},
      {"content", "inode"},      {"manifest", "inode"},        {"base_inode", "id"},    {"base_dentry", "directory"},
      {"base_dentry", "inode"},  {"base_xattr", "inode"},      {"base_manifest", "inode"}, {"tombstone", "id"},
      {"tombstone", "directory"}, {"listing", "directory"}};
  constexpr std::uint64_t kCounters = (1ull << kInodeCounterBits) - 1;
  for (const auto& [table, column] : kIds) {
    // Bits, not sums: ids are unsigned, SQLite's numbers are not.
    const std::string id = column;
    auto set = TRY(tables.db().prepare("UPDATE " + std::string(table) + " SET " + id + "=(" + id + "&?1)|?2 WHERE " + id +
                                       " BETWEEN ?3 AND ?4"));
    TRY(set.bind(1, kCounters)
            .bind(2, make_inode_id(numbers.to, 0).value)
            .bind(3, make_inode_id(numbers.from, numbers.after.value + 1).value)
            .bind(4, make_inode_id(numbers.from, kCounters).value)
            .run());
  }
  // Not base_manifest: what the server has of a content that was sent ahead of its records it has under the old number.
  auto set = TRY(tables.db().prepare("UPDATE manifest SET writer=?1 WHERE writer=?2 AND counter>?3"));
  return set.bind(1, numbers.to.value).bind(2, numbers.from.value).bind(3, numbers.after.value).run();
}

/// Of the confirmed tree, in which nothing else has such a number.
Result<std::vector<Renumbering::SentAhead>> find_sent_ahead(SqlTables& tables, const Renumbering& numbers) {
  std::vector<InodeId> kept_aside;
  for (const char* select : {"SELECT id FROM base_inode WHERE present=1", "SELECT id FROM tombstone"}) {
    auto find = TRY(tables.db().prepare(select));
    while (TRY(find.step())) kept_aside.push_back(InodeId{find.u64(0)});
  }
  std::vector<Renumbering::SentAhead> ahead;
  for (InodeId id : kept_aside) {
    OpId content;
    if (auto base = TRY(tables.base_inode(id)); base && base->row) content = base->row->content;
    else if (auto dead = TRY(tables.tombstone(id))) content = dead->row.content;
    if (content.writer == numbers.from && content.counter > numbers.after.value) ahead.push_back({id, content});
  }
  return ahead;
}

Status renumber_tables(const std::string& path, const StoreIdentity& to, const Renumbering& numbers) {
  auto db = TRY(sqlite::Database::open(path, {.synchronous = sqlite::Synchronous::kFull}));
  auto tables = TRY(SqlTables::open(std::move(db)));
  auto transaction = TRY(sqlite::Transaction::begin(tables->db()));
  TRY(renumber_bodies(*tables, numbers));
  TRY(renumber_keys(*tables, numbers));
  TRY(tables->put_meta("identity", encode_identity(to)));
  // The records' data is in the backing files, and the new writer has sent nothing yet.
  const std::uint64_t applied = TRY(tables->meta_number("applied"));
  TRY(tables->put_meta("data_applied", applied));
  TRY(tables->put_meta("offered", encode_offers({})));
  TRY(tables->put_meta("doubted", 0));
  TRY(transaction.commit());
  return tables->db().checkpoint_wal();
}

}  // namespace

InodeRow Renumbering::of(InodeRow row) const {
  row.id = of(row.id);
  row.parent = of(row.parent);
  row.content = of(row.content);
  return row;
}

LogRecord Renumbering::of(LogRecord record) const {
  std::visit(Renumber{*this}, record.intent);
  for (RowChange& change : record.changes) std::visit(Renumber{*this}, change);
  return record;
}

namespace {

/// Whose numbers change. A state without a writer has made nothing (the root's number looks like its own): none do.
WriterId changing(WriterId from, WriterId to) { return from ? from : to; }

}  // namespace

Status MetadataStore::renumber(Disk& disk, Clock& clock, Options options, StoreIdentity to, const std::string& into,
                               DataReplay* replay) {
  const std::string directory = options.directory;
  const StoreIdentity from = TRY(read_identity(disk, directory));
  if (from.volume != to.volume || (from.writer == to.writer && to.writer))
    return Error(Code::kInvalidArgument, "the state of another volume, or no other writer");
  Renumbering numbers{changing(from.writer, to.writer), to.writer, {}};
  TRY(disk.make_directories(into));
  options.sync_interval = options.checkpoint_interval = std::chrono::milliseconds(0);
  auto store = TRY(open(disk, clock, options, from, replay));
  const auto dirty = TRY(store->dirty_inodes());
  if (replay) TRY(replay->make_durable(dirty));
  TRY(store->checkpoint());
  numbers.after = store->position().acknowledged;
  const std::uint64_t transaction = TRY(last_transaction(directory));
  const OpLog::Known known{numbers.after, numbers.after, transaction, false};
  TRY(write_log(*store, disk, clock, to, into, known, numbers));
  log_info("journal.renumbered", {{"directory", directory}, {"from", numbers.from.value}, {"to", numbers.to.value},
                                  {"after", numbers.after.value}, {"last", store->last_lsn().value}});
  TRY(store->close());
  store.reset();
  TRY(copy_file(disk, directory + std::string(kDatabaseName), into + std::string(kDatabaseName)));
  TRY(renumber_tables(into + std::string(kDatabaseName), to, numbers));
  return disk.sync_directory(into);
}

Result<Renumbering> MetadataStore::read_renumbering(Disk& disk, const std::string& before, const std::string& after) {
  Renumbering numbers;
  numbers.to = TRY(read_identity(disk, after)).writer;
  numbers.from = changing(TRY(read_identity(disk, before)).writer, numbers.to);
  auto db = TRY(sqlite::Database::open(after + std::string(kDatabaseName)));
  auto tables = TRY(SqlTables::open(std::move(db)));
  numbers.after = Lsn{TRY(tables->meta_number("acknowledged"))};
  numbers.ahead = TRY(find_sent_ahead(*tables, numbers));
  return numbers;
}

}  // namespace skymoor::client
