// coherence=open: the server is asked before a file is opened, and when a name is not there.
#include "tests/unit/fuse_filesystem/fs_stack.h"

namespace skymoor::client {
namespace {

class AskFirstTest : public FsTest {
 protected:
  AskFirstTest() { stack.options.ask_at_open = true; }
  /// As the channel does it: what is missing is fetched, then the operation is tried again.
  template <typename Operation>
  auto waiting(Operation operation) {
    Request request;
    auto result = operation(request);
    while (!result.ok() && result.error().code() == Code::kNotPresent && request.need) {
      Need need = *request.need;
      request.need.reset();
      EXPECT_TRUE(stack.fs->fetch(need, Instant::max(), {}).ok());
      result = operation(request);
    }
    return result;
  }
  int asked() const {
    int count = 0;
    for (const Need& need : stack.fetcher.needs()) count += need.kind == Need::Kind::kFresh;
    return count;
  }
};

TEST_F(AskFirstTest, EachOpenAsksOnce) {
  InodeId a = stack.touch("a");
  stack.fetcher.on_fetch = [](const Need&) { return Status(); };
  for (int i = 1; i <= 3; ++i) {
    auto opened = waiting([&](Request& request) { return stack.fs->open(request, a, {}); });
    ASSERT_OK(opened);
    stack.fs->release(opened->handle);
    EXPECT_EQ(asked(), i);
  }
}

TEST_F(AskFirstTest, WithoutTheServerWhatIsHereIsOpened) {
  InodeId a = stack.touch("a");
  auto opened = waiting([&](Request& request) { return stack.fs->open(request, a, {}); });
  ASSERT_OK(opened);
  stack.fs->release(opened->handle);
}

TEST_F(AskFirstTest, AFileThatWentMeanwhileIsStale) {
  InodeId a = stack.touch("a");
  stack.fetcher.on_fetch = [](const Need&) { return Status(); };
  auto used = waiting([&](Request& request) { return stack.fs->open(request, a, {}); });
  ASSERT_OK(used);
  stack.fetcher.on_fetch = [&](const Need&) { return stack.fs->unlink(r, kRootInode, "a"); };
  auto opened = waiting([&](Request& request) { return stack.fs->open(request, a, {}); });
  EXPECT_CODE(opened, Code::kStale);
  stack.fetcher.on_fetch = nullptr;
  // The kernel tries once more; by /proc it still means the file that somebody has.
  opened = waiting([&](Request& request) { return stack.fs->open(request, a, {}); });
  ASSERT_OK(opened);
  stack.fs->release(opened->handle);
  stack.fs->release(used->handle);
}

// The feed was faster than the open, and the kernel was not told yet: it opened the old file of the name.
TEST_F(AskFirstTest, AFileThatWentBeforeAndThatNobodyHasIsStale) {
  InodeId a = stack.touch("a");
  stack.fetcher.on_fetch = [](const Need&) { return Status(); };
  ASSERT_OK(stack.fs->unlink(r, kRootInode, "a"));
  auto opened = waiting([&](Request& request) { return stack.fs->open(request, a, {}); });
  EXPECT_CODE(opened, Code::kStale);
}

TEST_F(AskFirstTest, AMissingNameIsAskedFor) {
  stack.fetcher.on_fetch = [&](const Need&) {
    stack.touch("late");
    return Status();
  };
  auto found = waiting([&](Request& request) { return stack.fs->lookup(request, kRootInode, "late"); });
  EXPECT_OK(found);
  EXPECT_EQ(asked(), 1);
}

}  // namespace
}  // namespace skymoor::client
