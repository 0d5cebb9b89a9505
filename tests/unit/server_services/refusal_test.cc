// Every commit that would break the tree is refused with its own code and leaves every row as it was.
#include "shared/model/xattr_limits.h"
#include "tests/unit/server_services/test_writer.h"

namespace skymoor::server {
namespace {

class RefusalTest : public CommitTest {
 protected:
  /// Sends effects planned on the newest tree.
  void expect_refused(std::vector<Effect> effects, Code code, std::vector<ReadRef> reads = {}) {
    expect_refused(writer_->sign(writer_->plan(std::move(effects), std::move(reads))), code);
  }
  void expect_refused(const SignedCommit& sealed, Code code) {
    std::string before = state_hash();
    auto reply = writer_->send(sealed);
    ASSERT_FALSE(reply.ok());
    EXPECT_EQ(reply.error().code(), code) << reply.error().to_string();
    EXPECT_EQ(state_hash(), before);
  }
};

TEST_F(RefusalTest, unknown_inode) {
  InodeId nobody = writer_->next_inode();
  expect_refused({link(kRootInode, "a", nobody)}, Code::kUnprocessable);
  expect_refused({put(nobody, 1)}, Code::kUnprocessable);
  expect_refused({chmod(nobody, 0600)}, Code::kUnprocessable);
  expect_refused({set_xattr(nobody, "x", Bytes(40, 1))}, Code::kUnprocessable);
  expect_refused({link(nobody, "a", kRootInode)}, Code::kUnprocessable);
}

TEST_F(RefusalTest, applied_whole_or_not_at_all) {
  InodeId file = writer_->next_inode();
  expect_refused({new_inode(file), link(kRootInode, "a", file), put(file, 1), link(writer_->next_inode(), "b", file)},
                 Code::kUnprocessable);
  EXPECT_FALSE(find(file));
}

TEST_F(RefusalTest, dead_parent) {
  InodeId directory = make_directory("d");
  value_of(writer_->submit({unlink(kRootInode, "d", directory)}));
  InodeId file = writer_->next_inode();
  expect_refused({new_inode(file), link(directory, "a", file)}, Code::kUnprocessable);
  InodeId loose = writer_->next_inode();
  expect_refused({new_directory(loose), new_inode(file), link(loose, "a", file)}, Code::kUnprocessable);
}

TEST_F(RefusalTest, slot_taken) {
  make_file("a");
  InodeId file = writer_->next_inode();
  expect_refused({new_inode(file), link(kRootInode, "a", file)}, Code::kUnprocessable);
  expect_refused({new_inode(file), link(kRootInode, "b", file), link(kRootInode, "b", file)}, Code::kUnprocessable);
}

TEST_F(RefusalTest, unlink_of_what_the_slot_does_not_hold) {
  InodeId a = make_file("a"), b = make_file("b");
  expect_refused({unlink(kRootInode, "a", b)}, Code::kUnprocessable);
  expect_refused({unlink(kRootInode, "c", a)}, Code::kUnprocessable);
  expect_refused({unlink(kRootInode, "a", a), unlink(kRootInode, "a", a)}, Code::kUnprocessable);
}

TEST_F(RefusalTest, cycle_by_moving_a_directory_into_its_own_child) {
  InodeId a = make_directory("a"), b = make_directory("b", a), c = make_directory("c", b);
  expect_refused({unlink(kRootInode, "a", a), link(c, "a", a)}, Code::kUnprocessable);
  expect_refused({unlink(kRootInode, "a", a), link(a, "a", a)}, Code::kUnprocessable);
}

TEST_F(RefusalTest, cycle_of_new_directories_that_nothing_holds) {
  InodeId a = writer_->next_inode(), b = writer_->next_inode();
  expect_refused({new_directory(a), new_directory(b), link(a, "b", b), link(b, "a", a)}, Code::kUnprocessable);
}

TEST_F(RefusalTest, cycle_through_a_new_directory_below_a_moved_one) {
  InodeId a = make_directory("a"), b = make_directory("b", a);
  InodeId between = writer_->next_inode();
  expect_refused({new_directory(between), link(b, "n", between), unlink(kRootInode, "a", a), link(between, "a", a)},
                 Code::kUnprocessable);
}

TEST_F(RefusalTest, cycle_of_two_moves_in_one_commit) {
  InodeId a = make_directory("a"), b = make_directory("b");
  expect_refused({unlink(kRootInode, "a", a), unlink(kRootInode, "b", b), link(b, "a", a), link(a, "b", b)},
                 Code::kUnprocessable);
}

TEST_F(RefusalTest, second_link_to_a_directory) {
  InodeId a = make_directory("a");
  expect_refused({link(kRootInode, "b", a)}, Code::kUnprocessable);
  expect_refused({link(a, "root", kRootInode)}, Code::kUnprocessable);
}

TEST_F(RefusalTest, id_exists_or_has_no_leased_prefix) {
  InodeId a = make_file("a");
  expect_refused({new_inode(a)}, Code::kUnprocessable);
  value_of(writer_->submit({unlink(kRootInode, "a", a)}));
  expect_refused({new_inode(a)}, Code::kUnprocessable);
  expect_refused({new_inode(kRootInode)}, Code::kUnprocessable);
  expect_refused({new_inode(make_inode_id(WriterId{0}, 5))}, Code::kUnprocessable);
  expect_refused({new_inode(make_inode_id(writer_->writer(), 0))}, Code::kUnprocessable);
  expect_refused({new_inode(make_inode_id(WriterId{writer_->writer().value + 1}, 1))}, Code::kUnprocessable);
  expect_refused({new_inode(make_inode_id(WriterId{0xffffff}, 1))}, Code::kUnprocessable);
}

TEST_F(RefusalTest, removal_of_a_directory_that_is_not_empty) {
  InodeId a = make_directory("a");
  InodeId file = make_file("file", a);
  expect_refused({unlink(kRootInode, "a", a)}, Code::kUnprocessable);
  InodeId other = writer_->next_inode();
  expect_refused({unlink(kRootInode, "a", a), unlink(a, "file", file), new_inode(other), link(a, "other", other)},
                 Code::kUnprocessable);
  expect_refused({unlink(kRootInode, "a", a), unlink(a, "file", file), link(a, "file", file)}, Code::kUnprocessable);
}

TEST_F(RefusalTest, content_of_what_is_no_file) {
  InodeId a = make_directory("a");
  expect_refused({put(a, 1)}, Code::kUnprocessable);
  expect_refused({put(kRootInode, 1)}, Code::kUnprocessable);
}

TEST_F(RefusalTest, edit_of_a_deleted_inode_that_stays_deleted) {
  InodeId a = make_file("a");
  value_of(writer_->submit({unlink(kRootInode, "a", a)}));
  expect_refused({put(a, 1)}, Code::kUnprocessable);
  expect_refused({chmod(a, 0600)}, Code::kUnprocessable);
  expect_refused({set_xattr(a, "x", Bytes(40, 1))}, Code::kUnprocessable);
}

/// The database was put back from a newer backup than the blocks.
TEST_F(RefusalTest, block_that_the_database_knows_and_the_disks_have_lost) {
  InodeId a = make_file("a");
  const BlockId block = store_block("will be lost");
  const SignedCommit before = writer_->sign(writer_->plan({put(a, 1, {block})}));
  auto reply = value_of(writer_->send(before));
  writer_->pull();
  ASSERT_TRUE(blocks_.remove(volume_, std::vector<BlockId>{block}).ok());
  expect_refused({put(a, 2, {block})}, Code::kBlockMissing);
  EXPECT_EQ(value_of(writer_->send(before)).sequence, reply.sequence);  // what was taken stays taken
  auto states = value_of(services_->blocks().missing(writer_->caller(), volume_, {block}));
  EXPECT_EQ(states.at(0).state, protocol::BlockState::kMissing);
  store_block("will be lost");
  value_of(writer_->submit({put(a, 2, {block})}));
}

TEST_F(RefusalTest, block_that_is_not_stored_or_of_another_volume) {
  InodeId a = make_file("a");
  BlockId nowhere;
  nowhere.value.fill(7);
  std::string before = state_hash();
  auto reply = writer_->send(writer_->plan({put(a, 1, {nowhere})}));
  ASSERT_EQ(code_of(reply), Code::kBlockMissing);
  EXPECT_THAT(reply.error().message(), ::testing::HasSubstr(nowhere.hex()));
  EXPECT_EQ(state_hash(), before);

  VolumeId mine = volume_;
  volume_ = add_volume(*owner_);
  BlockId elsewhere = store_block("in the other volume");
  volume_ = mine;
  expect_refused({put(a, 1, {elsewhere})}, Code::kBlockMissing);
}

TEST_F(RefusalTest, op_id_reused_with_another_body) {
  InodeId a = writer_->next_inode();
  Commit commit = writer_->plan({new_inode(a), link(kRootInode, "a", a)});
  value_of(writer_->send(commit));
  writer_->pull();
  commit.effects.push_back(chmod(a, 0600));
  expect_refused(writer_->sign(commit), Code::kUnprocessable);
}

TEST_F(RefusalTest, bad_signature) {
  SignedCommit sealed = writer_->sign(writer_->plan({chmod(kRootInode, 0700)}));
  sealed.signature[5] ^= 1;
  expect_refused(sealed, Code::kBadSignature);
  SignedCommit other = writer_->sign(writer_->plan({chmod(kRootInode, 0700)}));
  other.payload.back() ^= 1;
  EXPECT_FALSE(writer_->send(other).ok());
}

TEST_F(RefusalTest, a_commit_that_proves_nothing) {
  Commit commit = writer_->plan({chmod(kRootInode, 0700)});
  commit.key_proof.reset();
  expect_refused(writer_->sign(commit), Code::kInvalidArgument);
}

TEST_F(RefusalTest, malformed_payload) {
  expect_refused(writer_->sign_payload({}), Code::kInvalidArgument);
  expect_refused(writer_->sign_payload(Bytes(100, 0xff)), Code::kInvalidArgument);
  expect_refused(writer_->sign_payload(Bytes(kMaxCommitBytes + 1)), Code::kTooLarge);
}

TEST_F(RefusalTest, base_in_the_future_of_another_epoch_or_of_another_history) {
  make_file("a");
  Commit future = writer_->plan({chmod(kRootInode, 0700)});
  future.base.value += 1;
  expect_refused(writer_->sign(future), Code::kResync);
  Commit epoch = writer_->plan({chmod(kRootInode, 0700)});
  epoch.epoch = Epoch{2};
  expect_refused(writer_->sign(epoch), Code::kResync);
  Commit forked = writer_->plan({chmod(kRootInode, 0700)});
  forked.base_hash.value[0] ^= 1;
  expect_refused(writer_->sign(forked), Code::kResync);
  make_file("b");
  forked.base = Sequence{1};
  expect_refused(writer_->sign(forked), Code::kResync);
}

TEST_F(RefusalTest, other_volume_other_device_other_writer) {
  Commit commit = writer_->plan({chmod(kRootInode, 0700)});
  commit.volume = add_volume(*owner_);
  expect_refused(writer_->sign(commit), Code::kUnprocessable);
  auto other = second_writer();
  commit = writer_->plan({chmod(kRootInode, 0700)});
  commit.device = other->caller().device;
  expect_refused(writer_->sign(commit), Code::kUnprocessable);
  commit = writer_->plan({chmod(kRootInode, 0700)});
  commit.op.writer = other->writer();
  expect_refused(writer_->sign(commit), Code::kUnprocessable);
  commit.op.writer = WriterId{4711};
  expect_refused(writer_->sign(commit), Code::kUnprocessable);
}

TEST_F(RefusalTest, reader_stranger_and_revoked_device) {
  SignedCommit sealed = writer_->sign(writer_->plan({chmod(kRootInode, 0700)}));
  TestDevice reader = add_user("reader"), stranger = add_user("stranger");
  add_member(volume_, reader, protocol::Role::kReader);
  std::string before = state_hash();
  EXPECT_EQ(code_of(services_->names().commit(reader.caller, volume_, sealed)), Code::kForbidden);
  EXPECT_EQ(code_of(services_->names().commit(stranger.caller, volume_, sealed)), Code::kNotFound);
  EXPECT_EQ(code_of(services_->names().commit(stranger.caller, volume_, writer_->sign_payload({}))), Code::kNotFound);
  EXPECT_EQ(state_hash(), before);
  expect_ok(services_->accounts().revoke_device(owner_->caller, owner_->caller.device));
  expect_refused(sealed, Code::kForbidden);
}

TEST_F(RefusalTest, malformed_effects) {
  InodeId a = writer_->next_inode();
  Effect nameless = LinkName{kRootInode, token_of("a"), {}, a};
  expect_refused({new_inode(a), nameless}, Code::kUnprocessable);
  Effect targetless = NewInode{a, {.type = FileType::kSymlink}, {}};
  expect_refused({targetless}, Code::kUnprocessable);
  Effect target = NewInode{a, {}, Bytes(48, 1)};
  expect_refused({target}, Code::kUnprocessable);
  PutContent empty = std::get<PutContent>(put(a, 1));
  empty.sealed_manifest.clear();
  expect_refused({new_inode(a), empty}, Code::kUnprocessable);
  InodeId file = make_file("file");
  expect_refused({new_inode(a), link(file, "a", a)}, Code::kUnprocessable);
}

TEST_F(RefusalTest, too_many_xattrs) {
  InodeId a = make_file("a");
  std::vector<Effect> effects;
  for (std::size_t i = 0; i <= kMaxStoredXattrs; ++i) effects.push_back(set_xattr(a, std::to_string(i), Bytes(40, 1)));
  expect_refused(std::move(effects), Code::kUnprocessable);
}

/// They are read together and travel together: of a few large files' worth, a listing would cost the server its memory.
TEST_F(RefusalTest, xattrs_that_are_too_large_together) {
  InodeId a = make_file("a");
  const std::size_t each = 64 * 1024, half = kMaxStoredXattrsBytes / each / 2;
  auto some = [&](const std::string& name, std::size_t count) {
    std::vector<Effect> effects;
    for (std::size_t i = 0; i < count; ++i) effects.push_back(set_xattr(a, name + std::to_string(i), Bytes(each, 1)));
    return effects;
  };
  value_of(writer_->submit(some("first", half)));
  value_of(writer_->submit(some("second", half)));
  expect_refused(some("third", 1), Code::kUnprocessable);
  value_of(writer_->submit({set_xattr(a, "first0", {})}));
  value_of(writer_->submit(some("third", 1)));
}

class QuotaTest : public RefusalTest {
 protected:
  void SetUp() override {
    quota_bytes_ = 1000;
    RefusalTest::SetUp();
  }
};

TEST_F(QuotaTest, refuses_content_beyond_the_quota_but_still_lets_delete) {
  InodeId a = make_file("a");
  for (int i = 0; i < 10; ++i) value_of(writer_->submit({put(a, 1, {}, static_cast<std::uint64_t>(i))}));
  expect_refused({put(a, 1, {}, 11)}, Code::kQuotaExceeded);
  value_of(writer_->submit({unlink(kRootInode, "a", a)}));
}

}  // namespace
}  // namespace skymoor::server
