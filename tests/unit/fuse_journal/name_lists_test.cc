// NameLists and OutlivedIds: what they keep, and their bounds.
#include "fuse/journal/store/name_lists.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fuse/journal/store/outlived_ids.h"

namespace skymoor::client {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

NameLists::Row row(std::uint64_t directory, std::uint64_t cookie, std::uint64_t inode = 1) {
  return std::make_shared<DentryRow>(
      DentryRow{InodeId{directory}, "n" + std::to_string(cookie), InodeId{inode}, FileType::kFile, cookie, {}});
}

std::vector<NameLists::Row> rows(std::uint64_t directory, std::uint64_t first, std::uint64_t count) {
  std::vector<NameLists::Row> made;
  for (std::uint64_t i = 0; i < count; ++i) made.push_back(row(directory, first + i));
  return made;
}

struct Shown {
  std::vector<std::uint64_t> cookies;
  std::uint64_t through = 0;
};
Shown shown(NameLists& lists, std::uint64_t directory, std::uint64_t after = 0) {
  Shown found;
  found.through = lists.visit(InodeId{directory}, after, [&](const NameLists::Row& one) {
    found.cookies.push_back(one->cookie);
    return true;
  });
  return found;
}

TEST(NameListsTest, ADirectoryIsKnownUpToWhereItWasRead) {
  NameLists lists(1000);
  EXPECT_EQ(shown(lists, 7).through, 0u);
  lists.keep(InodeId{7}, rows(7, 10, 3), 12);
  lists.put(row(7, 20));   // behind what was read
  EXPECT_THAT(shown(lists, 7).cookies, ElementsAre(10, 11, 12));
  EXPECT_EQ(shown(lists, 7).through, 12u);
  lists.extend(InodeId{7}, 11, rows(7, 12, 9), NameLists::kAll);   // not where it ends
  EXPECT_EQ(shown(lists, 7).through, 12u);
  lists.extend(InodeId{7}, 12, rows(7, 20, 2), NameLists::kAll);
  lists.put(row(7, 30));
  EXPECT_THAT(shown(lists, 7, 11).cookies, ElementsAre(12, 20, 21, 30));
  EXPECT_EQ(shown(lists, 7).through, NameLists::kAll);
}

TEST(NameListsTest, EntriesComeGoAndComeBackAtTheirPlace) {
  NameLists lists(1000);
  lists.keep(InodeId{7}, {}, NameLists::kAll);
  for (std::uint64_t cookie = 1; cookie <= 9; ++cookie) lists.put(row(7, cookie));
  for (std::uint64_t cookie : {2, 4, 4, 77}) lists.remove(InodeId{7}, cookie);
  EXPECT_THAT(shown(lists, 7).cookies, ElementsAre(1, 3, 5, 6, 7, 8, 9));
  lists.put(row(7, 4, 5));
  lists.put(row(7, 5, 6));
  EXPECT_THAT(shown(lists, 7).cookies, ElementsAre(1, 3, 4, 5, 6, 7, 8, 9));
  for (std::uint64_t cookie : {1, 3, 5, 6, 7, 8, 9}) lists.remove(InodeId{7}, cookie);
  EXPECT_THAT(shown(lists, 7).cookies, ElementsAre(4));
  lists.remove(InodeId{7}, 4);
  EXPECT_THAT(shown(lists, 7).cookies, IsEmpty());
  EXPECT_EQ(shown(lists, 7).through, NameLists::kAll) << "it is known to be empty";
  lists.forget(InodeId{7});
  EXPECT_EQ(shown(lists, 7).through, 0u);
}

TEST(NameListsTest, WhatIsUsedLeastRecentlyGoes) {
  NameLists lists(100);
  for (std::uint64_t directory = 1; directory <= 3; ++directory) lists.keep(InodeId{directory}, rows(directory, 1, 20), NameLists::kAll);
  EXPECT_EQ(shown(lists, 1).through, NameLists::kAll);
  lists.keep(InodeId{4}, rows(4, 1, 20), NameLists::kAll);
  EXPECT_EQ(shown(lists, 2).through, 0u);
  for (std::uint64_t directory : {1, 3, 4}) EXPECT_EQ(shown(lists, directory).through, NameLists::kAll);
  lists.keep(InodeId{5}, rows(5, 1, 93), NameLists::kAll);
  for (std::uint64_t directory = 1; directory <= 5; ++directory) EXPECT_EQ(shown(lists, directory).through, 0u) << "larger than all";
}

TEST(NameListsTest, ADirectoryThatIsTooLargeIsNotKept) {
  NameLists lists(1u << 20);
  lists.keep(InodeId{1}, rows(1, 1, NameLists::kLargest + 1), NameLists::kAll);
  EXPECT_EQ(shown(lists, 1).through, 0u);
  lists.keep(InodeId{1}, rows(1, 1, NameLists::kLargest), NameLists::kAll);
  EXPECT_EQ(shown(lists, 1).cookies.size(), NameLists::kLargest);
  lists.put(row(1, NameLists::kLargest + 1));
  EXPECT_EQ(shown(lists, 1).through, 0u);
}

TEST(OutlivedIdsTest, WhatItDeniesIsCertain) {
  OutlivedIds ids;
  EXPECT_FALSE(ids.may_contain(InodeId{1}));
  constexpr std::uint64_t kIds = 100'000;
  for (std::uint64_t id = 0; id < kIds; ++id) ids.add(InodeId{(id << 40) ^ id});
  std::uint64_t wrong = 0;
  for (std::uint64_t id = 0; id < kIds; ++id) {
    ASSERT_TRUE(ids.may_contain(InodeId{(id << 40) ^ id}));
    wrong += ids.may_contain(InodeId{(id << 40) ^ (id + kIds)});
  }
  EXPECT_LT(wrong, kIds / 500);
  ids.add_all();
  EXPECT_TRUE(ids.may_contain(InodeId{12345}));
}

}  // namespace
}  // namespace skymoor::client
