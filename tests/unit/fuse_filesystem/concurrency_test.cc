// Threads at work on the same and on different files; meant for the thread sanitizer, and for broken lock orders.
#include <thread>

#include "tests/unit/fuse_filesystem/fs_stack.h"

namespace skymoor::client {
namespace {

using ConcurrencyTest = FsTest;

TEST_F(ConcurrencyTest, AppendsLoseNothing) {
  InodeId a = stack.touch("a");
  constexpr int kThreads = 4, kAppends = 200;
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < kThreads; ++t)
      threads.emplace_back([&, t] {
        HandleId handle = stack.open_file(a, {.write = true, .append = true});
        for (int i = 0; i < kAppends; ++i)
          EXPECT_OK(stack.write(handle, 0, std::string(10, static_cast<char>('a' + t))));
        stack.fs->release(handle);
      });
  }
  std::string content = stack.content(a);
  ASSERT_EQ(content.size(), 10u * kThreads * kAppends);
  for (std::size_t i = 0; i < content.size(); i += 10) EXPECT_EQ(content.substr(i, 10), std::string(10, content[i]));
}

TEST_F(ConcurrencyTest, EverybodyDoesEverything) {
  stack.options.tick = std::chrono::milliseconds(5);
  stack.options.passthrough = stack.options.passthrough_empty = true;
  stack.reopen();
  std::atomic<bool> stop{false};
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 4; ++t)
      threads.emplace_back([&, t] {
        Request mine;
        for (int i = 0; !stop && i < 150; ++i) {
          std::string name = "f" + std::to_string((i + t) % 5);
          auto made = stack.fs->create(mine, kRootInode, name, 0644, FsStack::rw());
          if (!made.ok()) continue;
          HandleId handle = made->opened.handle;
          (void)stack.write(handle, static_cast<std::uint64_t>(i) * 10, "some bytes");
          (void)stack.fs->get_attributes(mine, made->node.id);
          (void)stack.read(handle);
          if (i % 7 == 0) (void)stack.set_size(made->node.id, 5);
          if (i % 11 == 0) (void)stack.fs->sync_file(mine, handle, false);
          if (i % 5 == 0) (void)stack.rename(name, "f" + std::to_string(i % 5));
          if (i % 9 == 0) (void)stack.unlink(name);
          made->opened.passthrough.reset();
          stack.fs->release(handle);
          stack.fs->forget(made->node.id);
        }
      });
    threads.emplace_back([&] {
      for (int i = 0; i < 20; ++i) {
        (void)stack.store->checkpoint();
        (void)stack.fs->evict();
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
      }
    });
  }
  stack.expect_sound();
  for (const std::string& name : stack.names())
    EXPECT_EQ(stack.content(stack.find(name)->id).size(), stack.find(name)->attributes.size);
}

}  // namespace
}  // namespace skymoor::client
