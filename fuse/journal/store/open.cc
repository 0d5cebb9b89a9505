// Opening and closing: the database, the identity, the era, the log.
#include <algorithm>

#include "fuse/journal/store/store.h"
#include "fuse/journal/tables/row_codec.h"
#include "shared/base/log.h"
#include "shared/model/codec.h"

namespace skymoor::client {
namespace {

constexpr std::string_view kDatabaseName = "/metadata.db";
constexpr std::size_t kManifestBytesCached = 16u << 20;

// Entries of the content table weigh what they take, in units of 64 bytes.
std::size_t content_weight(const CachedContent* content) {
  if (!content) return 2;
  return 4 + (content->row.manifest.size() + 48 * (content->row.valid.size() + content->row.dirty.size())) / 64;
}

Result<StoreIdentity> decode_identity(ByteView bytes) {
  ByteReader in(bytes);
  StoreIdentity identity;
  codec::get(in, identity.volume);
  codec::get(in, identity.device);
  identity.writer = WriterId{in.u32()};
  TRY(in.finish("meta.identity in metadata.db"));
  return identity;
}

bool same(const StoreIdentity& a, const StoreIdentity& b) {
  return a.volume == b.volume && a.device == b.device && a.writer == b.writer;
}

}  // namespace

Bytes encode_identity(const StoreIdentity& identity) {
  ByteWriter out;
  codec::put(out, identity.volume);
  codec::put(out, identity.device);
  out.u32(identity.writer.value);
  return out.take();
}

namespace {

/// NotFound, unless a log is there: then its database was lost.
Error no_state(Disk& disk, const std::string& directory) {
  if (!disk.exists(directory)) return Error(Code::kNotFound, "no state in " + directory);
  auto names = disk.list(directory);
  if (!names.ok()) return std::move(names).error();
  for (const std::string& name : *names)
    if (parse_segment_name(name))
      return Error(Code::kCorrupt, directory + std::string(kDatabaseName) + " is missing or empty, but the op log (" + name +
                                       ") is there; restore metadata.db from a copy");
  return Error(Code::kNotFound, "no state in " + directory);
}

}  // namespace

Result<std::unique_ptr<MetadataStore>> MetadataStore::open(Disk& disk, Clock& clock, Options options,
                                                           StoreIdentity identity, DataReplay* replay) {
  auto store = std::make_unique<JournaledMetadataStore>(disk, clock, std::move(options), identity, replay);
  TRY(store->open_all());
  return std::unique_ptr<MetadataStore>(std::move(store));
}

Result<StoreIdentity> MetadataStore::read_identity(Disk& disk, const std::string& directory) {
  std::string path = directory + std::string(kDatabaseName);
  if (!disk.exists(path)) return no_state(disk, directory);
  const auto file = TRY(disk.open(path, {.read_only = true}));
  if (TRY(file->size()) == 0) return no_state(disk, directory);
  auto db = TRY(sqlite::Database::open(path));
  auto tables = TRY(db->prepare("SELECT count(*) FROM sqlite_master WHERE name='meta'"));
  if (!TRY(tables.step()) || tables.i64(0) == 0) return no_state(disk, directory);
  auto get = TRY(db->prepare("SELECT value FROM meta WHERE key='identity'"));
  if (!TRY(get.step())) return no_state(disk, directory);
  return decode_identity(get.blob(0));
}

JournaledMetadataStore::JournaledMetadataStore(Disk& disk, Clock& clock, Options options, StoreIdentity identity,
                                               DataReplay* replay)
    : disk_(disk),
      clock_(clock),
      options_(std::move(options)),
      identity_(identity),
      replay_(replay),
      database_path_(options_.directory + std::string(kDatabaseName)),
      inodes_(options_.cached_inodes),
      dentries_(options_.cached_dentries, nullptr,
                [this](const NameKey& key, const DentryTable::Entry& entry) {
                  if (entry.row) resident_.erase(key.owner);
                }),
      contents_(kManifestBytesCached / 64, content_weight),
      name_lists_(options_.cached_dentries / 2) {}

JournaledMetadataStore::~JournaledMetadataStore() {
  if (Status done = close(); !done.ok()) log_error("journal.close", {{"error", done.error()}});
}

Status JournaledMetadataStore::open_all() {
  TRY(disk_.make_directories(options_.directory));
  directory_lock_ = TRY(lock_directory(options_.directory));
  TRY(open_database());
  TRY(load_meta());
  TRY(open_log());
  TRY(recount_dirty());
  TRY(replay_log());
  TRY(find_replaced());
  if (!options_.keep_orphans) TRY(remove_orphans());
  // A fresh mount remembers nothing; of what one that is taken over was told nothing is known here.
  outlived_ = {};
  if (options_.keep_orphans) outlived_.add_all();
  opened_ = true;
  auto start = [this](std::jthread& thread, std::chrono::milliseconds interval, bool checkpoints) {
    if (interval.count() > 0)
      thread = std::jthread([this, interval, checkpoints] { housekeep(interval, checkpoints); });
  };
  start(sync_thread_, options_.sync_interval, false);
  start(checkpoint_thread_, options_.checkpoint_interval, true);
  return {};
}

Status JournaledMetadataStore::open_database() {
  auto writer = TRY(sqlite::Database::open(database_path_, {.cache_kib = 8192}));
  TRY(migrate_metadata(*writer));
  TRY(writer->execute("PRAGMA wal_autocheckpoint=0;PRAGMA journal_size_limit=16777216"));
  writer_ = TRY(SqlTables::open(std::move(writer)));
  TRY(claim());
  auto reader = TRY(sqlite::Database::open(database_path_, {.cache_kib = 16384}));
  TRY(reader->execute("PRAGMA query_only=1"));
  reader_ = TRY(SqlTables::open(std::move(reader)));
  reads_ = reader_.get();
  return {};
}

// The identity is on the disk before the log is begun: a log without it means that the database was lost.
Status JournaledMetadataStore::claim() {
  if (std::optional<Bytes> there = TRY(writer_->meta("identity"))) {
    StoreIdentity found = TRY(decode_identity(*there));
    if (same(found, identity_)) return {};
    return Error(Code::kUnknownServer, options_.directory + " holds the state of volume " + found.volume.hex() +
                                           ", device " + found.device.hex() + ": it is not used for another one");
  }
  if (Error none = no_state(disk_, options_.directory); none.code() != Code::kNotFound) return none;
  auto transaction = TRY(sqlite::Transaction::begin(writer_->db()));
  TRY(writer_->put_meta("identity", encode_identity(identity_)));
  TRY(write_position(*writer_, SyncPosition{}));
  TRY(writer_->put_meta("offered", encode_offers({})));
  TRY(transaction.commit());
  return writer_->db().checkpoint_wal();
}

Status JournaledMetadataStore::load_meta() {
  applied_ = memory_lsn_ = Lsn{TRY(writer_->meta_number("applied"))};
  applied_seen_ = applied_.value;
  data_lsn_ = data_on_disk_ = Lsn{TRY(writer_->meta_number("data_applied"))};
  next_cookie_ = std::max<std::uint64_t>(1, TRY(writer_->meta_number("next_cookie")));
  transaction_ = TRY(writer_->meta_number("transaction"));
  rebases_ = TRY(writer_->meta_number("rebases"));
  totals_.inodes = TRY(writer_->meta_number("total_inodes"));
  totals_.bytes = TRY(writer_->meta_number("total_bytes"));
  totals_on_disk_ = totals_;
  SyncPosition position;
  position.epoch = Epoch{static_cast<std::uint32_t>(TRY(writer_->meta_number("epoch")))};
  position.cursor = Sequence{TRY(writer_->meta_number("cursor"))};
  position.acknowledged = Lsn{TRY(writer_->meta_number("acknowledged"))};
  if (auto hash = TRY(writer_->meta("hash"))) position.hash = TRY(Hash256::from(*hash));
  acknowledged_ = position.acknowledged.value;
  {
    MutexLock status(status_mutex_);
    position_ = position;
  }
  auto listings = TRY(writer_->db().prepare("SELECT directory,sequence FROM listing"));
  while (TRY(listings.step())) listings_[InodeId{listings.u64(0)}] = Sequence{listings.u64(1)};
  return {};
}

std::string JournaledMetadataStore::boot_id() {
  if (!options_.boot_id.empty()) return options_.boot_id;
  auto file = disk_.open("/proc/sys/kernel/random/boot_id", {.read_only = true});
  if (!file.ok()) return "";
  Bytes text(36);
  auto got = (*file)->read_at(0, text);
  return got.ok() ? std::string(as_text(ByteView(text).first(*got))) : "";
}

Status JournaledMetadataStore::open_log() {
  std::string boot = boot_id();
  std::optional<Bytes> last_boot = TRY(writer_->meta("boot_id"));
  bool clean = TRY(writer_->meta_number("clean")) == 1;
  // Without a boot id nothing says that the machine ran on.
  closed_well_ = clean;
  power_lost_ = last_boot && !clean && (boot.empty() || as_text(*last_boot) != boot);
  era_ = TRY(writer_->meta_number("era"));
  // A state from before this was noted: what earlier power cuts left was looked at then.
  recovered_era_ = TRY(writer_->meta("recovered_era")) ? TRY(writer_->meta_number("recovered_era")) : era_;
  if (power_lost_) ++era_;
  OpLog::Known known{applied_, std::min(Lsn{acknowledged_}, data_lsn_), transaction_, power_lost_};
  log_ = TRY(OpLog::open(disk_, clock_,
                         {options_.directory, identity_.volume, identity_.writer, options_.segment_bytes}, known));
  // A state from before offers were noted: any record may have been sent.
  auto offered = TRY(writer_->meta("offered"));
  offers_ = offered ? TRY(decode_offers(*offered)) : Offers{log_->last(), {}};
  offered_ = std::max(offers_.last().value, acknowledged_.load());
  doubted_ = power_lost_ ? offers_.last() : Lsn{TRY(writer_->meta_number("doubted"))};
  if (log_->last() < Lsn{acknowledged_})
    return Error(Code::kCorrupt, "the op log in " + options_.directory + " ends at record " +
                                     std::to_string(log_->last().value) + ", but the server has records up to " +
                                     std::to_string(acknowledged_) + "; restore the newest log-* files");
  TRY(start_era(boot));
  log_->set_dependencies([this]() -> Status {
    if (dependency_write_ <= database_writes_synced_) return {};
    return sync_database();
  });
  return {};
}

// After the log: a start that fails in between must find what this one found. Synced before anything is noted or
// evicted under it.
Status JournaledMetadataStore::start_era(const std::string& boot) {
  if (power_lost_) log_warn("journal.power_lost", {{"directory", options_.directory}, {"era", era_}});
  auto transaction = TRY(sqlite::Transaction::begin(writer_->db()));
  TRY(writer_->put_meta("boot_id", as_bytes(boot)));
  TRY(writer_->put_meta("clean", 0));
  TRY(writer_->put_meta("era", era_));
  TRY(writer_->put_meta("recovered_era", recovered_era_.load()));
  TRY(writer_->put_meta("doubted", doubted_.value));
  TRY(transaction.commit());
  wal_file_ = TRY(disk_.open(database_path_ + "-wal", {}));
  TRY(wal_file_->sync());
  return disk_.sync_directory(options_.directory);
}

Status JournaledMetadataStore::note_recovered() {
  if (!power_was_lost()) return {};
  MutexLock writer(writer_mutex_);
  TRY(writer_->put_meta("recovered_era", era_));
  recovered_era_ = era_;
  return {};
}

Status JournaledMetadataStore::close() {
  {
    MutexLock lock(housekeeper_mutex_);
    stopping_ = true;
    housekeeper_wake_.notify_all();
  }
  if (sync_thread_.joinable()) sync_thread_.join();
  if (checkpoint_thread_.joinable()) checkpoint_thread_.join();
  MutexLock one(checkpoint_mutex_);
  {
    MutexLock lock(mutex_);
    if (std::exchange(closed_, true) || !opened_) return {};
  }
  TRY(checkpoint_locked());
  MutexLock writer(writer_mutex_);
  TRY(writer_->put_meta("clean", 1));
  return writer_->db().checkpoint_wal();
}

}  // namespace skymoor::client
