// A hostile server: whatever it replays, forks, drops, swaps or forges, the device names it, shows nothing of it and
// changes nothing of its own.
#include <gtest/gtest.h>

#include <filesystem>
#include <thread>

#include "tests/support/sync_device.h"

namespace skymoor::client {
namespace {

class HostileServerTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string path = std::filesystem::exists("/dev/shm") ? "/dev/shm" : "/tmp";
    path += "/skymoor-hostile-XXXXXX";
    ASSERT_NE(::mkdtemp(path.data()), nullptr);
    directory_ = path;
    author_ = std::make_unique<SyncDevice>(volume_, "author", 1, directory_ + "/author");
    victim_ = std::make_unique<SyncDevice>(volume_, "victim", 2, directory_ + "/victim");
    author_->make_directory("d");
    author_->write("d/one", std::string(5000, '1'));
    author_->write("two", std::string(6000, '2'));
    author_->sync();
  }
  void TearDown() override {
    victim_.reset();
    author_.reset();
    std::filesystem::remove_all(directory_);
  }
  /// The victim has seen everything so far, and is away while the author goes on.
  void victim_leaves() {
    victim_->catch_up();
    before_ = victim_->tree();
    victim_->remote().set_offline(true);
  }
  /// Back, it stops with a reason that has `named` in it, and is as it was.
  void expect_stopped(const std::string& named) {
    volume_.server.set_stubborn(true);
    victim_->remote().set_offline(false);
    for (int i = 0; i < 3000 && !victim_->engine().status().stopped; ++i) {
      victim_->engine().wake();
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    const auto status = victim_->engine().status();
    EXPECT_TRUE(status.stopped);
    EXPECT_NE(status.reason.find(named), std::string::npos) << status.reason;
    EXPECT_EQ(victim_->tree(), before_);
    EXPECT_NO_THROW(victim_->check());
  }
  void tamper(FakeVolumeRemote::Tampering tampering) { victim_->remote().tamper(std::move(tampering)); }

  TestVolume volume_{13};
  std::string directory_;
  std::unique_ptr<SyncDevice> author_, victim_;
  std::map<std::string, std::string> before_;
};

TEST_F(HostileServerTest, an_old_head_is_not_believed) {
  author_->write("three", "3");
  author_->sync();
  victim_leaves();
  tamper({.feed = [](FeedPage& page) {
    page.head = Sequence{1};
    page.entries.clear();
  }});
  volume_.server.forget_newest(1);
  expect_stopped("does not say that it was put back");
}

TEST_F(HostileServerTest, an_old_change_in_the_place_of_a_new_one) {
  victim_leaves();
  author_->unlink("two");
  author_->sync();
  FeedPage old;
  {
    auto page = author_->remote().changes(Epoch{1}, Sequence{}, 1u << 20, {});
    ASSERT_TRUE(page.ok());
    old = *page;
  }
  tamper({.feed = [old](FeedPage& page) {
    if (!page.entries.empty()) page.entries = {old.entries.front()};
  }});
  expect_stopped("does not follow");
}

TEST_F(HostileServerTest, a_change_left_out) {
  victim_leaves();
  author_->write("three", "3");
  author_->sync();
  author_->write("four", "4");
  author_->sync();
  tamper({.feed = [](FeedPage& page) {
    if (page.entries.size() > 1) page.entries.erase(page.entries.begin());
  }});
  expect_stopped("does not follow");
}

TEST_F(HostileServerTest, a_history_that_forks) {
  const auto fork = volume_.server.back_up();
  author_->write("seen by the victim", "x");
  author_->sync();
  victim_leaves();
  author_->remote().set_offline(true);
  volume_.server.put_back(*fork);
  // Another device goes on from the older state: all that it signs is right.
  SyncDevice other(volume_, "other", 3, directory_ + "/other");
  other.write("seen by others", "y");
  other.sync();
  other.write("more", "y");
  other.sync();
  expect_stopped("another history");
  EXPECT_TRUE(victim_->exists("seen by the victim"));
  EXPECT_FALSE(victim_->exists("seen by others"));
}

TEST_F(HostileServerTest, a_change_by_a_device_that_is_none) {
  victim_leaves();
  author_->write("three", "3");
  author_->sync();
  tamper({.devices = [](std::vector<protocol::DevicePublic>& devices) { devices.clear(); }});
  // The author's key is known since the first change; after a restart the server is asked again.
  victim_->stop();
  victim_->remote().set_offline(false);
  victim_->start();
  expect_stopped("not of this volume");
}

TEST_F(HostileServerTest, another_key_for_a_device) {
  victim_leaves();
  author_->write("three", "3");
  author_->sync();
  tamper({.devices = [](std::vector<protocol::DevicePublic>& devices) {
    for (auto& device : devices) device.signing_key = Bytes(32, 5);
  }});
  victim_->stop();
  victim_->remote().set_offline(false);
  victim_->start();
  expect_stopped("not signed by the device it names");
}

TEST_F(HostileServerTest, names_and_manifests_of_other_inodes) {
  // A listing whose entries have each other's names, or each other's contents.
  tamper({.directory = [](DirectoryPage& page) {
    if (page.entries.size() == 2) std::swap(page.entries[0].sealed_name, page.entries[1].sealed_name);
  }});
  EXPECT_THROW(victim_->paths(), std::runtime_error);
  // Each name leading to what the other one leads to.
  tamper({.directory = [](DirectoryPage& page) {
    if (page.entries.size() == 2) std::swap(page.entries[0].inode, page.entries[1].inode);
  }});
  EXPECT_THROW(victim_->paths(), std::runtime_error);
  {
    MutexLock lock(victim_->store().mutex());
    EXPECT_FALSE(victim_->store().dentry(lock, kRootInode, "two").ok());
  }
  const InodeId one = author_->node("d/one").id, two = author_->node("two").id;
  auto records = author_->remote().inodes({one, two}, {});
  ASSERT_TRUE(records.ok());
  const InodeRecord first = records->inodes[0], second = records->inodes[1];
  auto swap = [first, second](InodeRecord& record) {
    if (record.sealed_manifest.empty()) return;
    const InodeRecord& other = record.inode == first.inode ? second : first;
    record.content = other.content;
    record.sealed_manifest = other.sealed_manifest;
  };
  tamper({.directory = [swap](DirectoryPage& page) { for (ListedEntry& entry : page.entries) swap(entry.inode); },
          .inodes = [swap](InodePage& page) { for (InodeRecord& record : page.inodes) swap(record); }});
  EXPECT_THROW(victim_->paths(), std::runtime_error);
  EXPECT_THROW(victim_->read("two"), std::runtime_error);
  tamper({});
  EXPECT_EQ(victim_->read("two"), std::string(6000, '2'));
}

TEST_F(HostileServerTest, another_block_in_the_place_of_one) {
  victim_->paths();
  tamper({.block = [](const BlockId& id, const std::map<BlockId, Bytes>& blocks) {
    for (const auto& [other, bytes] : blocks)
      if (other != id) return bytes;
    return Bytes();
  }});
  EXPECT_THROW(victim_->read("two"), std::runtime_error);
  tamper({.block = [](const BlockId&, const std::map<BlockId, Bytes>&) { return Bytes(5000, 0); }});
  EXPECT_THROW(victim_->read("d/one"), std::runtime_error);
  tamper({});
  EXPECT_EQ(victim_->read("d/one"), std::string(5000, '1'));
}

TEST_F(HostileServerTest, an_epoch_without_a_restore_changes_nothing) {
  victim_leaves();
  const std::size_t commits = volume_.server.commits();
  volume_.server.set_epoch(Epoch{2});
  victim_->remote().set_offline(false);
  for (int i = 0; i < 3000 && victim_->store().position().epoch != Epoch{2}; ++i) {
    victim_->engine().wake();
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  EXPECT_EQ(victim_->store().position().epoch, Epoch{2});
  EXPECT_EQ(victim_->tree(), before_);
  EXPECT_EQ(volume_.server.commits(), commits);
}

}  // namespace
}  // namespace skymoor::client
