// Pages of directories and of inodes.
#include "tests/unit/server_services/test_writer.h"

namespace skymoor::server {
namespace {

class ListingTest : public CommitTest {
 protected:
  void fill(int count) {
    std::vector<Effect> effects;
    for (int i = 0; i < count; ++i) {
      InodeId inode = writer_->next_inode();
      inodes_.push_back(inode);
      effects.push_back(new_inode(inode));
      effects.push_back(link(kRootInode, "f" + std::to_string(i), inode));
      effects.push_back(put(inode, 10));
    }
    value_of(writer_->submit(std::move(effects)));
  }
  DirectoryPage page(DirectoryRequest request) {
    request.volume = volume_;
    if (!request.directory) request.directory = kRootInode;
    return value_of(services_->names().directory(owner_->caller, request));
  }
  std::vector<InodeId> inodes_;
};

TEST_F(ListingTest, pages_give_every_entry_once) {
  fill(100);
  for (std::size_t limit : {1u, 7u, 50u, 99u, 100u, 101u, 5000u}) {
    std::set<InodeId> seen;
    std::size_t pages = 0;
    Bytes after;
    do {
      DirectoryPage one = page({.after = after, .limit = limit});
      EXPECT_LE(one.entries.size(), limit);
      for (const auto& entry : one.entries) EXPECT_TRUE(seen.insert(entry.inode.inode).second);
      after = one.next;
      ++pages;
    } while (!after.empty());
    EXPECT_EQ(seen.size(), 100u);
    EXPECT_EQ(pages, (100 + limit - 1) / limit);
  }
}

TEST_F(ListingTest, entries_that_stay_are_not_skipped_when_others_come_and_go) {
  fill(60);
  std::set<InodeId> seen;
  Bytes after;
  int round = 0;
  do {
    DirectoryPage one = page({.after = after, .limit = 10});
    for (const auto& entry : one.entries) seen.insert(entry.inode.inode);
    after = one.next;
    InodeId inode = writer_->next_inode();
    std::string gone = "f" + std::to_string(round);
    value_of(writer_->submit({new_inode(inode), link(kRootInode, "g" + std::to_string(round), inode),
                              unlink(kRootInode, gone, inodes_[static_cast<std::size_t>(round)])}));
    ++round;
  } while (!after.empty());
  for (std::size_t i = static_cast<std::size_t>(round); i < inodes_.size(); ++i) EXPECT_TRUE(seen.contains(inodes_[i]));
}

TEST_F(ListingTest, manifests_come_up_to_the_length_asked_for) {
  fill(1);
  EXPECT_TRUE(page({.manifest_bytes = 99}).entries[0].inode.manifest_left_out);
  EXPECT_TRUE(page({.manifest_bytes = 99}).entries[0].inode.sealed_manifest.empty());
  EXPECT_EQ(page({.manifest_bytes = 100}).entries[0].inode.sealed_manifest.size(), 100u);
  InodeId empty = make_file("empty");
  auto record = *find(empty);
  EXPECT_FALSE(record.manifest_left_out);
  EXPECT_EQ(record.content_version, Sequence{0});
}

TEST_F(ListingTest, a_page_stops_at_its_bytes) {
  fill(50);
  DirectoryPage one = page({.limit = 1000, .manifest_bytes = 4096, .max_bytes = 3000});
  EXPECT_GT(one.entries.size(), 2u);
  EXPECT_LT(one.entries.size(), 20u);
  EXPECT_FALSE(one.next.empty());
  EXPECT_EQ(page({.max_bytes = 1}).entries.size(), 1u);
}

TEST_F(ListingTest, refuses_what_cannot_be_listed) {
  fill(1);
  InodeId gone = make_directory("gone");
  value_of(writer_->submit({unlink(kRootInode, "gone", gone)}));
  auto code = [&](InodeId directory, Bytes after = {}) {
    return code_of(services_->names().directory(owner_->caller, {volume_, directory, std::move(after), 10, 0}));
  };
  EXPECT_EQ(code(inodes_[0]), Code::kNotDirectory);
  EXPECT_EQ(code(gone), Code::kNotFound);
  EXPECT_EQ(code(InodeId{12345}), Code::kNotFound);
  EXPECT_EQ(code(InodeId{0}), Code::kNotFound);
  EXPECT_EQ(code(kRootInode, Bytes(31, 1)), Code::kInvalidArgument);
  EXPECT_EQ(code(kRootInode, Bytes(64, 1)), Code::kInvalidArgument);
}

TEST_F(ListingTest, inodes_leave_out_the_unknown_the_dead_and_manifests_beyond_the_budget) {
  fill(10);
  value_of(writer_->submit({unlink(kRootInode, "f9", inodes_[9])}));
  auto asked = inodes_;
  asked.push_back(InodeId{99});
  auto all = value_of(services_->names().inodes(owner_->caller, volume_, asked));
  EXPECT_EQ(all.inodes.size(), 9u);
  EXPECT_EQ(all.sequence, Sequence{2});
  for (const auto& record : all.inodes) EXPECT_EQ(record.sealed_manifest.size(), 100u);
  auto some = value_of(services_->names().inodes(owner_->caller, volume_, asked, {false, 1000}));
  EXPECT_EQ(some.inodes.size(), 9u);
  EXPECT_FALSE(some.inodes.front().manifest_left_out);
  EXPECT_TRUE(some.inodes.back().manifest_left_out);
  EXPECT_EQ(code_of(services_->names().inodes(owner_->caller, volume_, std::vector<InodeId>(2001))), Code::kTooLarge);
}

TEST_F(ListingTest, carries_xattrs_and_the_directory_itself) {
  fill(1);
  value_of(writer_->submit({set_xattr(inodes_[0], "x", Bytes(40, 1)), set_xattr(kRootInode, "acl", Bytes(40, 2))}));
  DirectoryPage one = page({});
  ASSERT_EQ(one.entries[0].inode.xattrs.size(), 1u);
  ASSERT_EQ(one.directory.xattrs.size(), 1u);
  EXPECT_EQ(one.directory.inode, kRootInode);
}

}  // namespace
}  // namespace skymoor::server
