// A backing store in a temporary directory, and a judge that says what the test wants.
#pragma once
#include <gtest/gtest.h>

#include <filesystem>
#include <set>

#include "fuse/cache/backing_store.h"
#include "tests/support/temp_dir.h"

namespace skymoor::client {

struct ListJudge final : EvictionJudge {
  std::set<std::uint64_t> keep;
  std::vector<std::uint64_t> asked;
  std::function<void(InodeId)> while_asked;
  bool give_up(InodeId inode) override {
    asked.push_back(inode.value);
    if (while_asked) while_asked(inode);
    return keep.count(inode.value) == 0;
  }
};

class CacheTest : public ::testing::Test {
 protected:
  CacheTest() : disk([this](const FaultPoint& point) { return hook ? hook(point) : 0; }) { reopen(); }
  void reopen() {
    store.reset();
    auto opened = BackingStore::open(disk, options());
    ASSERT_TRUE(opened.ok()) << opened.error().to_string();
    store = std::move(opened).value();
  }
  BackingStore::Options options() const {
    return {.data_directory = dir / "data", .cache_directory = dir / "cache", .clean_limit_bytes = limit,
            .max_open = max_open};
  }
  void fill(InodeId inode, std::size_t bytes, std::uint8_t value = 7) {
    auto file = store->open_file(inode, true);
    ASSERT_TRUE(file.ok()) << file.error().to_string();
    ASSERT_TRUE((*file)->file().write_at(0, Bytes(bytes, value)).ok());
  }
  void fill_clean(InodeId inode, std::size_t bytes, std::uint8_t value = 7) {
    fill(inode, bytes, value);
    ASSERT_TRUE(store->make_clean(inode).ok());
  }
  Bytes content(InodeId inode) {
    auto file = store->open_file(inode, false);
    if (!file.ok()) return {};
    Bytes out((*file)->file().size().value());
    EXPECT_TRUE((*file)->file().read_at(0, out).ok());
    return out;
  }
  std::size_t files_in(const std::string& which) const {
    std::size_t count = 0;
    for (const auto& entry : std::filesystem::recursive_directory_iterator((dir / which) + "/backing"))
      count += entry.is_regular_file();
    return count;
  }

  skymoor::testing::TempDir dir;
  std::uint64_t limit = 10ull << 30;
  std::size_t max_open = 64;
  FaultHook hook;
  PosixDisk disk;
  std::unique_ptr<BackingStore> store;
};

}  // namespace skymoor::client
