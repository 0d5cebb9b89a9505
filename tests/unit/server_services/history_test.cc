// What was replaced and what was deleted can be listed and read, by members alone, page by page.
#include "tests/unit/server_services/test_writer.h"

namespace skymoor::server {
namespace {

class HistoryTest : public CommitTest {
 protected:
  VersionPage versions(InodeId inode, Sequence before = {}, std::size_t limit = 1000) {
    return value_of(services_->history().versions(owner_->caller, {volume_, inode, before, limit}));
  }
  TrashPage trash(TrashRequest request = {}) {
    request.volume = volume_;
    if (!request.directory) request.directory = kRootInode;
    return value_of(services_->history().trash(owner_->caller, request));
  }
};

TEST_F(HistoryTest, replaced_versions_stay_newest_first_with_their_device) {
  InodeId file = make_file("file");
  EXPECT_TRUE(versions(file).versions.empty());
  for (std::uint64_t size : {10u, 20u, 30u}) value_of(writer_->submit({put(file, size, {}, size)}));
  VersionPage all = versions(file);
  ASSERT_EQ(all.versions.size(), 3u);
  EXPECT_EQ(all.versions[0].size, 30u);
  EXPECT_EQ(all.versions[2].size, 10u);
  EXPECT_EQ(all.versions[2].content.counter, 10u);
  EXPECT_EQ(all.versions[2].mtime.time_since_epoch().count(), 11);
  EXPECT_EQ(all.versions[0].stored, clock_.now());
  EXPECT_EQ(all.versions[0].device, owner_->caller.device);
  EXPECT_EQ(all.inode.content_version, all.versions[0].sequence);
  EXPECT_EQ(all.next, Sequence{});
  EXPECT_EQ(value_of(services_->history().manifest(owner_->caller, volume_, file, all.versions[2].sequence)),
            Bytes(100, 10));
}

TEST_F(HistoryTest, pages_of_versions_follow_each_other) {
  InodeId file = make_file("file");
  for (std::uint64_t size = 1; size <= 7; ++size) value_of(writer_->submit({put(file, size, {}, size)}));
  std::vector<std::uint64_t> sizes;
  Sequence before;
  do {
    VersionPage page = versions(file, before, 3);
    EXPECT_LE(page.versions.size(), 3u);
    for (const auto& v : page.versions) sizes.push_back(v.size);
    before = page.next;
  } while (before);
  EXPECT_EQ(sizes, (std::vector<std::uint64_t>{7, 6, 5, 4, 3, 2, 1}));
}

TEST_F(HistoryTest, deleted_entries_are_found_by_place_and_leave_when_they_come_back) {
  InodeId directory = make_directory("dir");
  InodeId first = make_file("a", directory), second = make_file("b", directory), other = make_file("a");
  value_of(writer_->submit({put(first, 5)}));
  value_of(writer_->submit({unlink(directory, "a", first), unlink(directory, "b", second)}));
  value_of(writer_->submit({unlink(kRootInode, "a", other)}));
  EXPECT_EQ(trash({.directory = directory}).entries.size(), 2u);
  TrashPage by_name = trash({.directory = directory, .token = token_of("a")});
  ASSERT_EQ(by_name.entries.size(), 1u);
  EXPECT_EQ(by_name.entries[0].inode.inode, first);
  EXPECT_EQ(by_name.entries[0].inode.links, 0u);
  EXPECT_EQ(as_text(by_name.entries[0].sealed_name), "sealed a");
  EXPECT_EQ(by_name.entries[0].time, clock_.now());
  EXPECT_EQ(versions(first).versions.size(), 1u) << "a dead file's versions stay";
  // A directory that is deleted itself still tells what went before it.
  value_of(writer_->submit({unlink(kRootInode, "dir", directory)}));
  EXPECT_EQ(trash({.directory = directory}).entries.size(), 2u);
  EXPECT_EQ(trash().entries.size(), 2u);
  value_of(writer_->submit({link(kRootInode, "dir", directory), link(directory, "a", first)}));
  EXPECT_EQ(trash({.directory = directory}).entries.size(), 1u);
}

TEST_F(HistoryTest, pages_of_trash_give_every_entry_once_also_of_one_name) {
  std::set<InodeId> expected;
  for (int i = 0; i < 23; ++i) {
    std::string name = "f" + std::to_string(i % 4);
    InodeId inode = make_file(name);
    value_of(writer_->submit({unlink(kRootInode, name, inode)}));
    expected.insert(inode);
  }
  for (std::size_t limit : {1u, 2u, 5u, 22u, 23u, 24u, 5000u})
    for (bool one_name : {false, true}) {
      std::set<InodeId> seen;
      TrashRequest request{.limit = limit};
      if (one_name) request.token = token_of("f1");
      std::size_t rounds = 0;
      std::pair<NameToken, std::uint64_t> last{{}, UINT64_MAX};
      do {
        TrashPage page = trash(request);
        for (const auto& entry : page.entries) {
          EXPECT_TRUE(seen.insert(entry.inode.inode).second);
          if (entry.token == last.first) {
            EXPECT_LT(entry.sequence.value, last.second);
          }
          last = {entry.token, entry.sequence.value};
        }
        request.after = page.next;
        ASSERT_LT(++rounds, 100u);
      } while (!request.after.empty());
      EXPECT_EQ(seen.size(), one_name ? 6u : expected.size()) << limit;
    }
}

TEST_F(HistoryTest, a_page_of_trash_stops_at_its_bytes) {
  for (int i = 0; i < 10; ++i) {
    InodeId inode = make_file("f");
    value_of(writer_->submit({set_xattr(inode, "x", Bytes(5000, 1)), unlink(kRootInode, "f", inode)}));
  }
  TrashPage page = trash({.max_bytes = 12000});
  EXPECT_EQ(page.entries.size(), 2u);
  EXPECT_FALSE(page.next.empty());
  EXPECT_EQ(trash({.max_bytes = 1}).entries.size(), 1u);
}

TEST_F(HistoryTest, is_for_members_and_says_no_more_to_others) {
  InodeId file = make_file("file");
  value_of(writer_->submit({put(file, 1)}));
  value_of(writer_->submit({unlink(kRootInode, "file", file)}));
  Sequence version = versions(file).versions[0].sequence;
  TestDevice stranger = add_user("stranger"), reader = add_user("reader");
  add_member(volume_, reader, protocol::Role::kReader);
  auto& history = services_->history();
  for (const TestDevice* who : {&stranger, &reader}) {
    const Code expected = who == &reader ? Code{} : Code::kNotFound;
    EXPECT_EQ(code_of(history.versions(who->caller, {volume_, file})), expected);
    EXPECT_EQ(code_of(history.manifest(who->caller, volume_, file, version)), expected);
    EXPECT_EQ(code_of(history.trash(who->caller, {volume_, kRootInode})), expected);
  }
  EXPECT_EQ(code_of(history.versions(owner_->caller, {volume_, InodeId{12345}})), Code::kNotFound);
  EXPECT_EQ(code_of(history.manifest(owner_->caller, volume_, file, Sequence{99})), Code::kNotFound);
  EXPECT_EQ(code_of(history.trash(owner_->caller, {.volume = volume_, .directory = kRootInode, .after = Bytes(47, 1)})),
            Code::kInvalidArgument);
  EXPECT_TRUE(value_of(history.trash(owner_->caller, {volume_, InodeId{777}})).entries.empty());
}

}  // namespace
}  // namespace skymoor::server
