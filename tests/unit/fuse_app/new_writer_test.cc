// A volume's state that is given to another device: what is unsent counts all the while, and a reader's state just follows.
#include "fuse/app/mount/new_writer.h"

#include <gtest/gtest.h>

#include "fuse/app/mount/offline_store.h"
#include "tests/support/fake_volume_remote.h"
#include "tests/support/temp_dir.h"

namespace skymoor::client {
namespace {

DeviceId device(std::uint8_t number) {
  DeviceId id;
  id.value.fill(number);
  return id;
}

class NewWriterTest : public ::testing::Test {
 protected:
  NewWriterTest() {
    volume_.id.value.fill(7);
    volume_.label = "home";
    volume_.device = device(1);
    volume_.key.volume = volume_.id;
    volume_.key.seed = crypto::SecretBytes(ByteView(Bytes(32, 7)));
    server_ = std::make_unique<FakeVolumeServer>(volume_.id);
    remote_ = std::make_unique<FakeVolumeRemote>(*server_);
  }

  /// A mirror with so many records of its own.
  void make_state(WriterId writer, int records) {
    volume_.writer = writer;
    ASSERT_TRUE(disk_.make_directories(paths_.metadata(volume_.id), 0700).ok());
    ASSERT_TRUE(disk_.make_directories(paths_.cache, 0700).ok());
    ASSERT_TRUE(save_volume(disk_, paths_, volume_).ok());
    auto store = open_store(volume_.device, writer);
    InodeRow root;
    root.id = root.parent = kRootInode;
    root.attributes.type = FileType::kDirectory;
    root.attributes.mode = 0755;
    root.links = 2;
    ASSERT_TRUE(store->reset_mirror(Epoch{1}, Sequence{}, Hash256{}, root).ok());
    for (; records > 0; --records) {
      MutexLock lock(store->mutex());
      ASSERT_TRUE(store->commit(lock, store->begin(lock, AttributeIntent{kRootInode, kFieldMode})).ok());
      ASSERT_TRUE(store->commit(lock, store->begin(lock, LocalIntent{})).ok());   // is nobody else's
    }
    {
      MutexLock lock(store->mutex());
      const auto known = store->inode(lock, kRootInode);
      ASSERT_TRUE(known.ok()) << known.error().to_string();
    }
    ASSERT_TRUE(store->close().ok());
  }
  std::unique_ptr<MetadataStore> open_store(const DeviceId& of, WriterId writer) {
    MetadataStore::Options options;
    options.directory = paths_.metadata(volume_.id);
    auto store = MetadataStore::open(disk_, clock_, options, {volume_.id, of, writer}, nullptr);
    EXPECT_TRUE(store.ok()) << store.error().to_string();
    return store.ok() ? std::move(*store) : nullptr;
  }
  Status give() {
    auto http = HttpClient::open({.base_url = "http://127.0.0.1:9", .trust = {}});
    AccountRemote nobody(**http);
    return give_to_device(disk_, clock_, paths_, volume_, {second_, nobody, *remote_, random_}, {});
  }

  skymoor::testing::TempDir temporary_;
  const StatePaths paths_{temporary_.path() + "/state", temporary_.path() + "/cache"};
  PosixDisk disk_;
  SystemClock clock_;
  SystemRandom random_;
  const DeviceId second_ = device(2);
  LocalVolume volume_;
  std::unique_ptr<FakeVolumeServer> server_;
  std::unique_ptr<FakeVolumeRemote> remote_;
};

TEST_F(NewWriterTest, AReadersStateFollowsItsDevice) {
  make_state(WriterId{}, 0);
  volume_.role = protocol::Role::kReader;
  Status given = give();
  ASSERT_TRUE(given.ok()) << given.error().to_string();
  EXPECT_EQ(volume_.device, second_);
  EXPECT_FALSE(volume_.writer);
  auto saved = load_volume(disk_, paths_, volume_.id);
  ASSERT_TRUE(saved.ok());
  EXPECT_EQ(saved->device, second_);
  auto store = open_store(second_, WriterId{});
  ASSERT_TRUE(store);
  MutexLock lock(store->mutex());
  const auto root = store->inode(lock, kRootInode);
  EXPECT_TRUE(root.ok()) << "what was known of the volume is gone: " << root.error().to_string();
}

TEST_F(NewWriterTest, WhatAReaderMayNotSendAnyMoreStaysAsItIs) {
  make_state(WriterId{5}, 3);
  volume_.role = protocol::Role::kReader;
  Status given = give();
  ASSERT_FALSE(given.ok());
  EXPECT_EQ(given.error().code(), Code::kUnknownServer);
  EXPECT_NE(given.error().message().find("3 unsent changes"), std::string::npos) << given.error().to_string();
  EXPECT_EQ(MetadataStore::read_identity(disk_, paths_.metadata(volume_.id))->device, device(1));
  auto unsent = unsent_changes(disk_, clock_, paths_, volume_);
  ASSERT_TRUE(unsent.ok());
  EXPECT_EQ(*unsent, 3u);
}

/// For a moment there is no journal under its name: a logout took that for a volume that was never mounted, and forgot it.
TEST_F(NewWriterTest, WhatIsUnsentIsSeenWhileTheStateIsBetweenTwoNumbers) {
  make_state(WriterId{5}, 3);
  const std::string metadata = paths_.metadata(volume_.id);
  MetadataStore::Options options;
  options.directory = metadata;
  ASSERT_TRUE(MetadataStore::renumber(disk_, clock_, options, {volume_.id, second_, WriterId{6}}, metadata + ".next", nullptr).ok());
  PosixDisk broken([](const FaultPoint& point) { return point.name == "app.new_writer.swap" ? EIO : 0; });
  LocalVolume changing = volume_.clone();
  ASSERT_FALSE(finish_new_writer(broken, paths_, changing).ok());
  ASSERT_FALSE(disk_.exists(metadata));
  auto unsent = unsent_changes(disk_, clock_, paths_, volume_);
  ASSERT_TRUE(unsent.ok()) << unsent.error().to_string();
  EXPECT_EQ(*unsent, 3u);
  EXPECT_EQ(MetadataStore::read_identity(disk_, metadata)->device, second_);
}

TEST_F(NewWriterTest, ALockedVolumeIsNobodyElses) {
  make_state(WriterId{5}, 1);
  auto first = lock_volume(paths_, volume_.id);
  ASSERT_TRUE(first.ok());
  auto second = lock_volume(paths_, volume_.id, std::chrono::milliseconds(60));
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.error().code(), Code::kBusy);
  EXPECT_TRUE(unsent_changes(disk_, clock_, paths_, volume_).ok()) << "whoever holds it may look";
  first = UniqueFd();
  EXPECT_TRUE(lock_volume(paths_, volume_.id).ok());
}

}  // namespace
}  // namespace skymoor::client
