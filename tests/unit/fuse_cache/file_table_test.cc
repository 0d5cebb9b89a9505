#include "fuse/cache/file_table.h"

#include <gtest/gtest.h>

#include <map>
#include <random>

namespace skymoor::client {
namespace {

TEST(FileTable, KeepsWhatIsPut) {
  FileTable table;
  EXPECT_FALSE(table.find(InodeId{5}));
  table.put({InodeId{5}, 10000, true, false, 9});
  auto entry = table.find(InodeId{5});
  ASSERT_TRUE(entry);
  EXPECT_EQ(entry->allocated_bytes, 12288u);
  EXPECT_TRUE(entry->dirty);
  EXPECT_FALSE(entry->directory_unsynced);
  EXPECT_EQ(entry->last_use, 9u);
  table.use(InodeId{5}, 10);
  table.use(InodeId{6}, 10);
  EXPECT_EQ(table.find(InodeId{5})->last_use, 10u);
  EXPECT_FALSE(table.find(InodeId{6}));
}

TEST(FileTable, TicksWrapAround) {
  EXPECT_TRUE(FileTable::older(1, 2));
  EXPECT_FALSE(FileTable::older(2, 1));
  EXPECT_TRUE(FileTable::older(0xfffffff0u, 5));
}

TEST(FileTable, AgreesWithAMapUnderRandomWork) {
  FileTable table;
  std::map<std::uint64_t, std::uint64_t> model;
  std::mt19937_64 random(1);
  for (int i = 0; i < 200000; ++i) {
    std::uint64_t inode = 1 + random() % 3000;
    if (random() % 3 != 0) {
      std::uint64_t bytes = (random() % 100) * 4096;
      table.put({InodeId{inode}, bytes, false, false, 0});
      model[inode] = bytes;
    } else {
      EXPECT_EQ(table.erase(InodeId{inode}), model.erase(inode) == 1);
    }
  }
  EXPECT_EQ(table.size(), model.size());
  for (auto [inode, bytes] : model) {
    auto entry = table.find(InodeId{inode});
    ASSERT_TRUE(entry) << inode;
    EXPECT_EQ(entry->allocated_bytes, bytes);
  }
  std::size_t visited = 0;
  table.for_each([&](const FileEntry& entry) {
    ++visited;
    EXPECT_EQ(model.count(entry.inode.value), 1u);
  });
  EXPECT_EQ(visited, model.size());
}

}  // namespace
}  // namespace skymoor::client
