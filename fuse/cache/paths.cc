// Where backing files lie: DIRECTORY/backing/<low byte of the inode id>/<inode id>, both in hex.
#include <fcntl.h>
#include <sys/stat.h>

#include <cstdio>

#include "fuse/cache/disk_backing_store.h"

namespace skymoor::client {
namespace {

constexpr unsigned kShards = 256;

std::string shard_name(unsigned shard) {
  char name[4];
  std::snprintf(name, sizeof name, "%02x", shard & 0xff);
  return name;
}

Result<dev_t> device_of(const std::string& path) {
  struct stat st;
  if (::stat(path.c_str(), &st) != 0) return Error::from_errno(errno, "stat " + path);
  return st.st_dev;
}

Result<UniqueFd> open_directory(const std::string& path) {
  UniqueFd fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd) return Error::from_errno(errno, "open " + path);
  return fd;
}

}  // namespace

Result<InodeId> inode_from_name(std::string_view name) {
  Error bad(Code::kInvalidArgument, "not the name of a backing file");
  if (name.size() != 16) return bad;
  std::uint64_t id = 0;
  for (char c : name) {
    unsigned digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : 16;
    if (digit > 15) return bad;
    id = id << 4 | digit;
  }
  if (id == 0) return bad;
  return InodeId{id};
}

std::string DiskBackingStore::root_of(bool dirty) const {
  return (dirty || split_ ? options_.data_directory : options_.cache_directory) + "/backing";
}

std::string DiskBackingStore::shard_under(InodeId name, bool dirty) const {
  return root_of(dirty) + "/" + shard_name(static_cast<unsigned>(name.value));
}

std::string DiskBackingStore::path_under(InodeId name, bool dirty) const {
  char text[18];
  std::snprintf(text, sizeof text, "/%016llx", static_cast<unsigned long long>(name.value));
  return shard_under(name, dirty) + text;
}

std::string DiskBackingStore::shard_of(InodeId inode, bool dirty) const { return shard_under(name_of(inode), dirty); }

std::string DiskBackingStore::path_of(InodeId inode, bool dirty) const { return path_under(name_of(inode), dirty); }

Status DiskBackingStore::make_shards(const std::string& root) {
  TRY(disk_.make_directories(root));
  if (TRY(disk_.list(root)).size() >= kShards) return {};
  for (unsigned shard = 0; shard < kShards; ++shard) TRY(disk_.make_directories(root + "/" + shard_name(shard)));
  TRY(disk_.sync_directory(root));
  return disk_.sync_directory(root + "/..");
}

/// Into the folder of dirty or of clean files, which is made again where somebody has wiped the cache. NotFound: so was the file.
Status DiskBackingStore::move_to(const MutexLock&, InodeId inode, bool dirty) {
  if (split_) return {};
  Status moved = disk_.rename(path_of(inode, !dirty), path_of(inode, dirty));
  if (moved.ok() || moved.error().code() != Code::kNotFound) return moved;
  TRY(make_shards(root_of(dirty)));
  return disk_.rename(path_of(inode, !dirty), path_of(inode, dirty));
}

Result<std::unique_ptr<File>> DiskBackingStore::open_unnamed() {
  MutexLock lock(mutex_);   // of a name in between, of which nothing is left but by a crash, and then with nothing in it
  const std::string path = options_.data_directory + "/unnamed";
  auto file = TRY(disk_.open(path, {.create = true}));
  TRY(disk_.unlink(path));
  return file;
}

Status DiskBackingStore::start() {
  std::string data = options_.data_directory + "/backing", cache = options_.cache_directory + "/backing";
  TRY(make_shards(data));
  TRY(make_shards(cache));
  data_root_ = TRY(open_directory(data));
  cache_root_ = TRY(open_directory(cache));
  split_ = TRY(device_of(data)) != TRY(device_of(cache));
  MutexLock lock(mutex_);
  unseen_ = TRY(UnseenList::open(disk_, options_.data_directory + "/unseen"));
  const std::string vouching = options_.data_directory + "/vouching";
  const bool made = !disk_.exists(vouching);
  vouching_ = TRY(UnseenList::open(disk_, vouching));
  return made ? disk_.sync_directory(options_.data_directory) : Status();
}

Result<std::unique_ptr<BackingStore>> BackingStore::open(Disk& disk, Options options) {
  auto store = std::make_unique<DiskBackingStore>(disk, std::move(options));
  TRY(store->start());
  return std::unique_ptr<BackingStore>(std::move(store));
}

}  // namespace skymoor::client
