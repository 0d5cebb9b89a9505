// Files that programs see past us, while another version of them is fetched.
#include "tests/unit/fuse_sync/sync_fixture.h"

namespace skymoor::client {
namespace {

class Shown final : public ContentWitness {
 public:
  explicit Shown(InodeId inode) : inode_(inode) {}
  bool may_be_written(const MutexLock&, InodeId) override { return false; }
  bool is_shown(const MutexLock&, InodeId inode) override { return inode == inode_ && !over; }
  std::atomic<bool> over{false};

 private:
  const InodeId inode_;
};

class ShownFilesTest : public SyncEngineTest {
 protected:
  ShownFilesTest() : a(device("anna")), b(device("berta")) {
    a.write("f", old_);
    a.sync();
    b.catch_up();
    EXPECT_TRUE(b.read("f") == old_);
    inode_ = b.inode_of("f");
    shown_ = std::make_unique<Shown>(inode_);
    // While it starts, so that nobody reads the line's rule in between.
    b.stop();
    b.remote().carry = [left = fetches_left_](std::string_view call) -> Status {
      if (call == "fetch" && left->fetch_sub(1) <= 0) return Error(Code::kIo, "enough for now");
      return {};
    };
    b.options.parallel_transfers = 1;
    b.start();
    MutexLock lock(b.store().mutex());
    b.store().witness_contents(lock, shown_.get());
  }
  void change_to(const std::string& bytes) {
    a.write("f", bytes);
    a.sync();
    b.catch_up();
  }
  Status fetch(Extent extent) { return b.engine().fetch_content(inode_, extent, SystemClock().monotonic() + std::chrono::seconds(20), {}); }
  /// What a program sees.
  std::string seen() {
    auto file = b.backing().open_file(inode_, false).value();
    std::string bytes(static_cast<std::size_t>(file->file().size().value()), '\0');
    EXPECT_TRUE(file->file().read_at(0, std::span(reinterpret_cast<std::uint8_t*>(bytes.data()), bytes.size())).ok());
    return bytes;
  }

  SyncDevice& a;
  SyncDevice& b;
  const std::string old_ = noise(12u << 20, 1);
  const std::shared_ptr<std::atomic<int>> fetches_left_ = std::make_shared<std::atomic<int>>(1000000);
  InodeId inode_;
  std::unique_ptr<Shown> shown_;
};

TEST_F(ShownFilesTest, KeepTheOldVersionUntilAllOfTheNewOneIsHereAndGoOnWhereTheyWereCutOff) {
  SyncDevice& c = device("clara");
  for (const std::size_t size : {15u << 20, 5u << 20}) {
    const std::string before = seen(), now = noise(size, size);
    change_to(now);
    const std::uint64_t fetched = b.remote().fetched_blocks, fetched_by_other = c.remote().fetched_blocks;
    *fetches_left_ = 1;
    EXPECT_FALSE(fetch({0, 4096}).ok());
    EXPECT_GT(b.remote().fetched_blocks, fetched) << "nothing had come yet";
    EXPECT_TRUE(seen() == before) << "a part of the new one shows";
    *fetches_left_ = 1000000;
    ASSERT_TRUE(fetch({0, 4096}).ok());
    EXPECT_TRUE(seen() == now);
    c.catch_up();
    EXPECT_TRUE(c.read("f") == now);
    EXPECT_EQ(b.remote().fetched_blocks - fetched, c.remote().fetched_blocks - fetched_by_other) << "some of it came twice";
    EXPECT_TRUE(b.read("f") == now);
  }
}

TEST_F(ShownFilesTest, WhatCameForThemIsUsedWhenNobodySeesThemAnyMore) {
  const std::string now = noise(15u << 20, 3);
  change_to(now);
  *fetches_left_ = 1;
  EXPECT_FALSE(fetch({0, 4096}).ok());
  EXPECT_TRUE(seen() == old_);
  shown_->over = true;
  *fetches_left_ = 1000000;
  EXPECT_TRUE(b.read("f") == now);
  EXPECT_TRUE(seen() == now);
}

TEST_F(ShownFilesTest, ALongOneIsPutInPlacePieceByPiece) {
  const std::string now = noise(1u << 20, 8) + std::string(200u << 20, '\0') + noise(1u << 20, 9);
  change_to(now);
  ASSERT_TRUE(fetch({0, 1}).ok());
  EXPECT_TRUE(seen() == now);
}

// Where the bytes that come are zeros behind the end of the backing file, the file grew by none, counted as cut, and they came again.
TEST_F(SyncEngineTest, TheHoleAtTheEndOfAChangedFileComesOnce) {
  SyncDevice& a = device("anna");
  SyncDevice& b = device("berta");
  const std::string whole = noise(1u << 20, 5) + std::string(100u << 20, '\0');
  a.write("f", whole.substr(0, 1u << 20));
  a.truncate("f", whole.size());
  a.sync();
  b.catch_up();
  b.node("f");
  b.remote().lose_commits = 1000000;   // its change stays pending
  b.write_at("f", 0, "changed");
  const InodeId inode = b.inode_of("f");
  for (int round = 0; round < 2; ++round) {
    EXPECT_EQ(b.read("f", 50u << 20, 4096), std::string(4096, '\0'));
    MutexLock lock(b.store().mutex());
    EXPECT_TRUE(b.store().content(lock, inode)->valid.contains({50u << 20, (50u << 20) + 4096}));
  }
  b.remote().lose_commits = 0;
  EXPECT_TRUE(b.read("f") == "changed" + whole.substr(7));
  expect_converged();
}

TEST_F(ShownFilesTest, AYetNewerVersionTakesThePlaceOfWhatHasCome) {
  change_to(noise(15u << 20, 3));
  *fetches_left_ = 1;
  EXPECT_FALSE(fetch({0, 4096}).ok());
  const std::string now = std::string(1u << 20, '\0') + noise(2u << 20, 4);
  change_to(now);
  *fetches_left_ = 1000000;
  EXPECT_TRUE(seen() == old_);
  ASSERT_TRUE(fetch({0, 1}).ok());
  EXPECT_TRUE(seen() == now);
}

}  // namespace
}  // namespace skymoor::client
