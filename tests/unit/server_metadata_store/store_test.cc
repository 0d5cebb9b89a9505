// The store as a whole: snapshots, durability across opening, versions of the schema.
#include <gtest/gtest.h>

#include <thread>

#include "backend-server/metadata_store/metadata_store.h"
#include "shared/base/file.h"
#include "shared/sqlite/database.h"
#include "tests/support/temp_dir.h"

namespace skymoor::server {
namespace {

class StoreTest : public ::testing::Test {
 protected:
  void SetUp() override { open(); }
  void open() {
    auto opened = open_sqlite_metadata_store({.file = directory_ / "metadata.db", .readers = 2});
    ASSERT_TRUE(opened.ok()) << opened.error().to_string();
    store_ = *std::move(opened);
  }
  VolumeRow volume(std::uint8_t seed) {
    VolumeRow row;
    row.id.value.fill(seed);
    return row;
  }
  Status add(std::uint8_t seed) {
    return store_->update([&](Tables& tables) -> Status {
      TRY(tables.volumes.insert(volume(seed)));
      return {};
    });
  }
  bool has(std::uint8_t seed) {
    auto found = read_from(*store_, [&](const ReadTables& t) { return t.volumes.find(volume(seed).id); });
    return found.ok() && found->has_value();
  }

  testing::TempDir directory_;
  std::unique_ptr<MetadataStore> store_;
};

TEST_F(StoreTest, an_update_is_there_for_the_next_read_and_after_opening_again) {
  ASSERT_TRUE(add(1).ok());
  EXPECT_TRUE(has(1));
  EXPECT_FALSE(has(2));
  store_.reset();
  open();
  EXPECT_TRUE(has(1));
}

TEST_F(StoreTest, an_update_that_fails_leaves_nothing) {
  Status failed = store_->update([&](Tables& tables) -> Status {
    TRY(tables.volumes.insert(volume(1)));
    return Error(Code::kForbidden, "no");
  });
  ASSERT_FALSE(failed.ok());
  EXPECT_EQ(failed.error().code(), Code::kForbidden);
  EXPECT_FALSE(has(1));
}

TEST_F(StoreTest, a_read_sees_one_snapshot_while_updates_go_on) {
  ASSERT_TRUE(add(1).ok());
  Status read = store_->read([&](const ReadTables& tables) -> Status {
    EXPECT_FALSE(TRY(tables.volumes.find(volume(2).id)).has_value());
    std::jthread([&] { EXPECT_TRUE(add(2).ok()); }).join();
    EXPECT_FALSE(TRY(tables.volumes.find(volume(2).id)).has_value());
    return {};
  });
  EXPECT_TRUE(read.ok());
  EXPECT_TRUE(has(2));
}

TEST_F(StoreTest, reads_wait_for_a_connection_and_all_get_one) {
  std::vector<std::jthread> threads;
  for (int i = 0; i < 16; ++i)
    threads.emplace_back([&] {
      for (int n = 0; n < 50; ++n) EXPECT_FALSE(has(9));
    });
}

TEST_F(StoreTest, a_read_that_throws_is_an_error_and_the_connection_stays_good) {
  for (int i = 0; i < 5; ++i) {
    Status thrown = store_->read([](const ReadTables&) -> Status { throw std::runtime_error("boom"); });
    ASSERT_FALSE(thrown.ok());
    EXPECT_EQ(thrown.error().code(), Code::kInternal);
  }
  ASSERT_TRUE(add(1).ok());
  EXPECT_TRUE(has(1));
}

TEST_F(StoreTest, refuses_the_database_of_a_newer_version_and_what_is_none) {
  store_.reset();
  {
    auto db = sqlite::Database::open(directory_ / "metadata.db");
    ASSERT_TRUE((*db)->execute("PRAGMA user_version=66536").ok());
  }
  auto newer = open_sqlite_metadata_store({.file = directory_ / "metadata.db"});
  ASSERT_FALSE(newer.ok());
  EXPECT_EQ(newer.error().code(), Code::kCorrupt);
  PosixDisk disk;
  ASSERT_TRUE(write_file_durably(disk, directory_ / "other.db", Bytes(8192, 'x')).ok());
  auto other = open_sqlite_metadata_store({.file = directory_ / "other.db"});
  ASSERT_FALSE(other.ok());
  EXPECT_EQ(other.error().code(), Code::kCorrupt);
}

}  // namespace
}  // namespace skymoor::server
