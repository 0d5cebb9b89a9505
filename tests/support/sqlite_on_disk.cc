#include "tests/support/sqlite_on_disk.h"

#include <sqlite3.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <map>
#include <memory>
#include <mutex>
#include <new>
#include <stdexcept>
#include <vector>

namespace skymoor::testing {
namespace {

struct OpenFile;

/// What the connections of one database share: levels of the file's lock, the WAL's index and its locks.
struct Shared {
  std::map<const OpenFile*, int> levels;
  std::vector<std::unique_ptr<char[]>> regions;
  struct Held {
    unsigned shared = 0, exclusive = 0;   ///< a bit for each of SQLITE_SHM_NLOCK locks
  };
  std::map<const OpenFile*, Held> held;   ///< who has mapped it
};

struct Place {
  Disk* disk;
  std::map<std::string, std::shared_ptr<Shared>> databases;
};

std::mutex the_mutex;                        // guards all of what follows
std::map<std::string, Place> the_places;     // by directory

sqlite3_vfs* usual() {
  static sqlite3_vfs* const vfs = sqlite3_vfs_find("unix");
  return vfs;
}

/// The place that a path is below; with the mutex held.
Place* place_of(const char* path) {
  if (!path) return nullptr;
  for (auto& [directory, place] : the_places)
    if (std::string_view(path).starts_with(directory + "/")) return &place;
  return nullptr;
}

/// SQLite allocates it and gives it to every method; `base` comes first.
struct OpenFile {
  sqlite3_file base;
  Disk* disk;
  File* file;
  std::string* path;
  std::shared_ptr<Shared>* shared;
  bool name_unsynced;                        ///< as SQLite's own: a journal's first sync is its directory's, too
};

OpenFile& opened(sqlite3_file* file) { return *reinterpret_cast<OpenFile*>(file); }

int code_of(const Status& status, int otherwise) {
  return status.ok() ? SQLITE_OK : status.error().code() == Code::kNoSpace ? SQLITE_FULL : otherwise;
}

int close_file(sqlite3_file* file) {
  OpenFile& f = opened(file);
  std::lock_guard lock(the_mutex);
  (*f.shared)->levels.erase(&f);
  delete f.file;
  delete f.path;
  delete f.shared;
  return SQLITE_OK;
}

int read(sqlite3_file* file, void* out, int amount, sqlite3_int64 offset) {
  const std::span<std::uint8_t> bytes(static_cast<std::uint8_t*>(out), static_cast<std::size_t>(amount));
  auto n = opened(file).file->read_at(static_cast<std::uint64_t>(offset), bytes);
  if (!n.ok()) return SQLITE_IOERR_READ;
  if (*n == bytes.size()) return SQLITE_OK;
  std::fill(bytes.begin() + static_cast<std::ptrdiff_t>(*n), bytes.end(), std::uint8_t{0});
  return SQLITE_IOERR_SHORT_READ;
}

int write(sqlite3_file* file, const void* data, int amount, sqlite3_int64 offset) {
  const ByteView bytes(static_cast<const std::uint8_t*>(data), static_cast<std::size_t>(amount));
  return code_of(opened(file).file->write_at(static_cast<std::uint64_t>(offset), bytes), SQLITE_IOERR_WRITE);
}

int truncate(sqlite3_file* file, sqlite3_int64 size) {
  return code_of(opened(file).file->truncate(static_cast<std::uint64_t>(size)), SQLITE_IOERR_TRUNCATE);
}

int sync_name(Disk& disk, const std::string& path) {
  return code_of(disk.sync_directory(path.substr(0, path.rfind('/'))), SQLITE_IOERR_DIR_FSYNC);
}

int sync(sqlite3_file* file, int) {
  OpenFile& f = opened(file);
  if (int failed = code_of(f.file->sync(), SQLITE_IOERR_FSYNC)) return failed;
  return std::exchange(f.name_unsynced, false) ? sync_name(*f.disk, *f.path) : SQLITE_OK;
}

int file_size(sqlite3_file* file, sqlite3_int64* size) {
  auto bytes = opened(file).file->size();
  if (bytes.ok()) *size = static_cast<sqlite3_int64>(*bytes);
  return bytes.ok() ? SQLITE_OK : SQLITE_IOERR_FSTAT;
}

int lock_file(sqlite3_file* file, int level) {
  OpenFile& f = opened(file);
  std::lock_guard lock(the_mutex);
  auto& levels = (*f.shared)->levels;
  if (levels[&f] >= level) return SQLITE_OK;
  int others = SQLITE_LOCK_NONE;
  for (const auto& [who, has] : levels)
    if (who != &f) others = std::max(others, has);
  if (level == SQLITE_LOCK_SHARED ? others >= SQLITE_LOCK_PENDING : others >= SQLITE_LOCK_RESERVED) return SQLITE_BUSY;
  if (level == SQLITE_LOCK_EXCLUSIVE && others != SQLITE_LOCK_NONE) {
    levels[&f] = SQLITE_LOCK_PENDING;
    return SQLITE_BUSY;
  }
  levels[&f] = level;
  return SQLITE_OK;
}

int unlock_file(sqlite3_file* file, int level) {
  OpenFile& f = opened(file);
  std::lock_guard lock(the_mutex);
  int& has = (*f.shared)->levels[&f];
  has = std::min(has, level);
  return SQLITE_OK;
}

int check_reserved(sqlite3_file* file, int* reserved) {
  OpenFile& f = opened(file);
  std::lock_guard lock(the_mutex);
  *reserved = 0;
  for (const auto& [who, has] : (*f.shared)->levels) *reserved |= has >= SQLITE_LOCK_RESERVED;
  return SQLITE_OK;
}

int control(sqlite3_file*, int, void*) { return SQLITE_NOTFOUND; }
int sector_size(sqlite3_file*) { return 4096; }
int characteristics(sqlite3_file*) { return SQLITE_IOCAP_POWERSAFE_OVERWRITE; }

int map_memory(sqlite3_file* file, int region, int bytes, int extend, void volatile** at) {
  OpenFile& f = opened(file);
  std::lock_guard lock(the_mutex);
  Shared& shared = **f.shared;
  (void)shared.held[&f];
  *at = nullptr;
  const auto wanted = static_cast<std::size_t>(region) + 1;
  if (shared.regions.size() < wanted && !extend) return SQLITE_OK;
  while (shared.regions.size() < wanted) shared.regions.push_back(std::make_unique<char[]>(static_cast<std::size_t>(bytes)));
  *at = shared.regions[static_cast<std::size_t>(region)].get();
  return SQLITE_OK;
}

int lock_memory(sqlite3_file* file, int offset, int count, int flags) {
  OpenFile& f = opened(file);
  const unsigned mask = ((1u << count) - 1) << offset;
  std::lock_guard lock(the_mutex);
  Shared::Held others, &mine = (*f.shared)->held[&f];
  for (const auto& [who, has] : (*f.shared)->held) {
    if (who == &f) continue;
    others.shared |= has.shared;
    others.exclusive |= has.exclusive;
  }
  if (flags & SQLITE_SHM_UNLOCK) {
    mine.shared &= ~mask;
    mine.exclusive &= ~mask;
  } else if (flags & SQLITE_SHM_SHARED) {
    if (others.exclusive & mask) return SQLITE_BUSY;
    mine.shared |= mask;
  } else {
    if ((others.exclusive | others.shared) & mask) return SQLITE_BUSY;
    mine.exclusive |= mask;
  }
  return SQLITE_OK;
}

void memory_barrier(sqlite3_file*) {
  std::lock_guard lock(the_mutex);
}

int unmap_memory(sqlite3_file* file, int) {
  OpenFile& f = opened(file);
  std::lock_guard lock(the_mutex);
  (*f.shared)->held.erase(&f);
  if ((*f.shared)->held.empty()) (*f.shared)->regions.clear();
  return SQLITE_OK;
}

constexpr int kWithSharedMemory = 2;    // version of the methods; 3 would add mapped reads
const sqlite3_io_methods kMethods = {
    kWithSharedMemory, close_file,     read,    write,       truncate,        sync,       file_size,   lock_file,
    unlock_file,       check_reserved, control, sector_size, characteristics, map_memory, lock_memory, memory_barrier,
    unmap_memory,      nullptr,        nullptr};

int open_file(sqlite3_vfs*, const char* name, sqlite3_file* file, int flags, int* out) {
  std::unique_lock lock(the_mutex);
  Place* place = place_of(name);
  if (!place) {
    lock.unlock();
    return usual()->xOpen(usual(), name, file, flags, out);
  }
  Disk& disk = *place->disk;
  auto& shared = place->databases[name];
  if (!shared) shared = std::make_shared<Shared>();
  std::shared_ptr<Shared> mine = shared;
  lock.unlock();
  file->pMethods = nullptr;
  const bool journal = flags & (SQLITE_OPEN_MAIN_JOURNAL | SQLITE_OPEN_SUPER_JOURNAL | SQLITE_OPEN_WAL);
  OpenOptions options;
  options.create = flags & SQLITE_OPEN_CREATE;
  options.exclusive = flags & SQLITE_OPEN_EXCLUSIVE;
  auto below = disk.open(name, options);
  if (!below.ok()) return SQLITE_CANTOPEN;
  new (file) OpenFile{{&kMethods}, &disk, below->release(), new std::string(name),
                      new std::shared_ptr<Shared>(std::move(mine)), options.create && journal};
  if (out) *out = flags;
  return SQLITE_OK;
}

Disk* disk_of(const char* path) {
  std::lock_guard lock(the_mutex);
  Place* place = place_of(path);
  return place ? place->disk : nullptr;
}

int delete_file(sqlite3_vfs*, const char* name, int sync_directory) {
  Disk* disk = disk_of(name);
  if (!disk) return usual()->xDelete(usual(), name, sync_directory);
  if (!disk->exists(name)) return SQLITE_IOERR_DELETE_NOENT;
  if (int failed = code_of(disk->unlink(name), SQLITE_IOERR_DELETE)) return failed;
  return sync_directory ? sync_name(*disk, name) : SQLITE_OK;
}

/// As SQLite's own: an empty file counts as none where its existence is asked for.
int access_file(sqlite3_vfs*, const char* name, int flags, int* answer) {
  Disk* disk = disk_of(name);
  if (!disk) return usual()->xAccess(usual(), name, flags, answer);
  auto file = disk->open(name, {.read_only = true});
  *answer = file.ok() && (flags != SQLITE_ACCESS_EXISTS || (*file)->size().value_or(0) > 0);
  return SQLITE_OK;
}

int full_name(sqlite3_vfs*, const char* name, int size, char* out) {
  if (!disk_of(name)) return usual()->xFullPathname(usual(), name, size, out);
  if (std::strlen(name) >= static_cast<std::size_t>(size)) return SQLITE_CANTOPEN;
  std::strcpy(out, name);
  return SQLITE_OK;
}

/// The process's default from now on: rooms open databases without naming a VFS.
void register_once() {
  static sqlite3_vfs vfs = [] {
    sqlite3_vfs made = *usual();
    made.zName = "on-disk";
    made.pNext = nullptr;
    made.szOsFile = std::max(made.szOsFile, static_cast<int>(sizeof(OpenFile)));
    made.xOpen = open_file;
    made.xDelete = delete_file;
    made.xAccess = access_file;
    made.xFullPathname = full_name;
    return made;
  }();
  static const int registered = sqlite3_vfs_register(&vfs, 1);
  if (registered != SQLITE_OK) throw std::logic_error("cannot register a VFS");
}

}  // namespace

SqliteOnDisk::SqliteOnDisk(Disk& disk, std::string directory) : directory_(std::move(directory)) {
  register_once();
  std::lock_guard lock(the_mutex);
  if (!the_places.emplace(directory_, Place{&disk, {}}).second) throw std::logic_error(directory_ + " is on another disk");
}

SqliteOnDisk::~SqliteOnDisk() {
  std::lock_guard lock(the_mutex);
  the_places.erase(directory_);
}

}  // namespace skymoor::testing
