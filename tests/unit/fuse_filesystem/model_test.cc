// Random operations here and on a real directory: the same answers, the same errors, the same tree, also after a crash.
#include <dirent.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include <random>

#include "tests/unit/fuse_filesystem/fs_stack.h"

namespace skymoor::client {
namespace {

/// One operation's outcome: an errno, or 0 and what it answered.
struct Outcome {
  int error = 0;
  std::string answer;
  friend bool operator==(const Outcome&, const Outcome&) = default;
};
std::ostream& operator<<(std::ostream& out, const Outcome& o) {
  return out << "errno " << o.error << " answer of " << o.answer.size() << " bytes: " << o.answer.substr(0, 40);
}

Outcome failed() { return {errno, {}}; }
template <typename T>
Outcome failed(const Result<T>& result) { return {errno_of(result.error()), {}}; }

/// The same few verbs over paths and a few open files, on both sides.
class Side {
 public:
  virtual ~Side() = default;
  virtual Outcome open(int slot, const std::string& path, bool create, bool exclusive, bool truncate, bool append) = 0;
  virtual void close(int slot) = 0;
  virtual Outcome write(int slot, std::uint64_t at, const std::string& bytes) = 0;
  virtual Outcome read(int slot, std::uint64_t at, std::size_t size) = 0;
  virtual Outcome truncate(int slot, std::uint64_t size) = 0;
  virtual Outcome allocate(int slot, int mode, std::uint64_t at, std::uint64_t size) = 0;
  virtual Outcome copy(int from, std::uint64_t from_at, int to, std::uint64_t to_at, std::size_t size) = 0;
  virtual Outcome mkdir(const std::string& path) = 0;
  virtual Outcome rmdir(const std::string& path) = 0;
  virtual Outcome unlink(const std::string& path) = 0;
  virtual Outcome link(const std::string& from, const std::string& to) = 0;
  virtual Outcome symlink(const std::string& target, const std::string& path) = 0;
  virtual Outcome rename(const std::string& from, const std::string& to, unsigned flags) = 0;
  virtual Outcome chmod(const std::string& path, unsigned mode) = 0;
  virtual Outcome set_xattr(const std::string& path, const std::string& name, const std::string& value, int flags) = 0;
  virtual Outcome remove_xattr(const std::string& path, const std::string& name) = 0;
  /// Everything below the root: path, type, mode, links, size, content, target, xattrs.
  virtual void describe(const std::string& path, std::map<std::string, std::string>& out) = 0;
};

constexpr int kSlots = 4;
const char* const kXattrs[] = {"user.a", "user.b"};

class RealSide final : public Side {
 public:
  explicit RealSide(std::string root) : root_(std::move(root)) { ::mkdir(root_.c_str(), 0755); }
  ~RealSide() override {
    for (int slot = 0; slot < kSlots; ++slot) close(slot);
  }
  Outcome open(int slot, const std::string& path, bool create, bool exclusive, bool truncate, bool append) override {
    close(slot);
    int flags = O_RDWR | O_NOFOLLOW | (create ? O_CREAT : 0) | (create && exclusive ? O_EXCL : 0) |
                (truncate ? O_TRUNC : 0) | (append ? O_APPEND : 0);
    fds_[slot] = ::open((root_ + path).c_str(), flags, 0644);
    return fds_[slot] < 0 ? failed() : Outcome{};
  }
  void close(int slot) override {
    if (fds_[slot] >= 0) ::close(fds_[slot]);
    fds_[slot] = -1;
  }
  Outcome write(int slot, std::uint64_t at, const std::string& bytes) override {
    ssize_t n = ::pwrite(fds_[slot], bytes.data(), bytes.size(), static_cast<off_t>(at));
    return n < 0 ? failed() : Outcome{0, std::to_string(n)};
  }
  Outcome read(int slot, std::uint64_t at, std::size_t size) override {
    std::string out(size, 0);
    ssize_t n = ::pread(fds_[slot], out.data(), size, static_cast<off_t>(at));
    if (n < 0) return failed();
    out.resize(static_cast<std::size_t>(n));
    return {0, out};
  }
  Outcome truncate(int slot, std::uint64_t size) override {
    return ::ftruncate(fds_[slot], static_cast<off_t>(size)) != 0 ? failed() : Outcome{};
  }
  Outcome allocate(int slot, int mode, std::uint64_t at, std::uint64_t size) override {
    return ::fallocate(fds_[slot], mode, static_cast<off_t>(at), static_cast<off_t>(size)) != 0 ? failed() : Outcome{};
  }
  Outcome copy(int from, std::uint64_t from_at, int to, std::uint64_t to_at, std::size_t size) override {
    auto in = static_cast<off_t>(from_at), out = static_cast<off_t>(to_at);
    ssize_t n = ::copy_file_range(fds_[from], &in, fds_[to], &out, size, 0);
    return n < 0 ? failed() : Outcome{0, std::to_string(n)};
  }
  Outcome mkdir(const std::string& p) override { return ::mkdir((root_ + p).c_str(), 0755) ? failed() : Outcome{}; }
  Outcome rmdir(const std::string& p) override { return ::rmdir((root_ + p).c_str()) ? failed() : Outcome{}; }
  Outcome unlink(const std::string& p) override { return ::unlink((root_ + p).c_str()) ? failed() : Outcome{}; }
  Outcome link(const std::string& from, const std::string& to) override {
    return ::link((root_ + from).c_str(), (root_ + to).c_str()) ? failed() : Outcome{};
  }
  Outcome symlink(const std::string& target, const std::string& p) override {
    return ::symlink(target.c_str(), (root_ + p).c_str()) ? failed() : Outcome{};
  }
  Outcome rename(const std::string& from, const std::string& to, unsigned flags) override {
    return ::renameat2(AT_FDCWD, (root_ + from).c_str(), AT_FDCWD, (root_ + to).c_str(), flags) ? failed() : Outcome{};
  }
  Outcome chmod(const std::string& p, unsigned mode) override {
    struct stat st;
    if (::lstat((root_ + p).c_str(), &st) != 0) return failed();
    if (S_ISLNK(st.st_mode)) return {};
    return ::chmod((root_ + p).c_str(), mode) ? failed() : Outcome{};
  }
  Outcome set_xattr(const std::string& p, const std::string& name, const std::string& value, int flags) override {
    return ::lsetxattr((root_ + p).c_str(), name.c_str(), value.data(), value.size(), flags) ? failed() : Outcome{};
  }
  Outcome remove_xattr(const std::string& p, const std::string& name) override {
    return ::lremovexattr((root_ + p).c_str(), name.c_str()) ? failed() : Outcome{};
  }
  void describe(const std::string& path, std::map<std::string, std::string>& out) override {
    struct stat st;
    ASSERT_EQ(::lstat((root_ + path).c_str(), &st), 0);
    std::string text = std::to_string(st.st_mode) + " " + std::to_string(st.st_nlink);
    if (S_ISREG(st.st_mode)) {
      std::string bytes(static_cast<std::size_t>(st.st_size), 0);
      int fd = ::open((root_ + path).c_str(), O_RDONLY);
      ASSERT_EQ(::pread(fd, bytes.data(), bytes.size(), 0), st.st_size);
      ::close(fd);
      text += " " + bytes;
    } else if (S_ISLNK(st.st_mode)) {
      char target[4096];
      ssize_t n = ::readlink((root_ + path).c_str(), target, sizeof target);
      text += " " + std::string(target, static_cast<std::size_t>(n));
    }
    for (const char* name : kXattrs) {
      char value[256];
      ssize_t n = ::lgetxattr((root_ + path).c_str(), name, value, sizeof value);
      if (n >= 0) text += std::string(" ") + name + "=" + std::string(value, static_cast<std::size_t>(n));
    }
    out[path] = text;
    if (!S_ISDIR(st.st_mode)) return;
    for (const auto& entry : std::filesystem::directory_iterator(root_ + path))
      describe(path + "/" + entry.path().filename().string(), out);
  }

 private:
  std::string root_;
  int fds_[kSlots] = {-1, -1, -1, -1};
};

class SkymoorSide final : public Side {
 public:
  explicit SkymoorSide(FsStack& stack) : stack_(&stack) {}
  void use(FsStack& stack) { stack_ = &stack; }
  ~SkymoorSide() override {
    for (int slot = 0; slot < kSlots; ++slot) close(slot);
  }
  struct Place {
    InodeId directory;
    std::string name;
  };
  /// The directory of the last component, as the kernel would walk there (no symlink on the way is followed here).
  Result<Place> walk(const std::string& path) {
    Place place{kRootInode, {}};
    std::size_t at = 1;
    for (;;) {
      std::size_t slash = path.find('/', at);
      place.name = path.substr(at, slash == path.npos ? path.npos : slash - at);
      if (slash == path.npos) return place;
      Request r;
      Node node = TRY(stack_->fs->lookup(r, place.directory, place.name));
      // Symlinks on the way are the kernel's business; here they all lead nowhere.
      if (node.attributes.type == FileType::kSymlink) return Error(Code::kNotFound, "");
      if (node.attributes.type != FileType::kDirectory) return Error(Code::kNotDirectory, "");
      place.directory = node.id;
      at = slash + 1;
    }
  }
  Result<Node> find(const std::string& path) {
    Request r;
    if (path.empty()) return stack_->fs->get_attributes(r, kRootInode);
    Place place = TRY(walk(path));
    return stack_->fs->lookup(r, place.directory, place.name);
  }
  Outcome open(int slot, const std::string& path, bool create, bool exclusive, bool truncate, bool append) override {
    close(slot);
    OpenFlags flags{.read = true, .write = true, .append = append, .truncate = truncate, .exclusive = exclusive};
    Request r;
    auto place = walk(path);
    if (!place.ok()) return failed(place);
    auto node = stack_->fs->lookup(r, place->directory, place->name);
    if (!node.ok() && node.error().code() != Code::kNotFound) return failed(node);
    if (!node.ok() && !create) return failed(node);
    if (!node.ok()) {
      auto made = stack_->fs->create(r, place->directory, place->name, 0644, flags);
      if (!made.ok()) return failed(made);
      handles_[slot] = made->opened.handle;
      return {};
    }
    if (create && exclusive) return {EEXIST, {}};
    auto opened = stack_->fs->open(r, node->id, flags);
    if (!opened.ok()) return failed(opened);
    handles_[slot] = opened->handle;
    return {};
  }
  void close(int slot) override {
    if (handles_[slot] != HandleId{}) stack_->fs->release(handles_[slot]);
    handles_[slot] = HandleId{};
  }
  Outcome write(int slot, std::uint64_t at, const std::string& bytes) override {
    if (handles_[slot] == HandleId{}) return {EBADF, {}};
    auto n = stack_->write(handles_[slot], at, bytes);
    return n.ok() ? Outcome{0, std::to_string(*n)} : failed(n);
  }
  Outcome read(int slot, std::uint64_t at, std::size_t size) override {
    if (handles_[slot] == HandleId{}) return {EBADF, {}};
    auto bytes = stack_->read(handles_[slot], at, size);
    return bytes.ok() ? Outcome{0, *bytes} : failed(bytes);
  }
  Outcome truncate(int slot, std::uint64_t size) override {
    if (handles_[slot] == HandleId{}) return {EBADF, {}};
    // As the kernel does for ftruncate: by inode.
    return status(stack_->set_size(inode_of(slot), size));
  }
  InodeId inode_of(int slot) {
    // The harness keeps no inode beside the handle; a read-only way to it is the backing file of a read.
    return inodes_[slot];
  }
  void note_inode(int slot, const std::string& path) {
    auto node = find(path);
    inodes_[slot] = node.ok() ? node->id : InodeId{};
  }
  Outcome allocate(int slot, int mode, std::uint64_t at, std::uint64_t size) override {
    if (handles_[slot] == HandleId{}) return {EBADF, {}};
    Request r;
    return status(stack_->fs->allocate(r, handles_[slot], mode, at, size));
  }
  Outcome copy(int from, std::uint64_t from_at, int to, std::uint64_t to_at, std::size_t size) override {
    if (handles_[from] == HandleId{} || handles_[to] == HandleId{}) return {EBADF, {}};
    Request r;
    auto n = stack_->fs->copy_range(r, handles_[from], from_at, handles_[to], to_at, size);
    return n.ok() ? Outcome{0, std::to_string(*n)} : failed(n);
  }
  Outcome mkdir(const std::string& path) override {
    auto place = walk(path);
    Request r;
    if (!place.ok()) return failed(place);
    auto made = stack_->fs->make_directory(r, place->directory, place->name, 0755);
    return made.ok() ? Outcome{} : failed(made);
  }
  Outcome rmdir(const std::string& path) override {
    auto place = walk(path);
    Request r;
    return place.ok() ? status(stack_->fs->remove_directory(r, place->directory, place->name)) : failed(place);
  }
  Outcome unlink(const std::string& path) override {
    auto place = walk(path);
    Request r;
    return place.ok() ? status(stack_->fs->unlink(r, place->directory, place->name)) : failed(place);
  }
  Outcome link(const std::string& from, const std::string& to) override {
    auto node = find(from);
    if (!node.ok()) return failed(node);
    auto place = walk(to);
    if (!place.ok()) return failed(place);
    Request r;
    // The kernel looks at the new name first.
    auto target = stack_->fs->lookup(r, place->directory, place->name);
    if (target.ok()) return {EEXIST, {}};
    auto made = stack_->fs->link(r, node->id, place->directory, place->name);
    return made.ok() ? Outcome{} : failed(made);
  }
  Outcome symlink(const std::string& target, const std::string& path) override {
    auto place = walk(path);
    Request r;
    if (!place.ok()) return failed(place);
    auto made = stack_->fs->make_symlink(r, place->directory, place->name, target);
    return made.ok() ? Outcome{} : failed(made);
  }
  Outcome rename(const std::string& from, const std::string& to, unsigned flags) override {
    auto a = walk(from);
    if (!a.ok()) return failed(a);
    auto b = walk(to);
    if (!b.ok()) return failed(b);
    Request r;
    return status(stack_->fs->rename(r, a->directory, a->name, b->directory, b->name, flags));
  }
  Outcome chmod(const std::string& path, unsigned mode) override {
    auto node = find(path);
    if (!node.ok()) return failed(node);
    if (node->attributes.type == FileType::kSymlink) return {};
    Request r;
    SetAttributesRequest wanted;
    wanted.mode = mode;
    auto done = stack_->fs->set_attributes(r, node->id, wanted);
    return done.ok() ? Outcome{} : failed(done);
  }
  Outcome set_xattr(const std::string& path, const std::string& name, const std::string& value, int flags) override {
    auto node = find(path);
    if (!node.ok()) return failed(node);
    if (node->attributes.type == FileType::kSymlink) return {EPERM, {}};   // the kernel's rule for user.*
    Request r;
    return status(stack_->fs->set_xattr(r, node->id, name, as_bytes(value), flags));
  }
  Outcome remove_xattr(const std::string& path, const std::string& name) override {
    auto node = find(path);
    if (!node.ok()) return failed(node);
    if (node->attributes.type == FileType::kSymlink) return {EPERM, {}};
    Request r;
    return status(stack_->fs->remove_xattr(r, node->id, name));
  }
  void describe(const std::string& path, std::map<std::string, std::string>& out) override {
    auto node = find(path);
    ASSERT_TRUE(node.ok()) << path << ": " << node.error().to_string();
    const Attributes& a = node->attributes;
    std::string text = std::to_string(format_bits(a.type) | a.mode) + " " + std::to_string(node->links);
    Request r;
    if (a.type == FileType::kFile) text += " " + stack_->content(node->id);
    if (a.type == FileType::kSymlink) text += " " + *stack_->fs->read_link(r, node->id);
    for (const char* name : kXattrs) {
      auto value = stack_->fs->get_xattr(r, node->id, name);
      if (value.ok()) text += std::string(" ") + name + "=" + std::string(as_text(*value));
    }
    out[path] = text;
    if (a.type != FileType::kDirectory) return;
    for (const std::string& name : stack_->names(node->id)) describe(path + "/" + name, out);
  }

 private:
  static Outcome status(const Status& done) { return done.ok() ? Outcome{} : Outcome{errno_of(done.error()), {}}; }
  FsStack* stack_;
  HandleId handles_[kSlots] = {};
  InodeId inodes_[kSlots];
};

class ModelTest : public ::testing::TestWithParam<unsigned> {
 protected:
  std::uint64_t pick(std::uint64_t n) { return random() % n; }
  std::string path() {
    static const char* const kNames[] = {"a", "b", "c"};
    std::string out;
    for (std::uint64_t depth = 1 + pick(3); depth-- > 0;) out += std::string("/") + kNames[pick(3)];
    return out;
  }
  std::string bytes() {
    std::size_t size = pick(4) == 0 ? pick(200000) : pick(6000);
    return std::string(size, static_cast<char>('a' + pick(26)));
  }
  std::uint64_t offset() { return pick(3) == 0 ? pick(300000) : pick(10000); }
  void step(SkymoorSide& ours, RealSide& real);
  void compare(const char* what, const Outcome& ours, const Outcome& real) {
    EXPECT_EQ(ours, real) << what << " at step " << at;
  }
  void compare_trees(Side& ours, Side& real) {
    std::map<std::string, std::string> a, b;
    ours.describe("", a);
    real.describe("", b);
    a.erase("");
    b.erase("");
    EXPECT_EQ(a.size(), b.size());
    for (auto& [name, text] : b)
      EXPECT_TRUE(a[name] == text) << name << ": " << a[name].substr(0, 60) << " | " << text.substr(0, 60);
  }
  std::mt19937_64 random;
  int at = 0;
};

void ModelTest::step(SkymoorSide& ours, RealSide& real) {
  std::string p = path(), q = path(), text = bytes();
  int slot = static_cast<int>(pick(kSlots)), other = static_cast<int>(pick(kSlots));
  std::uint64_t a = offset(), b = offset(), n = 1 + pick(20000);
  static const int kModes[] = {0, FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, FALLOC_FL_ZERO_RANGE,
                               FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE};
  switch (pick(22)) {
    case 0: case 1: case 2: {
      bool create = pick(3) != 0, exclusive = pick(4) == 0, cut = pick(5) == 0, append = pick(5) == 0;
      Outcome mine = ours.open(slot, p, create, exclusive, cut, append);
      compare("open", mine, real.open(slot, p, create, exclusive, cut, append));
      ours.note_inode(slot, p);
      break;
    }
    case 3: ours.close(slot); real.close(slot); break;
    case 4: case 5: case 6: case 7: compare("write", ours.write(slot, a, text), real.write(slot, a, text)); break;
    case 8: case 9: compare("read", ours.read(slot, a, n), real.read(slot, a, n)); break;
    case 10: compare("truncate", ours.truncate(slot, a), real.truncate(slot, a)); break;
    case 11: {
      int mode = kModes[pick(5)];
      compare("allocate", ours.allocate(slot, mode, a, n), real.allocate(slot, mode, a, n));
      break;
    }
    case 12: compare("copy", ours.copy(slot, a, other, b, n), real.copy(slot, a, other, b, n)); break;
    case 13: case 14: compare("mkdir", ours.mkdir(p), real.mkdir(p)); break;
    case 15: compare("rmdir", ours.rmdir(p), real.rmdir(p)); break;
    case 16: compare("unlink", ours.unlink(p), real.unlink(p)); break;
    case 17: compare("link", ours.link(p, q), real.link(p, q)); break;
    case 18: compare("symlink", ours.symlink("nowhere" + q, p), real.symlink("nowhere" + q, p)); break;
    case 19: {
      unsigned flags = pick(3) == 0 ? RENAME_NOREPLACE : pick(3) == 0 ? RENAME_EXCHANGE : 0;
      compare("rename", ours.rename(p, q, flags), real.rename(p, q, flags));
      break;
    }
    case 20: {
      unsigned mode = static_cast<unsigned>(pick(01000)) | 0700;
      compare("chmod", ours.chmod(p, mode), real.chmod(p, mode));
      break;
    }
    case 21: {
      std::string name = kXattrs[pick(2)], value = text.substr(0, 20);
      int flags = static_cast<int>(pick(3));
      if (pick(3) == 0) compare("remove_xattr", ours.remove_xattr(p, name), real.remove_xattr(p, name));
      else compare("set_xattr", ours.set_xattr(p, name, value, flags), real.set_xattr(p, name, value, flags));
      break;
    }
  }
}

TEST_P(ModelTest, AgreesWithARealDirectory) {
  using skymoor::testing::TempDir;
  // The real directory is on a disk, which does all of fallocate; ours lies on one only once, because that is slow.
  TempDir disk(TempDir::disk_directory()), fast;
  random.seed(GetParam());
  FsStack stack((GetParam() == 1 ? disk : fast) / "mount");
  ASSERT_NO_FATAL_FAILURE(stack.open());
  RealSide real(disk / "real");
  {
    SkymoorSide ours(stack);
    for (; at < 600 && !HasFailure(); ++at) step(ours, real);
    compare_trees(ours, real);
    stack.expect_sound();
  }
  stack.reopen();
  SkymoorSide again(stack);
  compare_trees(again, real);
}

INSTANTIATE_TEST_SUITE_P(Seeds, ModelTest, ::testing::Range(1u, 9u));

}  // namespace
}  // namespace skymoor::client
