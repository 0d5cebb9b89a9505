// Memory runs out at each allocation of each operation in turn, once and for good: the operation says so or is done, nothing is
// half done, in memory as in the log, and the next one works.
#include "shared/base/must_finish.h"
#include "tests/support/failing_memory.h"
#include "tests/unit/fuse_filesystem/fs_stack.h"

namespace skymoor::client {
namespace {

using skymoor::testing::FailingMemory;
using Tree = std::map<std::string, std::string>;

/// Everything of a store below a directory but times and numbers, by path.
Tree tree_of(MetadataStore& store, InodeId directory, const std::string& path = "") {
  Tree tree;
  std::vector<DentryRow> entries;
  {
    MutexLock lock(store.mutex());
    entries = store.list(lock, directory, 0, 1000).value();
  }
  for (const DentryRow& entry : entries) {
    const std::string here = path + "/" + entry.name;
    std::string& text = tree[here];
    bool is_directory;
    {
      MutexLock lock(store.mutex());
      auto row = store.inode(lock, entry.inode);
      if (!row.ok()) {
        text = "no row: " + row.error().to_string();
        continue;
      }
      is_directory = row->attributes.type == FileType::kDirectory;
      text = std::to_string(static_cast<int>(row->attributes.type)) + " mode " + std::to_string(row->attributes.mode) + " size " +
             std::to_string(row->attributes.size) + " links " + std::to_string(row->links) + " -> " + row->target;
      const std::vector<std::string> names = store.xattr_names(lock, entry.inode).value();
      for (const std::string& name : names)
        text += " " + name + "=" + std::string(as_text(store.xattr(lock, entry.inode, name).value()));
      const ContentRow content = store.content(lock, entry.inode).value();
      text += " dirty " + std::to_string(content.dirty.total()) + " valid " + std::to_string(content.valid.total());
    }
    if (is_directory) tree.merge(tree_of(store, entry.inode, here));
  }
  return tree;
}

/// What a process that is killed now leaves to the next one.
Tree after_a_kill(const FsStack& stack, const std::string& place, const std::string& name) {
  std::filesystem::remove_all(place);
  std::filesystem::create_directories(place);
  for (const auto& entry : std::filesystem::directory_iterator(stack.directory() + "/data/log"))
    std::filesystem::copy(entry.path(), place + "/" + entry.path().filename().string());
  PosixDisk disk;
  SystemClock clock;
  MetadataStore::Options options;
  options.directory = place;
  options.keep_orphans = true;
  options.sync_interval = options.checkpoint_interval = std::chrono::milliseconds(0);
  auto store = MetadataStore::open(disk, clock, options, {VolumeId{}, DeviceId{}, WriterId{7}}, nullptr);
  if (!store.ok()) return {{"open", store.error().to_string()}};
  InodeId directory;
  {
    MutexLock lock((*store)->mutex());
    auto entry = (*store)->dentry(lock, kRootInode, name);
    if (!entry.ok()) return {{"name", entry.error().to_string()}};
    directory = entry->inode;
  }
  return tree_of(**store, directory);
}

/// A directory to work in, the same each time but for its name.
struct Place {
  FsStack& stack;
  std::string name;
  InodeId directory, file, other, folder;
  HandleId handle{};   ///< of `file`
};

struct Operation {
  const char* name;
  std::function<Status(Place&)> run;
};
template <typename T>
Status status_of(const Result<T>& result) {
  return result.ok() ? Status() : Status(result.error());
}

std::vector<Operation> operations() {
  return {
      {"create", [](Place& p) {
         Request r;
         auto made = p.stack.fs->create(r, p.directory, "made", 0644, FsStack::rw());
         if (made.ok()) p.stack.fs->release(made->opened.handle);
         return status_of(made);
       }},
      {"mkdir", [](Place& p) { Request r; return status_of(p.stack.fs->make_directory(r, p.directory, "made", 0755)); }},
      {"symlink", [](Place& p) { Request r; return status_of(p.stack.fs->make_symlink(r, p.directory, "made", std::string(300, 't'))); }},
      {"link", [](Place& p) { Request r; return status_of(p.stack.fs->link(r, p.file, p.directory, "linked")); }},
      {"append", [](Place& p) { return status_of(p.stack.write(p.handle, 3000, std::string(3000, 'a'))); }},
      {"overwrite", [](Place& p) { return status_of(p.stack.write(p.handle, 1000, std::string(500, 'b'))); }},
      {"truncate", [](Place& p) { return p.stack.set_size(p.file, 100); }},
      {"chmod", [](Place& p) {
         Request r;
         SetAttributesRequest wanted;
         wanted.mode = 0600;
         return status_of(p.stack.fs->set_attributes(r, p.file, wanted));
       }},
      {"rename", [](Place& p) { return p.stack.rename("file", "renamed", 0, p.directory, p.folder); }},
      {"rename over", [](Place& p) { return p.stack.rename("file", "other", 0, p.directory, p.directory); }},
      {"unlink", [](Place& p) { return p.stack.unlink("other", p.directory); }},
      {"rmdir", [](Place& p) { Request r; return p.stack.fs->remove_directory(r, p.directory, "folder"); }},
      {"setxattr", [](Place& p) { Request r; return p.stack.fs->set_xattr(r, p.file, "user.long.name.of.one", as_bytes(std::string(200, 'x')), 0); }},
      {"removexattr", [](Place& p) { Request r; return p.stack.fs->remove_xattr(r, p.file, "user.first"); }},
      {"readdir", [](Place& p) { Request r; return status_of(p.stack.fs->read_directory(r, p.directory, 0, 100, true)); }},
      {"lookup", [](Place& p) {
         const auto found = p.stack.find("a name that is nowhere to be found", p.directory);
         return !found.ok() && found.error().code() == Code::kNotFound ? Status() : status_of(found);
       }},
      {"fsync", [](Place& p) { Request r; return p.stack.fs->sync_file(r, p.handle, false); }},
      {"open", [](Place& p) {
         Request r;
         auto opened = p.stack.fs->open(r, p.other, FsStack::rw());
         if (opened.ok()) p.stack.fs->release(opened->handle);
         return status_of(opened);
       }},
      {"checkpoint", [](Place& p) { return p.stack.store->checkpoint(); }},
      {"sync_all", [](Place& p) { Request r; return p.stack.fs->sync_all(r); }},
  };
}

Place prepare(FsStack& stack, std::uint64_t number) {
  Place p{stack, "d" + std::to_string(number)};
  Request r;
  p.directory = stack.mkdir(p.name);
  p.file = stack.write_file("file", std::string(3000, 'f'), p.directory);
  p.other = stack.write_file("other", std::string(200, 'o'), p.directory);
  p.folder = stack.mkdir("folder", p.directory);
  EXPECT_OK(stack.fs->set_xattr(r, p.file, "user.first", as_bytes("1"), 0));
  p.handle = stack.open_file(p.file);
  return p;
}

class MemorySweep : public ::testing::TestWithParam<bool> {};
INSTANTIATE_TEST_SUITE_P(OnceAndForGood, MemorySweep, ::testing::Bool());

TEST_P(MemorySweep, EveryAllocationOfEveryOperationFails) {
  skymoor::testing::TempDir dir;
  std::uint64_t number = 0, fired = 0, refused = 0;
  ASSERT_TRUE(MustFinish::ready().ok());
  for (const Operation& operation : operations()) {
    SCOPED_TRACE(operation.name);
    FsStack stack(dir / operation.name);
    ASSERT_NO_FATAL_FAILURE(stack.open());
    Place model = prepare(stack, number++);
    const Tree before = tree_of(*stack.store, model.directory);
    ASSERT_OK(operation.run(model));
    const Tree done = tree_of(*stack.store, model.directory);
    stack.fs->release(model.handle);
    std::uint64_t nth = 1;
    for (bool more = true; more; ++nth) {
      SCOPED_TRACE("allocation " + std::to_string(nth));
      ASSERT_LT(nth, 5000u);
      Place place = prepare(stack, number++);
      if (nth % 2 == 0) {
        ASSERT_OK(stack.store->checkpoint());
      }
      Status outcome;
      {
        FailingMemory failing(nth, GetParam());
        outcome = contained([&] { return operation.run(place); });
        more = failing.fired();
      }
      fired += more;
      refused += !outcome.ok();
      if (!outcome.ok()) {
        EXPECT_EQ(outcome.error().code(), Code::kOutOfMemory) << outcome.error().to_string();
      }
      const Tree now = tree_of(*stack.store, place.directory);
      EXPECT_TRUE(now == before || now == done) << ::testing::PrintToString(now) << " was " << ::testing::PrintToString(before);
      if (outcome.ok()) {
        EXPECT_TRUE(now == done) << "done, and not there";
      }
      EXPECT_EQ(after_a_kill(stack, dir / "killed", place.name), now) << "the log has another story";
      // The next one works.
      ASSERT_EQ(contained([&] { return operation.run(place); }).ok() || now == done, true);
      stack.fs->release(place.handle);
      ASSERT_FALSE(HasFailure());
      ASSERT_TRUE(MustFinish::ready().ok());
    }
    stack.reopen();
    stack.expect_sound();
    ASSERT_FALSE(HasFailure());
  }
  std::cout << fired << " allocations failed, " << refused << " operations said so\n";
  EXPECT_GT(fired, 150u);
  EXPECT_GT(refused, 80u);
}

}  // namespace
}  // namespace skymoor::client
