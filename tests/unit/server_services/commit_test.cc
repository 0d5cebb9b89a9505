// What commits do to the tree: effects, usage, retention, idempotency.
#include "shared/model/listing.h"
#include "shared/model/xattr_limits.h"
#include "tests/unit/server_services/test_writer.h"

namespace skymoor::server {
namespace {

using ::testing::ElementsAre;

TEST_F(CommitTest, creates_a_file_with_content_in_one_commit) {
  InodeId inode = writer_->next_inode();
  auto reply = value_of(writer_->submit({new_inode(inode), link(kRootInode, "a", inode), put(inode, 10)}));
  EXPECT_EQ(reply.sequence, Sequence{1});
  EXPECT_EQ(reply.head, Sequence{1});
  auto page = list();
  ASSERT_EQ(page.entries.size(), 1u);
  EXPECT_EQ(page.sequence, Sequence{1});
  const InodeRecord& record = page.entries[0].inode;
  EXPECT_EQ(record.inode, inode);
  EXPECT_EQ(record.links, 1u);
  EXPECT_EQ(record.attributes.size, 10u);
  EXPECT_EQ(record.attributes.mode, 0644u);
  EXPECT_EQ(record.content_version, Sequence{1});
  EXPECT_EQ(record.content, (OpId{writer_->writer(), 1}));
  EXPECT_EQ(record.sealed_manifest, Bytes(100, 10));
  EXPECT_FALSE(record.manifest_left_out);
}

TEST_F(CommitTest, counts_inodes_and_bytes) {
  InodeId file = make_file("a");
  value_of(writer_->submit({put(file, 1000)}));
  EXPECT_EQ(info().inodes, 2u);
  EXPECT_EQ(info().content_bytes, 1000u);
  value_of(writer_->submit({put(file, 400, {}, 2)}));
  EXPECT_EQ(info().content_bytes, 400u);
  value_of(writer_->submit({unlink(kRootInode, "a", file)}));
  EXPECT_EQ(info().inodes, 1u);
  EXPECT_EQ(info().content_bytes, 0u);
  value_of(writer_->submit({link(kRootInode, "b", file)}));
  EXPECT_EQ(info().inodes, 2u);
  EXPECT_EQ(info().content_bytes, 400u);
}

TEST_F(CommitTest, renames_in_one_commit_without_a_moment_of_absence) {
  InodeId file = make_file("a");
  value_of(writer_->submit({unlink(kRootInode, "a", file), link(kRootInode, "b", file)}));
  EXPECT_THAT(names(), ElementsAre("b"));
  EXPECT_EQ(find(file)->links, 1u);
  EXPECT_EQ(info().inodes, 2u);
}

TEST_F(CommitTest, renames_over_a_file_and_keeps_the_replaced_one) {
  InodeId old_file = make_file("a"), new_file = make_file("b");
  value_of(writer_->submit(
      {unlink(kRootInode, "a", old_file), unlink(kRootInode, "b", new_file), link(kRootInode, "a", new_file)}));
  EXPECT_THAT(names(), ElementsAre("a"));
  EXPECT_FALSE(find(old_file));
  auto trash = read_from(services_->store(), [&](const ReadTables& tables) -> Result<std::optional<TrashRow>> {
    auto volume = TRY(tables.volumes.find(volume_));
    return tables.names.find_trash(volume->number, old_file);
  });
  ASSERT_TRUE(trash.ok() && trash->has_value());
  EXPECT_EQ((*trash)->directory, kRootInode);
  EXPECT_EQ((*trash)->token, token_of("a"));
  EXPECT_EQ((*trash)->sealed_name, to_bytes("sealed a"));
}

TEST_F(CommitTest, exchanges_two_names) {
  InodeId a = make_file("a"), b = make_file("b");
  value_of(writer_->submit({unlink(kRootInode, "a", a), unlink(kRootInode, "b", b), link(kRootInode, "a", b),
                            link(kRootInode, "b", a)}));
  for (const ListedEntry& entry : list().entries)
    EXPECT_EQ(entry.inode.inode, entry.token == token_of("a") ? b : a);
}

TEST_F(CommitTest, moves_a_directory_with_what_is_in_it) {
  InodeId one = make_directory("one"), two = make_directory("two");
  InodeId file = make_file("file", one);
  value_of(writer_->submit({unlink(kRootInode, "one", one), link(two, "moved", one)}));
  EXPECT_THAT(names(), ElementsAre("two"));
  EXPECT_THAT(names(two), ElementsAre("moved"));
  EXPECT_THAT(names(one), ElementsAre("file"));
  EXPECT_TRUE(find(file));
}

TEST_F(CommitTest, links_a_file_twice_and_keeps_it_until_the_last_link_goes) {
  InodeId file = make_file("a");
  value_of(writer_->submit({link(kRootInode, "b", file)}));
  EXPECT_EQ(find(file)->links, 2u);
  value_of(writer_->submit({unlink(kRootInode, "a", file)}));
  EXPECT_EQ(find(file)->links, 1u);
  value_of(writer_->submit({unlink(kRootInode, "b", file)}));
  EXPECT_FALSE(find(file));
}

TEST_F(CommitTest, builds_a_tree_of_new_directories_in_any_order_of_links) {
  InodeId a = writer_->next_inode(), b = writer_->next_inode(), file = writer_->next_inode();
  value_of(writer_->submit({new_directory(a), new_directory(b), new_inode(file), link(b, "file", file), link(a, "b", b),
                            link(kRootInode, "a", a)}));
  EXPECT_THAT(names(b), ElementsAre("file"));
}

TEST_F(CommitTest, removes_a_whole_tree_in_one_commit) {
  InodeId a = make_directory("a"), b = make_directory("b", a), file = make_file("file", b);
  value_of(writer_->submit({unlink(kRootInode, "a", a), unlink(a, "b", b), unlink(b, "file", file)}));
  EXPECT_THAT(names(), ElementsAre());
  EXPECT_EQ(info().inodes, 1u);
}

TEST_F(CommitTest, revives_a_removed_directory_and_a_file_in_it) {
  InodeId a = make_directory("a"), file = make_file("file", a);
  value_of(writer_->submit({unlink(a, "file", file), unlink(kRootInode, "a", a)}));
  value_of(writer_->submit({put(file, 5), link(kRootInode, "a", a), link(a, "file", file)}));
  EXPECT_THAT(names(a), ElementsAre("file"));
  EXPECT_EQ(find(file)->attributes.size, 5u);
}

TEST_F(CommitTest, accepts_an_orphan_that_lived_only_inside_the_commit) {
  InodeId file = writer_->next_inode();
  value_of(writer_->submit(
      {new_inode(file), link(kRootInode, "tmp", file), put(file, 3), unlink(kRootInode, "tmp", file)}));
  EXPECT_FALSE(find(file));
  EXPECT_EQ(info().inodes, 1u);
  EXPECT_EQ(info().content_bytes, 0u);
}

TEST_F(CommitTest, accepts_an_edit_of_a_file_that_the_same_commit_deletes) {
  InodeId file = make_file("a");
  value_of(writer_->submit({put(file, 3), chmod(file, 0600), unlink(kRootInode, "a", file)}));
  EXPECT_FALSE(find(file));
}

TEST_F(CommitTest, sets_attributes_field_by_field) {
  InodeId file = make_file("a");
  SetAttributes effect;
  effect.inode = file;
  effect.fields = kFieldUid | kFieldMtime;
  effect.values.uid = 1000;
  effect.values.gid = 2000;
  effect.values.mtime = Timestamp{std::chrono::nanoseconds{-5}};
  value_of(writer_->submit({effect}));
  auto record = *find(file);
  EXPECT_EQ(record.attributes.uid, 1000u);
  EXPECT_EQ(record.attributes.gid, 0u);
  EXPECT_EQ(record.attributes.mode, 0644u);
  EXPECT_EQ(record.attributes.mtime, effect.values.mtime);
  EXPECT_EQ(record.version, writer_->base());
}

TEST_F(CommitTest, takes_as_many_xattrs_as_two_devices_may_set) {
  InodeId file = make_file("f");
  for (std::size_t begin = 0; begin < kMaxStoredXattrs; begin += 512) {
    std::vector<Effect> effects;
    for (std::size_t i = begin; i < begin + 512; ++i) effects.push_back(set_xattr(file, "x" + std::to_string(i), Bytes(40, 1)));
    value_of(writer_->submit(std::move(effects)));
  }
  EXPECT_EQ(find(file)->xattrs.size(), kMaxStoredXattrs);
  InodePage page;   // as a device gets it
  page.inodes.push_back(*find(file));
  const auto read = decode_inode_page(encode_inode_page(page));
  ASSERT_TRUE(read.ok()) << read.error().to_string();
  EXPECT_EQ(read->inodes[0].xattrs.size(), kMaxStoredXattrs);
  EXPECT_FALSE(writer_->submit({set_xattr(file, "one more", Bytes(40, 1))}).ok());
}

TEST_F(CommitTest, sets_replaces_and_removes_xattrs) {
  InodeId file = make_file("a");
  value_of(writer_->submit({set_xattr(file, "x", Bytes(40, 1)), set_xattr(file, "y", Bytes(40, 2))}));
  EXPECT_EQ(find(file)->xattrs.size(), 2u);
  value_of(writer_->submit({set_xattr(file, "x", Bytes(40, 3)), set_xattr(file, "y", {}), set_xattr(file, "z", {})}));
  auto record = *find(file);
  ASSERT_EQ(record.xattrs.size(), 1u);
  EXPECT_EQ(record.xattrs[0].token, token_of("x"));
  EXPECT_EQ(record.xattrs[0].sealed, Bytes(40, 3));
}

TEST_F(CommitTest, keeps_every_version_with_its_blocks) {
  InodeId file = make_file("a");
  BlockId one = store_block("one"), two = store_block("two");
  value_of(writer_->submit({put(file, 1, {one}, 1)}));
  value_of(writer_->submit({put(file, 2, {one, two}, 2)}));
  value_of(writer_->submit({unlink(kRootInode, "a", file)}));
  expect_ok(services_->store().read([&](const ReadTables& tables) -> Status {
    VolumeNumber number = TRY(tables.volumes.find(volume_))->number;
    auto versions = TRY(tables.names.list_versions(number, file));
    EXPECT_EQ(versions.size(), 2u);
    EXPECT_EQ(versions.at(0).block_ids, to_bytes(one.view()));
    EXPECT_EQ(versions.at(1).size, 2u);
    EXPECT_EQ(TRY(tables.blocks.find(number, one))->references, 2u);
    EXPECT_EQ(TRY(tables.blocks.find(number, two))->references, 1u);
    return {};
  }));
  EXPECT_EQ(info().stored_bytes, 6u);
}

TEST_F(CommitTest, answers_a_repeated_op_id_with_the_stored_reply) {
  InodeId file = writer_->next_inode();
  SignedCommit sealed = writer_->sign(writer_->plan({new_inode(file), link(kRootInode, "a", file)}));
  auto first = value_of(writer_->send(sealed));
  writer_->pull();
  make_file("b");
  std::string before = state_hash();
  auto again = value_of(writer_->send(sealed));
  EXPECT_EQ(again.sequence, first.sequence);
  EXPECT_EQ(again.hash, first.hash);
  EXPECT_EQ(again.head, Sequence{2});
  EXPECT_EQ(state_hash(), before);
}

TEST_F(CommitTest, answers_a_repeated_op_id_after_a_restart) {
  InodeId file = writer_->next_inode();
  SignedCommit sealed = writer_->sign(writer_->plan({new_inode(file), link(kRootInode, "a", file)}));
  auto first = value_of(writer_->send(sealed));
  reopen();
  auto again = value_of(services_->names().commit(owner_->caller, volume_, sealed));
  EXPECT_EQ(again.sequence, first.sequence);
  EXPECT_EQ(again.hash, first.hash);
}

TEST_F(CommitTest, takes_ids_of_another_writers_prefix_for_reinjection) {
  auto other = second_writer();
  InodeId theirs = make_inode_id(other->writer(), 77);
  value_of(writer_->submit({new_inode(theirs), link(kRootInode, "a", theirs)}));
  EXPECT_TRUE(find(theirs));
}

TEST_F(CommitTest, takes_special_files_and_symlinks) {
  InodeId fifo = writer_->next_inode(), symlink = writer_->next_inode();
  value_of(writer_->submit({new_inode(fifo, FileType::kFifo), link(kRootInode, "fifo", fifo),
                            new_inode(symlink, FileType::kSymlink), link(kRootInode, "symlink", symlink)}));
  EXPECT_EQ(find(fifo)->attributes.type, FileType::kFifo);
  EXPECT_EQ(find(symlink)->sealed_target, Bytes(48, 5));
}

TEST_F(CommitTest, changes_the_root_s_attributes) {
  value_of(writer_->submit({chmod(kRootInode, 0700)}));
  EXPECT_EQ(list().directory.attributes.mode, 0700u);
}

}  // namespace
}  // namespace skymoor::server
