// Compare and set: a commit whose reads are stale, or that does not fit a newer tree, is a Conflict.
#include "tests/unit/server_services/test_writer.h"

namespace skymoor::server {
namespace {

class ConflictTest : public CommitTest {
 protected:
  void SetUp() override {
    CommitTest::SetUp();
    other_ = second_writer();
  }
  Code submit_stale(std::vector<Effect> effects, std::vector<ReadRef> reads) {
    std::string before = state_hash();
    auto reply = other_->submit(std::move(effects), std::move(reads));
    EXPECT_EQ(state_hash() == before, !reply.ok());
    return code_of(reply);
  }
  std::unique_ptr<TestWriter> other_;
};

TEST_F(ConflictTest, reads_of_unchanged_objects_are_no_conflict) {
  InodeId a = make_file("a"), b = make_file("b");
  other_->pull();
  value_of(writer_->submit({put(b, 1)}));
  value_of(other_->submit({put(a, 2)}, {read_inode(a), read_slot(kRootInode, "a"), read_slot(kRootInode, "free"),
                                        read_inode(kRootInode)}));
}

TEST_F(ConflictTest, content_changed_meanwhile) {
  InodeId a = make_file("a");
  other_->pull();
  value_of(writer_->submit({put(a, 1)}));
  EXPECT_EQ(submit_stale({put(a, 2)}, {read_inode(a)}), Code::kConflict);
  other_->pull();
  value_of(other_->submit({put(a, 2)}, {read_inode(a)}));
}

TEST_F(ConflictTest, attributes_and_xattrs_do_not_count_as_content) {
  InodeId a = make_file("a");
  other_->pull();
  value_of(writer_->submit({chmod(a, 0600), set_xattr(a, "x", Bytes(40, 1))}));
  value_of(other_->submit({put(a, 2)}, {read_inode(a)}));
}

TEST_F(ConflictTest, liveness_changed_meanwhile) {
  InodeId a = make_file("a"), d = make_directory("d");
  other_->pull();
  value_of(writer_->submit({unlink(kRootInode, "a", a), unlink(kRootInode, "d", d)}));
  EXPECT_EQ(submit_stale({}, {read_inode(a)}), Code::kConflict);
  EXPECT_EQ(submit_stale({}, {read_inode(d)}), Code::kConflict);
}

TEST_F(ConflictTest, a_link_into_a_directory_does_not_change_its_liveness) {
  InodeId d = make_directory("d");
  other_->pull();
  make_file("a", d);
  InodeId b = other_->next_inode();
  value_of(other_->submit({new_inode(b), link(d, "b", b)}, {read_inode(d), read_slot(d, "b")}));
}

TEST_F(ConflictTest, slot_filled_meanwhile) {
  other_->pull();
  make_file("a");
  InodeId b = other_->next_inode();
  EXPECT_EQ(submit_stale({new_inode(b), link(kRootInode, "a", b)}, {read_slot(kRootInode, "a")}), Code::kConflict);
}

TEST_F(ConflictTest, slot_emptied_meanwhile) {
  InodeId a = make_file("a");
  other_->pull();
  value_of(writer_->submit({unlink(kRootInode, "a", a)}));
  EXPECT_EQ(submit_stale({}, {read_slot(kRootInode, "a")}), Code::kConflict);
}

TEST_F(ConflictTest, slot_filled_and_emptied_again_meanwhile) {
  other_->pull();
  InodeId a = make_file("a");
  value_of(writer_->submit({unlink(kRootInode, "a", a)}));
  EXPECT_EQ(submit_stale({}, {read_slot(kRootInode, "a")}), Code::kConflict);
}

TEST_F(ConflictTest, children_changed_meanwhile) {
  InodeId d = make_directory("d");
  other_->pull();
  InodeId a = make_file("a", d);
  EXPECT_EQ(submit_stale({unlink(kRootInode, "d", d)}, {read_children(d)}), Code::kConflict);
  other_->pull();
  value_of(writer_->submit({unlink(d, "a", a)}));
  EXPECT_EQ(submit_stale({unlink(kRootInode, "d", d)}, {read_children(d)}), Code::kConflict);
  other_->pull();
  value_of(other_->submit({unlink(kRootInode, "d", d)}, {read_children(d)}));
}

TEST_F(ConflictTest, misfits_of_a_stale_plan_are_conflicts_even_without_reads) {
  InodeId a = make_directory("a"), b = make_directory("b");
  other_->pull();
  value_of(writer_->submit({unlink(kRootInode, "a", a), link(b, "a", a)}));
  // Each move alone is fine; together they close a loop through an ancestor that nobody read.
  EXPECT_EQ(submit_stale({unlink(kRootInode, "b", b), link(a, "b", b)}, {}), Code::kConflict);
  other_->pull();
  EXPECT_EQ(submit_stale({unlink(kRootInode, "b", b), link(a, "b", b)}, {}), Code::kUnprocessable);
}

TEST_F(ConflictTest, slots_vacated_long_ago_are_forgotten_and_a_base_before_that_must_pull) {
  InodeId a = make_file("a");
  value_of(writer_->submit({unlink(kRootInode, "a", a)}));
  other_->pull();
  auto vacated = [&] {
    auto found = read_from(services_->store(), [&](const ReadTables& tables) -> Result<Sequence> {
      return tables.names.find_vacated(TRY(tables.volumes.find(volume_))->number, kRootInode, token_of("a"));
    });
    return value_of(found);
  };
  EXPECT_EQ(vacated(), Sequence{2});
  // As if a hundred thousand commits had gone by; the next one is at a step of forgetting.
  expect_ok(services_->store().update([&](Tables& tables) -> Status {
    auto volume = TRY(tables.volumes.find(volume_));
    volume->state.head = Sequence{1024 * 100 - 1};
    return tables.volumes.set_state(volume->number, volume->state);
  }));
  writer_->pull();
  make_file("b");
  EXPECT_EQ(vacated(), Sequence{0});
  EXPECT_EQ(submit_stale({}, {read_slot(kRootInode, "never")}), Code::kConflict);
  EXPECT_EQ(submit_stale({}, {read_inode(kRootInode)}), Code{});
  other_->pull();
  value_of(other_->submit({}, {read_slot(kRootInode, "never")}));
}

TEST_F(ConflictTest, reads_of_what_never_was_are_no_conflict) {
  make_file("a");
  InodeId never = make_inode_id(other_->writer(), 999);
  Commit commit = other_->plan({}, {read_inode(never), read_children(never), read_slot(never, "x")});
  value_of(other_->send(commit));
}

}  // namespace
}  // namespace skymoor::server
