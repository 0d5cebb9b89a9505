// The whole local half of a mount in one directory: real store, real backing files, a fake server.
#pragma once
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <map>

#include "fuse/filesystem/filesystem.h"
#include "shared/model/manifest.h"
#include "tests/support/fake_fetcher.h"
#include "tests/support/temp_dir.h"

namespace skymoor::client {

/// Logged data goes back into the backing files, as app does it.
class TestReplay final : public DataReplay {
 public:
  explicit TestReplay(BackingStore& backing) : backing_(backing) {}
  Status replay(InodeId inode, std::uint64_t offset, ByteView bytes) override {
    return TRY(backing_.open_file(inode, true))->file().write_at(offset, bytes);
  }
  Status make_durable(const std::vector<InodeId>& inodes) override {
    for (InodeId inode : inodes) TRY(backing_.sync(inode));
    return {};
  }
  Status sync_changed(const std::vector<InodeId>& inodes) override {
    for (InodeId inode : inodes) (void)TRY(backing_.sync_unsynced(inode));
    return {};
  }

 private:
  BackingStore& backing_;
};

/// Opens and closes store, backing and filesystem on a directory; helpers speak of files by name in the root.
class FsStack {
 public:
  explicit FsStack(std::string directory) : disk([this](const FaultPoint& p) { return hook ? hook(p) : 0; }),
                                            directory_(std::move(directory)) {
    options.tick = std::chrono::milliseconds(0);
    options.reserve_bytes = 0;
  }
  ~FsStack() {
    hook = nullptr;  // it may speak of variables of a test that is over
    close();
  }

  void open() {
    ASSERT_NO_FATAL_FAILURE(open_state());
    auto opened = Filesystem::open(*store, *backing, fetcher, disk, clock, options);
    ASSERT_TRUE(opened.ok()) << opened.error().to_string();
    fs = std::move(opened).value();
  }
  void open_state() {
    auto files =
        BackingStore::open(disk, {.data_directory = directory_ + "/data", .cache_directory = directory_ + "/cache"});
    ASSERT_TRUE(files.ok()) << files.error().to_string();
    backing = std::move(files).value();
    replay = std::make_unique<TestReplay>(*backing);
    MetadataStore::Options store_options;
    store_options.directory = directory_ + "/data/log";
    store_options.boot_id = boot_id;
    store_options.sync_interval = store_options.checkpoint_interval = std::chrono::milliseconds(0);
    store_options.keep_orphans = options.open_before.has_value();
    auto made = MetadataStore::open(disk, clock, store_options, {VolumeId{}, DeviceId{}, WriterId{7}}, replay.get());
    ASSERT_TRUE(made.ok()) << made.error().to_string();
    store = std::move(made).value();
    MutexLock lock(store->mutex());
    bool fresh = !store->inode(lock, kRootInode).ok();
    lock.unlock();
    if (fresh) make_root();
  }
  void make_root() {
    InodeRow root;
    root.id = kRootInode;
    root.attributes.type = FileType::kDirectory;
    root.attributes.mode = 0755;
    root.links = 2;
    root.listed = root_listed;
    Status done = store->reset_mirror(Epoch{1}, Sequence{1}, Hash256{}, root);
    ASSERT_TRUE(done.ok()) << done.error().to_string();
    if (root_listed) {
      auto listed = store->merge_listing(kRootInode, Sequence{1}, {.inode = root}, {}, true);
      ASSERT_TRUE(listed.ok()) << listed.error().to_string();
    }
  }
  void close() {
    fs.reset();
    store.reset();
    backing.reset();
  }
  void reopen() {
    close();
    open();
  }
  const std::string& directory() const { return directory_; }

  // ---- Shorthands. Each fails the test when it does not work, unless it returns a Result. ----
  Request as(std::uint32_t uid = 0, std::uint32_t gid = 0) { return {.uid = uid, .gid = gid}; }
  Result<Node> find(std::string_view name, InodeId parent = kRootInode) {
    Request r;
    return fs->lookup(r, parent, name);
  }
  Node node(InodeId inode) {
    Request r;
    auto got = fs->get_attributes(r, inode);
    EXPECT_TRUE(got.ok()) << got.error().to_string();
    return got.ok() ? *got : Node{};
  }
  Filesystem::Created create(std::string_view name, InodeId parent = kRootInode, OpenFlags flags = rw()) {
    Request r;
    auto made = fs->create(r, parent, name, 0644, flags);
    EXPECT_TRUE(made.ok()) << made.error().to_string();
    return made.ok() ? std::move(made).value() : Filesystem::Created{};
  }
  InodeId touch(std::string_view name, InodeId parent = kRootInode) {
    auto made = create(name, parent);
    fs->release(made.opened.handle);
    return made.node.id;
  }
  InodeId mkdir(std::string_view name, InodeId parent = kRootInode) {
    Request r;
    auto made = fs->make_directory(r, parent, name, 0755);
    EXPECT_TRUE(made.ok()) << made.error().to_string();
    return made.ok() ? made->id : InodeId{};
  }
  InodeId write_file(std::string_view name, std::string_view text, InodeId parent = kRootInode) {
    auto made = create(name, parent);
    EXPECT_EQ(write(made.opened.handle, 0, text).value_or(0), text.size());
    fs->release(made.opened.handle);
    return made.node.id;
  }
  HandleId open_file(InodeId inode, OpenFlags flags = rw()) {
    Request r;
    auto opened = fs->open(r, inode, flags);
    EXPECT_TRUE(opened.ok()) << opened.error().to_string();
    return opened.ok() ? opened->handle : HandleId{};
  }
  Result<std::size_t> write(HandleId handle, std::uint64_t offset, std::string_view text, std::uint32_t uid = 0) {
    Request r{.uid = uid};
    return fs->write(r, handle, offset, text.size(), [&](int fd, std::uint64_t at) -> Result<std::size_t> {
      ssize_t n = ::pwrite(fd, text.data(), text.size(), static_cast<off_t>(at));
      if (n < 0) return Error::from_errno(errno, "pwrite");
      return static_cast<std::size_t>(n);
    });
  }
  /// Reads like the channel does: a NotPresent is fetched once and asked again.
  Result<std::string> read(HandleId handle, std::uint64_t offset = 0, std::size_t size = 1u << 20) {
    for (int i = 0;; ++i) {
      Request r;
      auto reply = fs->read(r, handle, offset, size);
      if (!reply.ok() && reply.error().code() == Code::kNotPresent && i < 4) {
        Status fetched = fs->fetch(*r.need, Instant::max(), {});
        if (!fetched.ok()) return std::move(fetched).error();
        continue;
      }
      if (!reply.ok()) return std::move(reply).error();
      return bytes_of(*reply);
    }
  }
  static std::string bytes_of(const ReadReply& reply) {
    if (!reply.file) return std::string(as_text(reply.bytes));
    std::string out(reply.length, '\0');
    ssize_t n = ::pread(reply.file->fd(), out.data(), out.size(), static_cast<off_t>(reply.offset));
    EXPECT_GE(n, 0);
    return out;  // past the end of the backing file: zeros
  }
  std::string content(InodeId inode) {
    HandleId handle = open_file(inode, ro());
    std::string out;
    for (;;) {
      auto part = read(handle, out.size(), 1u << 16);
      EXPECT_TRUE(part.ok()) << part.error().to_string();
      if (!part.ok() || part->empty()) break;
      out += *part;
    }
    fs->release(handle);
    return out;
  }
  Status set_size(InodeId inode, std::uint64_t size) {
    Request r;
    SetAttributesRequest wanted;
    wanted.size = size;
    auto done = fs->set_attributes(r, inode, wanted);
    return done.ok() ? Status() : Status(done.error());
  }
  Status unlink(std::string_view name, InodeId parent = kRootInode) {
    Request r;
    return fs->unlink(r, parent, name);
  }
  Status rename(std::string_view from, std::string_view to, unsigned flags = 0, InodeId from_directory = kRootInode,
                InodeId to_directory = kRootInode) {
    Request r;
    return fs->rename(r, from_directory, from, to_directory, to, flags);
  }
  std::vector<std::string> names(InodeId directory = kRootInode) {
    std::vector<std::string> out;
    Request r;
    for (std::uint64_t after = 0;;) {
      auto page = fs->read_directory(r, directory, after, 3, false);
      EXPECT_TRUE(page.ok()) << page.error().to_string();
      if (!page.ok() || page->empty()) break;
      for (auto& entry : *page) out.push_back(entry.name);
      after = page->back().cookie;
    }
    std::sort(out.begin(), out.end());
    return out;
  }
  InodeRow row(InodeId inode) {
    MutexLock lock(store->mutex());
    auto got = store->inode(lock, inode);
    return got.ok() ? *got : InodeRow{};
  }
  ContentRow content_row(InodeId inode) {
    MutexLock lock(store->mutex());
    return store->content(lock, inode).value();
  }
  std::vector<LogRecord> records(Lsn after = {}) { return store->records_after(after, 100000, 64u << 20).value(); }
  std::size_t backing_files(const std::string& which) const {
    std::size_t count = 0;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(directory_ + "/" + which + "/backing"))
      count += entry.is_regular_file();
    return count;
  }
  void expect_sound() {
    auto wrong = store->check();
    ASSERT_TRUE(wrong.ok()) << wrong.error().to_string();
    for (const std::string& line : *wrong) ADD_FAILURE() << line;
  }

  static OpenFlags rw() { return {.read = true, .write = true}; }
  static OpenFlags ro() { return {}; }

  /// Files that the server has: name -> bytes. Makes them known here without their content, and fetches on demand.
  void publish(const std::map<std::string, std::string>& files, bool manifests = true);
  Status fetch_content(const Need& need);

  /// A re-plan gives the content of `from` to the conflict copy `to`. `between`: after the rows, before the file.
  void move_content(InodeId from, InodeId to, const std::function<void()>& between = {});
  void move_rows(Filesystem& told, InodeId from, InodeId to);   ///< its first half

  std::function<int(const FaultPoint&)> hook;
  PosixDisk disk;
  /// Goes on with the machine's, and may be put forward.
  class MovedClock final : public Clock {
   public:
    Timestamp now() const override { return system_.now(); }
    Instant monotonic() const override { return system_.monotonic() + moved_.load(); }
    void advance(std::chrono::nanoseconds by) { moved_ = moved_.load() + by; }

   private:
    SystemClock system_;
    std::atomic<std::chrono::nanoseconds> moved_{};
  };
  MovedClock clock;
  FakeFetcher fetcher;
  bool root_listed = true;
  std::string boot_id;   ///< another one after a power cut
  Filesystem::Options options;
  std::unique_ptr<BackingStore> backing;
  std::unique_ptr<TestReplay> replay;
  std::unique_ptr<MetadataStore> store;
  std::unique_ptr<Filesystem> fs;
  std::map<std::uint64_t, std::string> server;   ///< content by inode

 private:
  std::string directory_;
};

class FsTest : public ::testing::Test {
 protected:
  FsTest() : stack(dir / "mount") {}
  void SetUp() override { stack.open(); }
  Request r;
  skymoor::testing::TempDir dir;
  FsStack stack;
};

#define EXPECT_CODE(expression, expected)                                     \
  do {                                                                        \
    auto result_of_ = (expression);                                           \
    if (result_of_.ok()) {                                                    \
      ADD_FAILURE() << #expression " worked";                                 \
    } else {                                                                  \
      EXPECT_EQ(name_of(result_of_.error().code()), name_of(expected));       \
    }                                                                         \
  } while (0)

#define EXPECT_OK(expression)                                                 \
  do {                                                                        \
    auto result_of_ = (expression);                                           \
    EXPECT_TRUE(result_of_.ok()) << #expression << ": " << result_of_.error().to_string(); \
  } while (0)

#define ASSERT_OK(expression)                                                 \
  do {                                                                        \
    auto result_of_ = (expression);                                           \
    ASSERT_TRUE(result_of_.ok()) << #expression << ": " << result_of_.error().to_string(); \
  } while (0)

}  // namespace skymoor::client
