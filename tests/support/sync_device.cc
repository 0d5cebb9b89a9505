#include "tests/support/sync_device.h"

#include <unistd.h>

#include <stdexcept>
#include <thread>

namespace skymoor::client {
namespace {

/// Ends an open file also where a call throws: a deleted file that stays open keeps its data.
struct Closing {
  Filesystem& files;
  HandleId handle;
  ~Closing() { files.release(handle); }
};

/// The device as the fake server's newest, and its line.
std::unique_ptr<VolumeRemote> join(FakeVolumeServer& server, const std::string& name, std::uint32_t writer) {
  server.add_device(SyncDevice::public_of(name, writer));
  return std::make_unique<FakeVolumeRemote>(server);
}

}  // namespace

crypto::VolumeKey test_volume_key(std::uint8_t seed) {
  crypto::VolumeKey key;
  key.volume.value.fill(seed);
  Bytes bytes(32, seed);
  key.seed = crypto::SecretBytes(ByteView(bytes));
  return key;
}

TestVolume::TestVolume(std::uint8_t seed) : key(test_volume_key(seed)), server(key.volume), cipher(key) {}

crypto::KeyPair SyncDevice::key_of(std::uint32_t writer) {
  const Bytes seed(32, static_cast<std::uint8_t>(writer + 100));
  return crypto::ed25519_from_seed(seed);
}

protocol::DevicePublic SyncDevice::public_of(const std::string& name, std::uint32_t writer) {
  DeviceId id;
  id.value.fill(static_cast<std::uint8_t>(writer));
  return {id, name, to_bytes(key_of(writer).public_key), Bytes(32)};
}

/// What app does: joins the rooms that do not know each other.
class SyncDevice::Bridge final : public Fetcher, public TreeListener {
 public:
  std::atomic<SyncEngine*> engine{nullptr};
  std::atomic<Filesystem*> files{nullptr};
  explicit Bridge(const std::atomic<bool>& no_moves) : no_moves_(no_moves) {}

  Status fetch(const Need& need, Instant deadline, std::stop_token stop) override {
    SyncEngine* to = engine;
    if (!to) return Error(Code::kOffline, "not started");
    switch (need.kind) {
      case Need::Kind::kDirectory: return to->fetch_directory(need.inode, deadline, stop);
      case Need::Kind::kInode: return to->fetch_inode(need.inode, deadline, stop);
      case Need::Kind::kContent: return to->fetch_content(need.inode, need.extent, deadline, stop);
      case Need::Kind::kFresh: return to->catch_up(deadline, stop);
      case Need::Kind::kRoom: return to->make_room(deadline, stop);
      case Need::Kind::kAgain: return {};
    }
    return Error(Code::kInternal, "unknown need");
  }
  void prefetch(InodeId inode, Extent extent) override {
    if (SyncEngine* to = engine) to->prefetch(inode, extent);
  }
  bool online() override {
    SyncEngine* to = engine;
    return to && to->online();
  }
  bool makes_room() override {
    SyncEngine* to = engine;
    return to && to->makes_room();
  }
  VolumeStatistics volume_statistics() override { return {1ull << 40, 1ull << 40, 0, 1u << 30, 1u << 30}; }
  void changed() override {
    if (SyncEngine* to = engine) to->wake();
  }
  Status sync_remote(Lsn lsn, Instant deadline, std::stop_token stop) override {
    SyncEngine* to = engine;
    return to ? to->sync_to(lsn, deadline, stop) : Status(Error(Code::kOffline, "not started"));
  }
  std::string state_of(InodeId inode) override {
    SyncEngine* to = engine;
    return to ? to->state_of(inode) : "unknown";
  }
  void tree_changed(const VisibleChanges& changes) override {
    if (Filesystem* to = files) to->tree_changed(changes);
  }
  Status contents_come(const Filesystem::Coming& coming) override {
    Filesystem* to = files;
    return to ? to->claim_unseen(coming) : Status();
  }
  Status moves_begin(const std::vector<ContentMove>&) override {
    return no_moves_ ? Status(Error(Code::kTooManyOpenFiles, "no place for another move")) : Status();
  }
  void rows_moved(const MutexLock& lock, const std::vector<ContentMove>& moves) override {
    if (Filesystem* to = files) (void)to->rows_moved(lock, moves);
  }
  void moves_end() override {
    if (Filesystem* to = files) to->files_moved();
  }

 private:
  const std::atomic<bool>& no_moves_;
};

SyncDevice::SyncDevice(TestVolume& volume, std::string name, std::uint32_t writer, std::string directory, DeviceWorld world)
    : SyncDevice(volume.key, &volume.server, join(volume.server, name, writer), name, writer, std::move(directory), world) {}

SyncDevice::SyncDevice(const crypto::VolumeKey& volume, std::unique_ptr<VolumeRemote> remote, std::string name,
                       std::uint32_t writer, std::string directory, DeviceWorld world)
    : SyncDevice(volume, nullptr, std::move(remote), std::move(name), writer, std::move(directory), world) {}

SyncDevice::SyncDevice(const crypto::VolumeKey& volume, FakeVolumeServer* fake, std::unique_ptr<VolumeRemote> remote,
                       std::string name, std::uint32_t writer, std::string directory, DeviceWorld world)
    : volume_(volume),
      fake_(fake),
      remote_(std::move(remote)),
      name_(std::move(name)),
      directory_(std::move(directory)),
      writer_(writer),
      disk_(world.disk ? *world.disk : own_disk_),
      clock_(world.clock ? *world.clock : own_clock_),
      stepped_(world.stepped) {
  device_ = public_of(name_, writer).id;
  key_ = key_of(writer);
  options.device_name = name_;
  options.commit_delay = std::chrono::milliseconds(5);
  options.own_thread = !stepped_;
  if (stepped_) options.parallel_transfers = 1;
  start();
}

SyncDevice::~SyncDevice() { stop(); }

template <typename Call>
auto SyncDevice::must(const char* what, Call call) {
  for (int round = 0;; ++round) {
    Request request;
    auto result = call(request);
    if (result.ok()) return std::move(result).value();
    if (result.error().code() != Code::kNotPresent || !request.need || round == 50)
      throw std::runtime_error(name_ + ": " + what + ": " + result.error().to_string() + (request.need ? " inode " + std::to_string(request.need->inode.value) : ""));
    if (Status fetched = files_->fetch(*request.need, clock_.monotonic() + std::chrono::seconds(30), {}); !fetched.ok())
      throw std::runtime_error(name_ + ": " + what + ": fetch: " + fetched.error().to_string());
  }
}

void SyncDevice::start() {
  auto ok = [&](auto result) {
    if (!result.ok()) throw std::runtime_error(name_ + ": start: " + result.error().to_string());
    return std::move(result).value();
  };
  ok(disk_.make_directories(directory_ + "/state", 0700));
  ok(disk_.make_directories(directory_ + "/cache", 0700));
  MetadataStore::Options store_options;
  store_options.directory = directory_ + "/state";
  if (stepped_) {
    store_options.sync_interval = store_options.checkpoint_interval = std::chrono::milliseconds(0);
    store_options.boot_id = "boot " + std::to_string(boots_);
  }
  store_ = ok(MetadataStore::open(disk_, clock_, store_options, {volume_.volume, device_, writer_}, nullptr));
  BackingStore::Options backing_options;
  backing_options.data_directory = directory_ + "/state";
  backing_options.cache_directory = directory_ + "/cache";
  backing_ = ok(BackingStore::open(disk_, backing_options));
  ok(SyncEngine::recover(*store_, *backing_, disk_, directory_ + "/state"));
  bridge_ = std::make_unique<Bridge>(no_moves);
  Filesystem::Options file_options;
  file_options.reserve_bytes = 0;
  if (stepped_) file_options.tick = std::chrono::milliseconds(0);
  files_ = ok(Filesystem::open(*store_, *backing_, *bridge_, disk_, clock_, file_options));
  options.state_directory = directory_ + "/state";
  engine_ = ok(SyncEngine::start({*store_, *backing_, *remote_, clock_, random_, *bridge_, volume_, key_, &disk_},
                                 options));
  ok(backing_->sweep([&](InodeId id) {
    MutexLock lock(store_->mutex());
    return store_->inode(lock, id).ok() || store_->may_be_named(id);
  }));
  bridge_->files = files_.get();
  bridge_->engine = engine_.get();
  // As app does before a first mount: nothing is known, not even the root.
  bool known;
  {
    MutexLock lock(store_->mutex());
    known = store_->inode(lock, kRootInode).ok();
  }
  if (!known && stepped_) {
    (void)engine_->step();
  } else if (!known) {
    Status met = engine_->fetch_inode(kRootInode, clock_.monotonic() + std::chrono::seconds(30), {});
    if (!met.ok()) throw std::runtime_error(name_ + ": first contact: " + met.error().to_string());
  }
}

void SyncDevice::stop() {
  if (!store_) return;
  bridge_->engine = nullptr;
  engine_->stop();
  bridge_->files = nullptr;
  files_.reset();
  engine_.reset();
  backing_.reset();
  (void)store_->close();
  store_.reset();
}

void SyncDevice::abandon(const std::string& directory, bool power_lost) {
  stop();
  directory_ = directory;
  boots_ += power_lost;
}

void SyncDevice::fsync(const std::string& path) {
  const Closing opened{*files_, open(inode(path), {})};
  must("fsync", [&](Request& r) { return files_->sync_file(r, opened.handle, false); });
}

OpId SyncDevice::content(const std::string& path) {
  const InodeId id = inode(path);
  MutexLock lock(store_->mutex());
  auto row = store_->inode(lock, id);
  return row.ok() ? row->content : OpId{};
}

std::pair<InodeId, std::string> SyncDevice::parent_of(const std::string& path) {
  const auto slash = path.rfind('/');
  if (slash == std::string::npos) return {kRootInode, path};
  return {inode(path.substr(0, slash)), path.substr(slash + 1)};
}

InodeId SyncDevice::inode(const std::string& path) {
  if (path.empty()) return kRootInode;
  auto [parent, name] = parent_of(path);
  return must(path.c_str(), [&, p = parent, n = name](Request& r) { return files_->lookup(r, p, n); }).id;
}

Node SyncDevice::node(const std::string& path) {
  const InodeId id = inode(path);
  return must(path.c_str(), [&](Request& r) { return files_->get_attributes(r, id); });
}

bool SyncDevice::exists(const std::string& path) {
  try {
    inode(path);
    return true;
  } catch (const std::runtime_error&) {
    return false;
  }
}

InodeId SyncDevice::make_directory(const std::string& path) {
  auto [parent, name] = parent_of(path);
  return must(path.c_str(), [&, p = parent, n = name](Request& r) { return files_->make_directory(r, p, n, 0755); }).id;
}

HandleId SyncDevice::open(InodeId id, OpenFlags flags) {
  return must("open", [&](Request& r) { return files_->open(r, id, flags); }).handle;
}

void SyncDevice::put(HandleId handle, std::uint64_t offset, std::string_view bytes) {
  constexpr std::size_t kAtOnce = 1u << 20;
  for (std::size_t at = 0; at < bytes.size(); at += kAtOnce) {
    const std::string_view part = bytes.substr(at, kAtOnce);
    must("write", [&](Request& r) {
      return files_->write(r, handle, offset + at, part.size(), [&](int fd, std::uint64_t where) -> Result<std::size_t> {
        const ssize_t n = ::pwrite(fd, part.data(), part.size(), static_cast<off_t>(where));
        if (n < 0) return Error::from_errno(errno, "pwrite");
        return static_cast<std::size_t>(n);
      });
    });
  }
}

/// Created, or cut to nothing.
std::pair<InodeId, HandleId> SyncDevice::open_empty(const std::string& path) {
  auto [parent, name] = parent_of(path);
  OpenFlags flags;
  flags.write = true;
  if (exists(path)) {
    flags.truncate = true;
    const InodeId id = inode(path);
    return {id, open(id, flags)};
  }
  auto created = must(path.c_str(), [&, p = parent, n = name](Request& r) { return files_->create(r, p, n, 0644, flags); });
  return {created.node.id, created.opened.handle};
}

InodeId SyncDevice::write(const std::string& path, std::string_view bytes) {
  const auto [id, handle] = open_empty(path);
  const Closing opened{*files_, handle};
  put(handle, 0, bytes);
  Request request;
  (void)files_->flush(request, handle);
  return id;
}

InodeId SyncDevice::copy(const std::string& from, const std::string& to) {
  const Closing source{*files_, open(inode(from), {})};
  const auto [id, handle] = open_empty(to);
  const Closing target{*files_, handle};
  for (std::uint64_t at = 0;;) {
    const std::size_t copied = must("copy_range", [&](Request& r) { return files_->copy_range(r, source.handle, at, handle, at, 1u << 30); });
    if (copied == 0) return id;
    at += copied;
  }
}

void SyncDevice::write_at(const std::string& path, std::uint64_t offset, std::string_view bytes) {
  OpenFlags flags;
  flags.write = true;
  const Closing opened{*files_, open(inode(path), flags)};
  put(opened.handle, offset, bytes);
}

void SyncDevice::truncate(const std::string& path, std::uint64_t size) {
  const InodeId id = inode(path);
  SetAttributesRequest request;
  request.size = size;
  must("truncate", [&](Request& r) { return files_->set_attributes(r, id, request); });
}

std::string SyncDevice::read_inode(InodeId id, std::uint64_t offset, std::size_t size) {
  const Closing opened{*files_, open(id, {})};
  std::string out;
  while (out.size() < size) {
    const std::size_t want = std::min<std::size_t>(size - out.size(), 1u << 20);
    auto reply = must(("read of inode " + std::to_string(id.value)).c_str(), [&](Request& r) { return files_->read(r, opened.handle, offset + out.size(), want); });
    if (reply.length == 0) break;
    if (!reply.file) {
      out.append(as_text(reply.bytes).substr(0, reply.length));
      continue;
    }
    std::string part(reply.length, '\0');
    const ssize_t n = ::pread(reply.file->fd(), part.data(), part.size(), static_cast<off_t>(reply.offset));
    if (n < 0) throw std::runtime_error("pread of a backing file");
    part.resize(reply.length, '\0');
    out += part;
  }
  return out;
}

std::string SyncDevice::read(const std::string& path, std::uint64_t offset, std::size_t size) {
  return read_inode(inode(path), offset, size);
}

void SyncDevice::unlink(const std::string& path) {
  auto [parent, name] = parent_of(path);
  const InodeId id = inode(path);
  must(path.c_str(), [&, p = parent, n = name](Request& r) { return files_->unlink(r, p, n); });
  files_->forget(id);
}

void SyncDevice::unlink_and_write_on(const std::string& path, std::string_view bytes, const std::string& other) {
  const InodeId id = inode(path);
  OpenFlags flags;
  flags.write = true;
  {
    const Closing opened{*files_, open(id, flags)};
    if (other.empty()) {
      auto [parent, name] = parent_of(path);
      must(path.c_str(), [&, p = parent, n = name](Request& r) { return files_->unlink(r, p, n); });
    } else {
      rename(other, path);
    }
    put(opened.handle, 0, bytes);
  }
  files_->forget(id);
}

void SyncDevice::remove_directory(const std::string& path) {
  auto [parent, name] = parent_of(path);
  const InodeId id = inode(path);
  must(path.c_str(), [&, p = parent, n = name](Request& r) { return files_->remove_directory(r, p, n); });
  files_->forget(id);
}

void SyncDevice::rename(const std::string& from, const std::string& to) {
  auto [from_parent, from_name] = parent_of(from);
  auto [to_parent, to_name] = parent_of(to);
  must(from.c_str(), [&, fp = from_parent, fn = from_name, tp = to_parent, tn = to_name](Request& r) {
    return files_->rename(r, fp, fn, tp, tn, 0);
  });
}

void SyncDevice::link(const std::string& existing, const std::string& path) {
  const InodeId id = inode(existing);
  auto [parent, name] = parent_of(path);
  must(path.c_str(), [&, p = parent, n = name](Request& r) { return files_->link(r, id, p, n); });
}

void SyncDevice::symlink(const std::string& target, const std::string& path) {
  auto [parent, name] = parent_of(path);
  must(path.c_str(), [&, p = parent, n = name](Request& r) { return files_->make_symlink(r, p, n, target); });
}

void SyncDevice::chmod(const std::string& path, std::uint32_t mode) {
  const InodeId id = inode(path);
  SetAttributesRequest request;
  request.mode = mode;
  must("chmod", [&](Request& r) { return files_->set_attributes(r, id, request); });
}

void SyncDevice::set_mtime(const std::string& path, Timestamp mtime) {
  const InodeId id = inode(path);
  SetAttributesRequest request;
  request.mtime = mtime;
  must("set_mtime", [&](Request& r) { return files_->set_attributes(r, id, request); });
}

void SyncDevice::set_xattr(const std::string& path, const std::string& name, const std::string& value) {
  const InodeId id = inode(path);
  must("set_xattr", [&](Request& r) { return files_->set_xattr(r, id, name, as_bytes(value), 0); });
}

void SyncDevice::remove_xattr(const std::string& path, const std::string& name) {
  const InodeId id = inode(path);
  must("remove_xattr", [&](Request& r) { return files_->remove_xattr(r, id, name); });
}

void SyncDevice::walk(InodeId directory, const std::string& path, const Visit& visit) {
  std::uint64_t after = 0;
  while (true) {
    auto entries = must("list", [&](Request& r) { return files_->read_directory(r, directory, after, 100, true); });
    if (entries.empty()) return;
    for (const DirectoryEntry& entry : entries) {
      after = entry.cookie;
      const std::string here = path.empty() ? entry.name : path + "/" + entry.name;
      visit(here, entry);
      if (entry.node.attributes.type == FileType::kDirectory) walk(entry.node.id, here, visit);
    }
  }
}

std::map<std::string, bool> SyncDevice::paths() {
  std::map<std::string, bool> out;
  walk(kRootInode, "", [&](const std::string& path, const DirectoryEntry& entry) {
    out[path] = entry.node.attributes.type == FileType::kDirectory;
  });
  return out;
}

std::map<std::string, std::string> SyncDevice::tree() {
  std::map<std::string, std::string> out;
  walk(kRootInode, "", [&](const std::string& path, const DirectoryEntry& entry) {
    switch (entry.node.attributes.type) {
      case FileType::kDirectory: out[path] = "dir"; break;
      case FileType::kSymlink:
        out[path] = "-> " + must("readlink", [&](Request& r) { return files_->read_link(r, entry.node.id); });
        break;
      default: out[path] = read_inode(entry.node.id, 0, std::size_t(-1)); break;
    }
  });
  return out;
}

std::string SyncDevice::fact(const Attributes& attributes, std::uint32_t links,
                             const std::map<std::string, std::string>& xattrs) {
  char mode[8];
  std::snprintf(mode, sizeof mode, "%o", attributes.mode & 07777);
  std::string text = std::string("mode ") + mode + " mtime " + std::to_string(attributes.mtime.time_since_epoch().count());
  if (attributes.type != FileType::kDirectory) text += " links " + std::to_string(links);
  for (const auto& [name, value] : xattrs) text += " " + name + "=" + value;
  return text;
}

std::map<std::string, std::string> SyncDevice::facts() {
  std::map<std::string, std::string> out;
  walk(kRootInode, "", [&](const std::string& path, const DirectoryEntry& entry) {
    std::map<std::string, std::string> xattrs;
    const InodeId id = entry.node.id;
    for (const std::string& name : must("list xattrs", [&](Request& r) { return files_->list_xattrs(r, id); }))
      xattrs[name] = std::string(as_text(must("xattr", [&](Request& r) { return files_->get_xattr(r, id, name); })));
    out[path] = fact(entry.node.attributes, entry.node.links, xattrs);
  });
  return out;
}

void SyncDevice::sync(std::chrono::seconds limit) {
  Status synced = engine_->sync_to(store_->last_lsn(), clock_.monotonic() + limit, {});
  if (!synced.ok()) throw std::runtime_error(name_ + ": sync: " + synced.error().to_string());
}

void SyncDevice::catch_up(std::chrono::seconds limit) {
  if (!fake_) throw std::logic_error("only the fake server tells how far it is");
  const Instant deadline = clock_.monotonic() + limit;
  while (store_->position().cursor.value < fake_->commits()) {
    if (clock_.monotonic() > deadline)
      throw std::runtime_error(name_ + ": does not catch up: " + engine_->status().reason);
    engine_->wake();
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  sync(limit);
}

void SyncDevice::check() {
  auto found = store_->check();
  if (!found.ok()) throw std::runtime_error(name_ + ": check: " + found.error().to_string());
  if (!found->empty()) throw std::runtime_error(name_ + ": check: " + found->front());
}

}  // namespace skymoor::client
