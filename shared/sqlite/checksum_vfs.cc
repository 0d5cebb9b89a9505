#include "shared/sqlite/checksum_vfs.h"

#include <sqlite3.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <new>

#include "shared/sqlite/page_checksum.h"

namespace skymoor::sqlite {
namespace {

constexpr std::size_t kMaxDamages = 32;
constexpr sqlite3_int64 kLogHeaderBytes = 32, kFrameHeaderBytes = 24, kNowhere = -1;
constexpr std::size_t kSaltBytes = 8;
// Places in the log's header and in that of its index (there in the machine's order). Source: sqlite.org/fileformat2.html, "WAL
// File Format", and sqlite.org/walformat.html, "The WAL-Index Header".
constexpr std::size_t kLogVersionAt = 4, kLogPageBytesAt = 8, kLogSaltAt = 16, kLogSumAt = 24, kFrameSaltAt = 8, kFrameSumAt = 16;
constexpr std::size_t kIndexFramesAt = 16, kIndexSaltAt = 32, kIndexFoldedAt = 96;
constexpr std::uint32_t kLogMagic = 0x377f0682, kLogVersion = 3007000;   // the magic's lowest bit is the order of its sums

enum class Role : std::uint8_t { kDatabase, kLog, kOther };

struct Damage {
  std::uint32_t number;   ///< of a page, or of a frame of the log; 0: the log's header
  bool in_log;
  PageFault fault;
  bool operator==(const Damage&) const = default;
};

/// One open file. SQLite allocates it and gives it to every method; `base` comes first. One thread at a time uses it.
struct ShimFile {
  sqlite3_file base;
  sqlite3_file* below;      ///< ours, in memory of SQLite's
  const char* name;         ///< SQLite's, as long as the file is open; null for a temporary one
  Role role;
  // Of a database:
  FileHeader header;
  std::uint8_t* page;       ///< room for a page; null until one was wanted
  Damage damages[kMaxDamages];
  std::size_t damage_count;
  ShimFile* log;            ///< this connection's; null while it has none open
  const volatile std::uint8_t* index;   ///< the log's, in memory that connections share; null: there is none
  bool log_checked;         ///< for the checkpoint that is under way
  std::uint32_t whole_check;   ///< how many frames the log had when all of them were checked last
  bool log_damaged;         ///< the log that had `damaged_salt` (each new one has another)
  std::uint8_t damaged_salt[kSaltBytes];
  // Of a log:
  ShimFile* database;       ///< null where it is not ours
  sqlite3_int64 uncommitted;   ///< where the first frame lies that this connection has not committed yet; kNowhere
};

ShimFile& shim(sqlite3_file* file) { return *reinterpret_cast<ShimFile*>(file); }
sqlite3_vfs* below() { return sqlite3_vfs_find(nullptr); }

std::span<std::uint8_t> bytes_of(void* data, int amount) {
  return {static_cast<std::uint8_t*>(data), static_cast<std::size_t>(amount)};
}
ByteView bytes_of(const void* data, int amount) {
  return {static_cast<const std::uint8_t*>(data), static_cast<std::size_t>(amount)};
}

/// What SQLite says of damage that it finds by itself. After an SQLITE_IOERR it would roll the transaction back beneath whoever
/// has begun it.
constexpr int kDamaged = SQLITE_CORRUPT;

std::uint32_t index_u32(const ShimFile& database, std::size_t at) {
  return *reinterpret_cast<const volatile std::uint32_t*>(database.index + at);
}

int damaged(ShimFile* database, Damage damage) {
  if (!database) return kDamaged;
  if (damage.in_log) {
    database->log_damaged = true;
    if (database->index) std::copy_n(database->index + kIndexSaltAt, kSaltBytes, database->damaged_salt);
  }
  if (database->damage_count > 0 && database->damages[database->damage_count - 1] == damage) return kDamaged;
  if (database->damage_count == kMaxDamages) {
    std::copy(database->damages + 1, database->damages + kMaxDamages, database->damages);
    --database->damage_count;
  }
  database->damages[database->damage_count++] = damage;
  return kDamaged;
}

/// Whether this connection has found the log that is in use now to be damaged: what is added to it is lost at the next start.
bool log_is_damaged(const ShimFile& database) {
  if (!database.log_damaged) return false;
  return !database.index || std::equal(database.damaged_salt, database.damaged_salt + kSaltBytes, database.index + kIndexSaltAt);
}

// ---- all of the log, before a checkpoint

/// What the next start would ask of the log's header; the size of a page.
int check_log_header(ShimFile& f, std::span<std::uint8_t> header, std::uint32_t& page_bytes) {
  const int rc = f.log->below->pMethods->xRead(f.log->below, header.data(), static_cast<int>(header.size()), 0);
  if (rc == SQLITE_IOERR_SHORT_READ) return damaged(&f, {0, true, PageFault::kCut});
  if (rc != SQLITE_OK) return rc;
  const std::uint32_t magic = big_endian_u32(header.data());
  page_bytes = big_endian_u32(header.data() + kLogPageBytesAt);
  LogSum sum;
  sum.add(header.first(kLogSumAt), magic & 1);
  const bool right = (magic & ~1u) == kLogMagic && big_endian_u32(header.data() + kLogVersionAt) == kLogVersion &&
                     page_bytes >= kSmallestPage && page_bytes <= kLargestPage && std::has_single_bit(page_bytes) &&
                     sum == LogSum{big_endian_u32(header.data() + kLogSumAt), big_endian_u32(header.data() + kLogSumAt + 4)};
  return right ? SQLITE_OK : damaged(&f, {0, true, PageFault::kWrong});
}

struct Frames {
  std::uint32_t first, last;
  std::uint32_t folded;   ///< up to here they are in the file already
};

/// Checks frames as the next start would, except that one goes on from what the frame before says: damage of folded ones does not
/// end it.
int check_frames(ShimFile& f, ByteView log_header, std::span<std::uint8_t> room, const Frames& frames) {
  const bool big_endian = log_header[3] & 1;
  auto number_at = [](const std::uint8_t* at) { return LogSum{big_endian_u32(at), big_endian_u32(at + 4)}; };
  auto place_of = [&room](std::uint32_t frame) {
    return kLogHeaderBytes + (sqlite3_int64{frame} - 1) * static_cast<sqlite3_int64>(room.size());
  };
  auto read = [&f](std::span<std::uint8_t> out, sqlite3_int64 at) {
    return f.log->below->pMethods->xRead(f.log->below, out.data(), static_cast<int>(out.size()), at);
  };
  LogSum sum = number_at(log_header.data() + kLogSumAt);
  if (frames.first > 1) {
    std::uint8_t before[kFrameHeaderBytes];
    if (int rc = read(before, place_of(frames.first - 1))) return rc;
    sum = number_at(before + kFrameSumAt);
  }
  for (std::uint32_t frame = frames.first; frame <= frames.last; ++frame) {
    const int rc = read(room, place_of(frame));
    if (rc == SQLITE_IOERR_SHORT_READ) return damaged(&f, {frame, true, PageFault::kCut});
    if (rc != SQLITE_OK) return rc;
    sum.add(room.first(8), big_endian);
    sum.add(room.subspan(kFrameHeaderBytes), big_endian);
    const LogSum written = number_at(room.data() + kFrameSumAt);
    const bool of_this_log = std::equal(room.data() + kFrameSaltAt, room.data() + kFrameSumAt, log_header.data() + kLogSaltAt);
    if (!of_this_log || sum != written) {
      const int found = damaged(&f, {frame, true, PageFault::kWrong});
      if (frame > frames.folded) return found;
    }
    sum = written;
  }
  return SQLITE_OK;
}

/// SQLite copies pages in their order and stops at the first that it cannot read: what it had copied by then would be newer than
/// what the next start takes from the log, which it cuts at the damage. So all that the log holds is checked before the first write.
/// Nothing may start the log anew meanwhile: a checkpoint's lock, or a writer's.
///
/// Not `whole`: what is folded already, whose damage does not concern the file, is left out unless the log became longer by a
/// quarter. Where readers keep a log from being started anew, each commit of a server makes a checkpoint.
int check_log(ShimFile& f, bool whole) {
  if (!f.index || !f.log) return SQLITE_OK;
  const std::uint32_t frames = index_u32(f, kIndexFramesAt), folded = index_u32(f, kIndexFoldedAt);
  if (frames == 0) return SQLITE_OK;
  std::uint8_t header[kLogHeaderBytes];
  std::uint32_t page_bytes = 0;
  if (int rc = check_log_header(f, header, page_bytes)) return rc;
  const std::size_t frame_bytes = kFrameHeaderBytes + page_bytes;
  auto* room = static_cast<std::uint8_t*>(sqlite3_malloc64(frame_bytes));
  if (!room) return SQLITE_IOERR_NOMEM;
  whole = whole || frames < f.whole_check || frames - f.whole_check >= f.whole_check / 4;
  if (whole) f.whole_check = frames;
  const int rc = check_frames(f, header, {room, frame_bytes}, {whole ? 1 : folded + 1, frames, folded});
  sqlite3_free(room);
  return rc;
}

/// With an index, only checkpoints write to the database file.
int before_write(ShimFile& f) {
  if (f.log_checked) return SQLITE_OK;
  const int rc = check_log(f, false);
  f.log_checked = rc == SQLITE_OK;
  return rc;
}

// ---- the database file

/// Of a file that was empty when this connection read its first page, or whose first page came from the log until now.
int learn_kind(ShimFile& f) {
  if (f.header.kind != PageKind::kUnknown) return SQLITE_OK;
  std::uint8_t bytes[kHeaderBytes];
  const int rc = f.below->pMethods->xRead(f.below, bytes, sizeof bytes, 0);
  if (rc == SQLITE_OK) f.header = read_header(bytes);
  return rc == SQLITE_IOERR_SHORT_READ ? SQLITE_OK : rc;
}

/// A page of `amount` bytes at `offset` of a database with checksums; `rc` is what reading it gave.
int checked_page(ShimFile& f, const void* data, int amount, sqlite3_int64 offset, int rc) {
  const auto number = static_cast<std::uint32_t>(offset / amount + 1);
  // A page that SQLite asks for was written once, whole. What a file lacks would be zeros to it.
  const PageFault fault = rc == SQLITE_IOERR_SHORT_READ ? PageFault::kCut : check_page(bytes_of(data, amount), number);
  return fault == PageFault::kNone ? SQLITE_OK : damaged(&f, {number, false, fault});
}

bool make_room(ShimFile& f) {
  if (!f.page) f.page = static_cast<std::uint8_t*>(sqlite3_malloc64(f.header.page_bytes));
  return f.page != nullptr;
}

/// What lies in parts of pages, from pages that were checked whole.
int read_parts(ShimFile& f, std::span<std::uint8_t> out, sqlite3_int64 offset) {
  if (!make_room(f)) return SQLITE_IOERR_NOMEM;
  const int page_bytes = static_cast<int>(f.header.page_bytes);
  while (!out.empty()) {
    const sqlite3_int64 start = offset - offset % page_bytes;
    int rc = f.below->pMethods->xRead(f.below, f.page, page_bytes, start);
    if (rc != SQLITE_OK && rc != SQLITE_IOERR_SHORT_READ) return rc;
    rc = checked_page(f, f.page, page_bytes, start, rc);
    if (rc != SQLITE_OK) return rc;
    const auto from = static_cast<std::size_t>(offset - start);
    const std::size_t length = std::min(out.size(), static_cast<std::size_t>(page_bytes) - from);
    std::copy_n(f.page + from, length, out.begin());
    out = out.subspan(length);
    offset += static_cast<sqlite3_int64>(length);
  }
  return SQLITE_OK;
}

int read_database(ShimFile& f, void* out, int amount, sqlite3_int64 offset) {
  const auto in_header = static_cast<int>(kHeaderBytes);
  int rc = f.below->pMethods->xRead(f.below, out, amount, offset);
  if (rc != SQLITE_OK && rc != SQLITE_IOERR_SHORT_READ) return rc;
  // Once it has said so, it is so: of a header that says something else then, the page's checksum is wrong.
  if (offset == 0 && amount >= in_header && f.header.kind != PageKind::kChecked) f.header = read_header(bytes_of(out, amount));
  if (offset != 0)
    if (int failed = learn_kind(f)) return failed;
  if (f.header.kind == PageKind::kContradictory) return damaged(&f, {1, false, PageFault::kHeader});
  // The header alone is asked for to learn the size of a page, which is read then.
  if (f.header.kind != PageKind::kChecked || offset + amount <= in_header) return rc;
  if (amount == static_cast<int>(f.header.page_bytes) && offset % amount == 0) return checked_page(f, out, amount, offset, rc);
  return read_parts(f, bytes_of(out, amount), offset);
}

int write_database(ShimFile& f, const void* data, int amount, sqlite3_int64 offset) {
  if (int rc = before_write(f)) return rc;
  if (offset == 0 && amount >= static_cast<int>(kHeaderBytes) && f.header.kind != PageKind::kChecked)
    f.header = read_header(bytes_of(data, amount));
  if (offset != 0)
    if (int rc = learn_kind(f)) return rc;
  if (f.header.kind == PageKind::kContradictory) return damaged(&f, {1, false, PageFault::kHeader});
  if (f.header.kind != PageKind::kChecked) return f.below->pMethods->xWrite(f.below, data, amount, offset);
  if (amount != static_cast<int>(f.header.page_bytes) || offset % amount != 0) return SQLITE_IOERR_WRITE;
  if (!make_room(f)) return SQLITE_IOERR_NOMEM;
  std::memcpy(f.page, data, f.header.page_bytes);
  seal_page({f.page, f.header.page_bytes}, static_cast<std::uint32_t>(offset / amount + 1));
  return f.below->pMethods->xWrite(f.below, f.page, amount, offset);
}

// ---- the write-ahead log

/// Where the frame lies whose page of `amount` bytes is at `offset`; kNowhere if no frame's page can be there.
sqlite3_int64 frame_of(int amount, sqlite3_int64 offset) {
  if (amount < kSmallestPage || (amount & (amount - 1)) != 0) return kNowhere;
  const sqlite3_int64 frame = offset - kFrameHeaderBytes;
  return frame >= kLogHeaderBytes && (frame - kLogHeaderBytes) % (amount + kFrameHeaderBytes) == 0 ? frame : kNowhere;
}

std::uint32_t frame_number(int amount, sqlite3_int64 frame) {
  return static_cast<std::uint32_t>((frame - kLogHeaderBytes) / (amount + kFrameHeaderBytes) + 1);
}

/// Sums in the log go on from frame to frame: this one's starts from that of the frame before, or of the log's header.
int check_frame(ShimFile& f, const void* page, int amount, sqlite3_int64 frame) {
  std::uint8_t log_header[kLogHeaderBytes], before[8], header[kFrameHeaderBytes];
  const bool first = frame == kLogHeaderBytes;
  const sqlite3_int64 sum_before = first ? kLogHeaderBytes - 8 : frame - amount - 8;
  auto read = [&f](auto& part, sqlite3_int64 at) { return f.below->pMethods->xRead(f.below, part, sizeof part, at); };
  if (int rc = read(log_header, 0)) return rc;
  if (int rc = read(before, sum_before)) return rc;
  if (int rc = read(header, frame)) return rc;
  LogSum sum{big_endian_u32(before), big_endian_u32(before + 4)};
  const bool big_endian = log_header[3] & 1;
  sum.add(ByteView(header).first(8), big_endian);
  sum.add(bytes_of(page, amount), big_endian);
  if (sum == LogSum{big_endian_u32(header + kFrameSumAt), big_endian_u32(header + kFrameSumAt + 4)}) return SQLITE_OK;
  return damaged(f.database, {frame_number(amount, frame), true, PageFault::kWrong});
}

int read_log(ShimFile& f, void* out, int amount, sqlite3_int64 offset) {
  const int rc = f.below->pMethods->xRead(f.below, out, amount, offset);
  const sqlite3_int64 frame = frame_of(amount, offset);
  if (frame == kNowhere) return rc;
  // Of a frame that is in the index SQLite asks for the page, and for nothing else.
  if (rc == SQLITE_IOERR_SHORT_READ) return damaged(f.database, {frame_number(amount, frame), true, PageFault::kCut});
  if (rc != SQLITE_OK) return rc;
  // Sums of frames that were overwritten within a transaction are put right with its commit, and nobody else reads them.
  if (f.uncommitted != kNowhere && frame >= f.uncommitted) return rc;
  return check_frame(f, out, amount, frame);
}

int write_log(ShimFile& f, const void* data, int amount, sqlite3_int64 offset) {
  if (f.database && log_is_damaged(*f.database)) return kDamaged;
  if (amount == kFrameHeaderBytes) {
    // The second number of a frame that ends a transaction is the size of the database, of others 0.
    const bool commits = big_endian_u32(static_cast<const std::uint8_t*>(data) + 4) != 0;
    if (commits) f.uncommitted = kNowhere;
    else if (f.uncommitted == kNowhere || offset < f.uncommitted) f.uncommitted = offset;
  }
  return f.below->pMethods->xWrite(f.below, data, amount, offset);
}

// ---- the methods of a file

int close_file(sqlite3_file* file) {
  ShimFile& f = shim(file);
  if (f.database && f.database->log == &f) f.database->log = nullptr;
  const int rc = f.below->pMethods->xClose(f.below);
  sqlite3_free(f.below);
  sqlite3_free(f.page);
  return rc;
}

int read_file(sqlite3_file* file, void* out, int amount, sqlite3_int64 offset) {
  ShimFile& f = shim(file);
  switch (f.role) {
    case Role::kDatabase: return read_database(f, out, amount, offset);
    case Role::kLog: return read_log(f, out, amount, offset);
    case Role::kOther: break;
  }
  return f.below->pMethods->xRead(f.below, out, amount, offset);
}

int write_file(sqlite3_file* file, const void* data, int amount, sqlite3_int64 offset) {
  ShimFile& f = shim(file);
  switch (f.role) {
    case Role::kDatabase: return write_database(f, data, amount, offset);
    case Role::kLog: return write_log(f, data, amount, offset);
    case Role::kOther: break;
  }
  return f.below->pMethods->xWrite(f.below, data, amount, offset);
}

/// Passes a call on to the file below.
template <auto Method, typename... Arguments>
auto pass(sqlite3_file* file, Arguments... arguments) {
  sqlite3_file* under = shim(file).below;
  return (under->pMethods->*Method)(under, arguments...);
}

using Methods = sqlite3_io_methods;

/// A checkpoint makes the database shorter where that became smaller.
int truncate_file(sqlite3_file* file, sqlite3_int64 size) {
  if (shim(file).role == Role::kDatabase)
    if (int rc = before_write(shim(file))) return rc;
  return pass<&Methods::xTruncate>(file, size);
}

int control_file(sqlite3_file* file, int operation, void* argument) {
  if (operation == SQLITE_FCNTL_CKPT_START || operation == SQLITE_FCNTL_CKPT_DONE) shim(file).log_checked = false;
  return pass<&Methods::xFileControl>(file, operation, argument);
}

int map_index(sqlite3_file* file, int region, int bytes, int extend, void volatile** out) {
  const int rc = pass<&Methods::xShmMap>(file, region, bytes, extend, out);
  if (region == 0) shim(file).index = static_cast<const volatile std::uint8_t*>(*out);
  return rc;
}

int unmap_index(sqlite3_file* file, int remove) {
  shim(file).index = nullptr;
  return pass<&Methods::xShmUnmap>(file, remove);
}

/// A writer that lets go has committed, or rolled back: frames of others may then be where its own were.
int lock_index(sqlite3_file* file, int first, int count, int flags) {
  if (first == 0 && flags == (SQLITE_SHM_UNLOCK | SQLITE_SHM_EXCLUSIVE) && shim(file).log) shim(file).log->uncommitted = kNowhere;
  return pass<&Methods::xShmLock>(file, first, count, flags);
}

constexpr Methods methods_of(int version) {
  Methods methods{};
  methods.iVersion = version;   // 3 would add mapped reads
  methods.xClose = close_file;
  methods.xRead = read_file;
  methods.xWrite = write_file;
  methods.xTruncate = truncate_file;
  methods.xSync = pass<&Methods::xSync, int>;
  methods.xFileSize = pass<&Methods::xFileSize, sqlite3_int64*>;
  methods.xLock = pass<&Methods::xLock, int>;
  methods.xUnlock = pass<&Methods::xUnlock, int>;
  methods.xCheckReservedLock = pass<&Methods::xCheckReservedLock, int*>;
  methods.xFileControl = control_file;
  methods.xSectorSize = pass<&Methods::xSectorSize>;
  methods.xDeviceCharacteristics = pass<&Methods::xDeviceCharacteristics>;
  if (version < 2) return methods;
  methods.xShmMap = map_index;
  methods.xShmLock = lock_index;
  methods.xShmBarrier = pass<&Methods::xShmBarrier>;
  methods.xShmUnmap = unmap_index;
  return methods;
}
constexpr Methods kMethods = methods_of(1), kMethodsWithLog = methods_of(2);

ShimFile* as_shim(sqlite3_file* file) {
  return file && (file->pMethods == &kMethods || file->pMethods == &kMethodsWithLog) ? &shim(file) : nullptr;
}

// ---- the VFS

int open_file(sqlite3_vfs*, const char* name, sqlite3_file* file, int flags, int* out_flags) {
  sqlite3_vfs* vfs = below();
  ShimFile& f = *new (file) ShimFile{};
  f.below = static_cast<sqlite3_file*>(sqlite3_malloc64(static_cast<sqlite3_uint64>(vfs->szOsFile)));
  if (!f.below) return SQLITE_NOMEM;
  std::memset(f.below, 0, static_cast<std::size_t>(vfs->szOsFile));
  f.name = name;
  f.role = flags & SQLITE_OPEN_MAIN_DB ? Role::kDatabase : flags & SQLITE_OPEN_WAL ? Role::kLog : Role::kOther;
  f.uncommitted = kNowhere;
  if (f.role == Role::kLog) f.database = as_shim(sqlite3_database_file_object(name));
  const int rc = vfs->xOpen(vfs, name, f.below, flags, out_flags);
  if (rc != SQLITE_OK) {
    if (f.below->pMethods) f.below->pMethods->xClose(f.below);
    sqlite3_free(f.below);
    return rc;   // without methods it is not closed
  }
  if (f.database) f.database->log = &f;
  f.base.pMethods = f.below->pMethods->iVersion < 2 ? &kMethods : &kMethodsWithLog;
  return SQLITE_OK;
}

/// Passes a call on to the VFS below.
template <auto Method, typename... Arguments>
auto pass_on(sqlite3_vfs*, Arguments... arguments) {
  sqlite3_vfs* vfs = below();
  return (vfs->*Method)(vfs, arguments...);
}

using Vfs = sqlite3_vfs;
constexpr char kName[] = "skymoor-checksums";

Vfs made_vfs() {
  Vfs vfs{};
  vfs.iVersion = 2;
  vfs.szOsFile = sizeof(ShimFile);
  vfs.mxPathname = below()->mxPathname;
  vfs.zName = kName;
  vfs.xOpen = open_file;
  vfs.xDelete = pass_on<&Vfs::xDelete, const char*, int>;
  vfs.xAccess = pass_on<&Vfs::xAccess, const char*, int, int*>;
  vfs.xFullPathname = pass_on<&Vfs::xFullPathname, const char*, int, char*>;
  vfs.xDlOpen = pass_on<&Vfs::xDlOpen, const char*>;
  vfs.xDlError = pass_on<&Vfs::xDlError, int, char*>;
  vfs.xDlSym = [](sqlite3_vfs*, void* library, const char* symbol) { return below()->xDlSym(below(), library, symbol); };
  vfs.xDlClose = pass_on<&Vfs::xDlClose, void*>;
  vfs.xRandomness = pass_on<&Vfs::xRandomness, int, char*>;
  vfs.xSleep = pass_on<&Vfs::xSleep, int>;
  vfs.xCurrentTime = pass_on<&Vfs::xCurrentTime, double*>;
  vfs.xGetLastError = pass_on<&Vfs::xGetLastError, int, char*>;
  vfs.xCurrentTimeInt64 = pass_on<&Vfs::xCurrentTimeInt64, sqlite3_int64*>;
  return vfs;
}

ShimFile* database_file(sqlite3* db) {
  sqlite3_file* file = nullptr;
  sqlite3_file_control(db, "main", SQLITE_FCNTL_FILE_POINTER, &file);
  return as_shim(file);
}

std::string in_words(const ShimFile& f, const Damage& damage) {
  const std::string where = std::string(f.name) + (damage.in_log ? "-wal" : "");
  const std::string what = (damage.in_log && damage.number == 0 ? "the header"
                            : (damage.in_log ? "frame " : "page ") + std::to_string(damage.number)) + " of " + where;
  switch (damage.fault) {
    case PageFault::kNone:
    case PageFault::kWrong: break;
    case PageFault::kMissing: return what + " is damaged: it has no checksum (it was lost, or another program wrote it)";
    case PageFault::kMisplaced: return what + " is damaged: another page is in its place";
    case PageFault::kCut: return what + " is damaged: the file ends before it does";
    case PageFault::kHeader: return contradictory_header(where);
  }
  return what + " is damaged: its checksum is wrong";
}

}  // namespace

const char* checksum_vfs() {
  if (sqlite3_initialize() != SQLITE_OK || !below()) return nullptr;
  static Vfs vfs = made_vfs();
  static const int registered = sqlite3_vfs_register(&vfs, 0);
  return registered == SQLITE_OK ? kName : nullptr;
}

bool has_checksums(sqlite3* db) {
  ShimFile* file = database_file(db);
  return file && learn_kind(*file) == SQLITE_OK && file->header.kind == PageKind::kChecked;
}

int check_log_now(sqlite3* db) {
  ShimFile* file = database_file(db);
  if (!file) return SQLITE_OK;
  const int rc = check_log(*file, true);
  return rc == SQLITE_OK && log_is_damaged(*file) ? kDamaged : rc;
}

std::vector<std::string> found_damage(sqlite3* db) {
  std::vector<std::string> words;
  if (const ShimFile* file = database_file(db))
    for (std::size_t i = 0; i < file->damage_count; ++i) words.push_back(in_words(*file, file->damages[i]));
  return words;
}

std::string contradictory_header(const std::string& path) {
  return "page 1 of " + path + " is damaged: its header contradicts itself";
}

}  // namespace skymoor::sqlite
