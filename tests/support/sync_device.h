// SyncDevice: one whole client below the kernel (filesystem, journal, cache, sync) on a directory of its own, with calls
// by path for tests.
#pragma once
#include <atomic>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "fuse/filesystem/filesystem.h"
#include "fuse/sync/sync_engine.h"
#include "tests/support/fake_volume_remote.h"

namespace skymoor::client {

/// A volume's key, the same for the same seed.
crypto::VolumeKey test_volume_key(std::uint8_t seed);

/// What all devices of one test volume share: its key, and a server in memory.
struct TestVolume {
  explicit TestVolume(std::uint8_t seed);
  crypto::VolumeKey key;
  FakeVolumeServer server;
  crypto::VolumeCipher cipher;
  std::map<std::string, FakeVolumeServer::Plain> tree() const { return server.plain_tree(cipher); }
};

/// What a device lives in; what is not given is the machine's own.
struct DeviceWorld {
  Disk* disk = nullptr;
  Clock* clock = nullptr;
  bool stepped = false;       ///< nothing happens by itself: no threads but those that calls wait for
};

/// Every call waits for what is not here, and throws std::runtime_error where it fails; paths have no leading slash.
class SyncDevice {
 public:
  SyncDevice(TestVolume& volume, std::string name, std::uint32_t writer, std::string directory, DeviceWorld world = {});
  /// With a server of the test's own, which knows `public_of` and has given it the prefix.
  SyncDevice(const crypto::VolumeKey& volume, std::unique_ptr<VolumeRemote> remote, std::string name, std::uint32_t writer,
             std::string directory, DeviceWorld world);
  static crypto::KeyPair key_of(std::uint32_t writer);
  static protocol::DevicePublic public_of(const std::string& name, std::uint32_t writer);
  ~SyncDevice();
  void start();
  void stop();           ///< an orderly end; `start` goes on from what is on the disk

  /// The process or the machine ended: goes on in `directory`, which holds what was left. `start` comes next.
  void abandon(const std::string& directory, bool power_lost);

  InodeId make_directory(const std::string& path);
  /// Creates or overwrites as a program does: open with O_TRUNC, write, close.
  InodeId write(const std::string& path, std::string_view bytes);
  void fsync(const std::string& path);
  OpId content(const std::string& path);
  void write_at(const std::string& path, std::uint64_t offset, std::string_view bytes);
  /// As cp does: `to` is created or cut, and filled by copy_file_range.
  InodeId copy(const std::string& from, const std::string& to);
  void truncate(const std::string& path, std::uint64_t size);
  std::string read(const std::string& path, std::uint64_t offset = 0, std::size_t size = std::size_t(-1));
  void unlink(const std::string& path);
  /// As a program does with a file that nobody else is to see: opens, unlinks (or `other` is renamed over it), writes on, closes.
  void unlink_and_write_on(const std::string& path, std::string_view bytes, const std::string& other = {});
  void remove_directory(const std::string& path);
  void rename(const std::string& from, const std::string& to);
  void link(const std::string& existing, const std::string& path);
  void symlink(const std::string& target, const std::string& path);
  void chmod(const std::string& path, std::uint32_t mode);
  void set_mtime(const std::string& path, Timestamp mtime);
  void set_xattr(const std::string& path, const std::string& name, const std::string& value);
  void remove_xattr(const std::string& path, const std::string& name);
  bool exists(const std::string& path);
  InodeId inode_of(const std::string& path) { return inode(path); }
  Node node(const std::string& path);
  /// Every path with its content ("dir", "-> target" or the bytes), everything fetched.
  std::map<std::string, std::string> tree();

  /// Every path with what else others should see of it: mode, links of files, mtime, xattrs.
  std::map<std::string, std::string> facts();
  static std::string fact(const Attributes& attributes, std::uint32_t links, const std::map<std::string, std::string>& xattrs);

  /// The same without contents: path -> is it a directory.
  std::map<std::string, bool> paths();

  /// Waits until the server holds all that was done here.
  void sync(std::chrono::seconds limit = std::chrono::seconds(60));
  /// Waits until everything the server has shows here.
  void catch_up(std::chrono::seconds limit = std::chrono::seconds(60));
  void check();          ///< the store's own check finds nothing wrong

  const std::string& name() const { return name_; }
  FakeVolumeRemote& remote() { return dynamic_cast<FakeVolumeRemote&>(*remote_); }
  SyncEngine& engine() { return *engine_; }
  MetadataStore& store() { return *store_; }
  BackingStore& backing() { return *backing_; }
  Filesystem& files() { return *files_; }
  SyncEngine::Options options;
  std::atomic<bool> no_moves{false};   ///< content cannot change hands now (as when too many files are open)

 private:
  class Bridge;
  SyncDevice(const crypto::VolumeKey& volume, FakeVolumeServer* fake, std::unique_ptr<VolumeRemote> remote, std::string name,
             std::uint32_t writer, std::string directory, DeviceWorld world);
  template <typename Call>
  auto must(const char* what, Call call);
  std::pair<InodeId, std::string> parent_of(const std::string& path);
  InodeId inode(const std::string& path);
  using Visit = std::function<void(const std::string& path, const DirectoryEntry& entry)>;
  void walk(InodeId directory, const std::string& path, const Visit& visit);
  std::string read_inode(InodeId inode, std::uint64_t offset, std::size_t size);
  HandleId open(InodeId inode, OpenFlags flags);
  std::pair<InodeId, HandleId> open_empty(const std::string& path);
  void put(HandleId handle, std::uint64_t offset, std::string_view bytes);

  const crypto::VolumeKey& volume_;
  FakeVolumeServer* const fake_;         ///< null: the server is not this room's
  const std::unique_ptr<VolumeRemote> remote_;
  const std::string name_;
  std::string directory_;
  const WriterId writer_;
  DeviceId device_;
  PosixDisk own_disk_;
  SystemClock own_clock_;
  Disk& disk_;
  Clock& clock_;
  const bool stepped_;
  int boots_ = 1;
  SystemRandom random_;
  crypto::KeyPair key_;
  std::unique_ptr<MetadataStore> store_;
  std::unique_ptr<BackingStore> backing_;
  std::unique_ptr<Bridge> bridge_;
  std::unique_ptr<Filesystem> files_;
  std::unique_ptr<SyncEngine> engine_;
};

}  // namespace skymoor::client
