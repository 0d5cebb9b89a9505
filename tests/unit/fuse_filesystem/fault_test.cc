// Every step of the disk fails once, in turn: the operation says so, what returned before is kept, nothing is half
// done.
#include "fuse/filesystem/attributes/posix_acl.h"
#include "tests/unit/fuse_filesystem/fs_stack.h"

namespace skymoor::client {
namespace {

/// A workload whose every operation may fail; it keeps a model of those that returned.
class Workload {
 public:
  explicit Workload(FsStack& stack) : stack_(stack) {}
  void run() {
    Request r;
    for (int i = 0; i < 4; ++i) {
      std::string name = "f" + std::to_string(i);
      auto made = stack_.fs->create(r, kRootInode, name, 0644, FsStack::rw());
      if (!made.ok()) continue;
      files[name] = "";
      HandleId handle = made->opened.handle;
      write(handle, name, 0, std::string(3000, static_cast<char>('a' + i)));
      write(handle, name, 2000, "overwritten");
      (void)stack_.fs->sync_file(r, handle, false);
      stack_.fs->release(handle);
      if (stack_.set_size(made->node.id, 2500).ok()) files[name].resize(2500);
      if (i == 1 && stack_.rename("f1", "f0").ok()) {
        files["f0"] = files["f1"];
        files.erase("f1");
        torn.erase("f0");
        if (torn.erase("f1") != 0) torn.insert("f0");
      }
      if (i == 2 && stack_.unlink("f2").ok()) {
        files.erase("f2");
        stack_.fs->forget(made->node.id);
      }
    }
    (void)stack_.store->checkpoint();
    (void)stack_.fs->sync_all(r);
  }
  std::map<std::string, std::string> files;
  std::set<std::string> torn;   ///< a write failed: its range may hold either

 private:
  void write(HandleId handle, const std::string& name, std::size_t at, const std::string& text) {
    auto n = stack_.write(handle, at, text);
    if (!n.ok()) {
      torn.insert(name);
      return;
    }
    std::string& bytes = files[name];
    if (bytes.size() < at + text.size()) bytes.resize(at + text.size());
    bytes.replace(at, text.size(), text);
  }
  FsStack& stack_;
};

/// What has several parts each: access lists and the mode that agrees with them, names of files written before.
class PartsWorkload {
 public:
  explicit PartsWorkload(FsStack& stack) : stack_(stack) {}
  struct Expected {
    std::uint32_t mode = 0;
    std::optional<Bytes> list;
    std::string content;
  };
  void run() {
    Request r;
    auto made = stack_.fs->make_directory(r, kRootInode, "d", 0755);
    if (!made.ok()) return;
    directory = made->id;
    const bool lists = stack_.fs->set_xattr(r, *directory, kDefaultAclName, list(6), 0).ok();
    for (int i = 0; i < 2; ++i) {
      const std::string name = "f" + std::to_string(i);
      auto file = stack_.fs->make_node(r, *directory, name, S_IFREG | 0666, 0);
      if (!file.ok()) continue;
      files[name] = {lists ? 0660u : 0666u, lists ? std::optional(list(6)) : std::nullopt, ""};
      SetAttributesRequest wanted;
      wanted.mode = 0640;
      if (stack_.fs->set_attributes(r, file->id, wanted).ok()) {
        files[name].mode = 0640;
        if (files[name].list) files[name].list = list(4);
      }
      if (stack_.fs->set_xattr(r, file->id, kAccessAclName, list(7), 0).ok()) {
        files[name].mode = 0670;
        files[name].list = list(7);
      }
      name_late("late" + std::to_string(i));
    }
    (void)stack_.store->checkpoint();
  }
  std::optional<InodeId> directory;
  std::map<std::string, Expected> files;

 private:
  static Bytes list(std::uint16_t mask) {
    return encode_acl({{1, 6, UINT32_MAX}, {2, 7, 1000}, {4, 6, UINT32_MAX}, {0x10, mask, UINT32_MAX}, {0x20, 0, UINT32_MAX}});
  }
  void name_late(const std::string& name) {
    Request r;
    auto made = stack_.fs->create_unnamed(r, kRootInode, 0600, FsStack::rw());
    if (!made.ok()) return;
    if (stack_.write(made->opened.handle, 0, "written before").ok() &&
        stack_.fs->link(r, made->node.id, *directory, name).ok())
      files[name] = {0600, std::nullopt, "written before"};
    stack_.fs->release(made->opened.handle);
  }
  FsStack& stack_;
};

void check(FsStack& stack, PartsWorkload& workload, int fault) {
  if (!workload.directory) return;
  std::vector<std::string> names;
  Request r;
  for (auto& [name, expected] : workload.files) {
    names.push_back(name);
    auto found = stack.find(name, *workload.directory);
    ASSERT_TRUE(found.ok()) << name << " after fault " << fault << ": " << found.error().to_string();
    EXPECT_EQ(found->attributes.mode, expected.mode) << name << " after fault " << fault;
    auto list = stack.fs->get_xattr(r, found->id, kAccessAclName);
    EXPECT_EQ(list.ok() ? std::optional(*list) : std::nullopt, expected.list) << name << " after fault " << fault;
    EXPECT_EQ(stack.content(found->id), expected.content) << name << " after fault " << fault;
  }
  EXPECT_EQ(stack.names(*workload.directory), names) << "after fault " << fault;
}

void check(FsStack& stack, Workload& workload, int fault) {
  std::vector<std::string> expected;
  for (auto& [name, bytes] : workload.files) {
    expected.push_back(name);
    auto found = stack.find(name);
    ASSERT_TRUE(found.ok()) << name << " after fault " << fault << ": " << found.error().to_string();
    if (workload.torn.count(name) != 0) continue;
    EXPECT_EQ(stack.content(found->id), bytes) << name << " after fault " << fault;
  }
  EXPECT_EQ(stack.names(), expected) << "after fault " << fault;
}

class FaultSweep : public ::testing::TestWithParam<int> {};
INSTANTIATE_TEST_SUITE_P(Errors, FaultSweep, ::testing::Values(EIO, ENOSPC, EMFILE));

/// Which points failed, one in each round, until a round met none.
template <typename Work>
std::multiset<std::string> fail_each_step(int error) {
  skymoor::testing::TempDir dir;
  std::multiset<std::string> points;
  int fault = 0;
  for (bool more = true; more && fault < 1000; ++fault) {
    std::string path = dir / ("n" + std::to_string(fault));
    int steps = 0;
    more = false;
    FsStack stack(path);
    stack.open();
    if (::testing::Test::HasFailure()) break;
    Work workload(stack);
    stack.hook = [&](const FaultPoint& point) {
      if (steps++ != fault) return 0;
      points.insert(std::string(point.name));
      more = true;
      return error;
    };
    workload.run();
    stack.hook = nullptr;
    check(stack, workload, fault);
    stack.reopen();   // a log that could not be synced stays failed until then
    check(stack, workload, fault);
    stack.expect_sound();
    if (::testing::Test::HasFailure()) break;
    stack.close();
    std::filesystem::remove_all(path);
  }
  EXPECT_LT(fault, 1000);
  std::cout << points.size() << " faults\n";
  return points;
}

TEST_P(FaultSweep, EveryStepFailsOnce) {
  const auto points = fail_each_step<Workload>(GetParam());
  EXPECT_GT(points.size(), 40u);
  for (const char* point : {"file.write", "file.sync", "disk.open", "filesystem.write", "backing.sync_all",
                            "journal.checkpoint", "journal.checkpoint_commit"})
    EXPECT_TRUE(points.contains(point)) << point << " never failed";
}

TEST_P(FaultSweep, WhatHasSeveralPartsFailsWhole) {
  const auto points = fail_each_step<PartsWorkload>(GetParam());
  EXPECT_GT(points.count("file.write"), 10u);
}

}  // namespace
}  // namespace skymoor::client
