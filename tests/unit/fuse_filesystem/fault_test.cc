// Every step of the disk fails once, in turn: the operation says so, what returned before is kept, nothing is half
// done.
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

TEST_P(FaultSweep, EveryStepFailsOnce) {
  skymoor::testing::TempDir dir;
  std::set<std::string> points;
  int fired = 0, fault = 0;
  for (bool more = true; more; ++fault) {
    ASSERT_LT(fault, 1000);
    std::string path = dir / ("n" + std::to_string(fault));
    int steps = 0;
    more = false;
    FsStack stack(path);
    ASSERT_NO_FATAL_FAILURE(stack.open());
    Workload workload(stack);
    stack.hook = [&](const FaultPoint& point) {
      if (steps++ != fault) return 0;
      points.insert(std::string(point.name));
      more = true;
      ++fired;
      return GetParam();
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
  EXPECT_GT(fired, 40);
  std::cout << fired << " faults\n";
  for (const char* point : {"file.write", "file.sync", "disk.open", "filesystem.write", "backing.sync_all",
                            "journal.checkpoint", "journal.checkpoint_commit"})
    EXPECT_TRUE(points.contains(point)) << point << " never failed";
}

}  // namespace
}  // namespace skymoor::client
