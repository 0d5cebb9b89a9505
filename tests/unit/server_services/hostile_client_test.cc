// A member's device that sends what no client would, and lines that damage what is sent: refused, and not a row has changed.
// SKYMOOR_HOSTILE_ROUNDS: how often each kind (100); SKYMOOR_DAMAGED_MESSAGES: how many of commits and of packs (10000).
#include <random>

#include "tests/support/damage.h"
#include "tests/support/seeds.h"
#include "tests/unit/server_services/test_writer.h"

namespace skymoor::server {
namespace {

using skymoor::testing::damaged;

class HostileClientTest : public CommitTest {
 protected:
  void SetUp() override {
    CommitTest::SetUp();
    directory_id_ = make_directory("dir");
    inner_ = make_directory("inner", directory_id_);
    file_ = make_file("file", inner_);
    block_ = store_block("mine");
    value_of(writer_->submit({put(file_, 4, {block_})}));
    other_owner_ = std::make_unique<TestDevice>(add_user("other"));
    other_volume_ = add_volume(*other_owner_);
    other_ = std::make_unique<TestWriter>(*services_, copy_of(*other_owner_), other_volume_);
    foreign_ = other_->next_inode();
    value_of(other_->submit({new_inode(foreign_), link(kRootInode, "theirs", foreign_)}));
  }
  std::size_t below(std::size_t n) { return dice_() % n; }
  InodeId fresh() { return writer_->next_inode(); }
  std::string name() { return "n" + std::to_string(dice_()); }
  BlockId nowhere() {
    BlockId id;
    for (auto& byte : id.value) byte = static_cast<std::uint8_t>(dice_());
    return id;
  }
  /// The same kind of thing as often as there are rounds, each a bit different; every one is refused with such a code.
  void each_refused(const char* kind, std::set<Code> codes, const std::function<SignedCommit()>& make) {
    const std::string before = state_hash();
    for (std::uint64_t round = 0; round < rounds_; ++round) {
      auto reply = writer_->send(make());
      ASSERT_FALSE(reply.ok()) << kind << " in round " << round;
      ASSERT_TRUE(codes.contains(reply.error().code())) << kind << ": " << reply.error().to_string();
    }
    EXPECT_EQ(state_hash(), before) << kind;
  }
  void each_refused(const char* kind, const std::function<std::vector<Effect>()>& make,
                    std::set<Code> codes = {Code::kUnprocessable}) {
    each_refused(kind, std::move(codes), [&] { return writer_->sign(writer_->plan(make())); });
  }

  const std::uint64_t rounds_ = skymoor::testing::number_from("SKYMOOR_HOSTILE_ROUNDS", 100);
  std::mt19937_64 dice_{skymoor::testing::first_seed() + 1};
  InodeId directory_id_, inner_, file_, foreign_;
  BlockId block_;
  std::unique_ptr<TestDevice> other_owner_;
  VolumeId other_volume_;
  std::unique_ptr<TestWriter> other_;
};

TEST_F(HostileClientTest, broken_trees) {
  each_refused("cycle", [&] {
    return std::vector{unlink(kRootInode, "dir", directory_id_), link(inner_, name(), directory_id_)};
  });
  each_refused("new cycle", [&] {
    const InodeId a = fresh(), b = fresh();
    return std::vector{new_directory(a), new_directory(b), link(a, name(), b), link(b, name(), a)};
  });
  each_refused("slot twice", [&] {
    const InodeId a = fresh(), b = fresh();
    const std::string same = name();
    return std::vector{new_inode(a), new_inode(b), link(kRootInode, same, a), link(kRootInode, same, b)};
  });
  each_refused("taken slot", [&] {
    const InodeId a = fresh();
    return std::vector{new_inode(a), link(inner_, "file", a)};
  });
  each_refused("second link to a directory", [&] { return std::vector{link(kRootInode, name(), inner_)}; });
  each_refused("not empty", [&] { return std::vector{unlink(directory_id_, "inner", inner_)}; });
  each_refused("unknown inode", [&] { return std::vector{link(kRootInode, name(), fresh())}; });
  each_refused("unknown directory", [&] {
    const InodeId a = fresh();
    return std::vector{new_inode(a), link(fresh(), name(), a)};
  });
  each_refused("another's prefix", [&] {
    const WriterId nobody{static_cast<std::uint32_t>(1000 + below(100000))};
    return std::vector{new_inode(make_inode_id(nobody, 1 + below(1000)))};
  });
  each_refused("all but the last", [&] {
    std::vector<Effect> effects;
    for (int i = 0; i < 20; ++i) {
      const InodeId a = fresh();
      effects.push_back(new_inode(a));
      effects.push_back(link(kRootInode, name(), a));
    }
    effects.push_back(put(fresh(), 1));
    return effects;
  });
}

TEST_F(HostileClientTest, what_is_not_theirs) {
  each_refused("blocks of nobody", [&] { return std::vector{put(file_, 1, {block_, nowhere()})}; },
               {Code::kBlockMissing});
  volume_ = other_volume_;
  std::swap(owner_, other_owner_);
  const BlockId theirs = store_block("theirs");
  std::swap(owner_, other_owner_);
  each_refused("blocks of another volume", [&] { return std::vector{put(file_, 1 + below(100), {theirs})}; },
               {Code::kBlockMissing});
  each_refused("another's volume in the commit", {Code::kUnprocessable}, [&] {
    Commit commit = writer_->plan({chmod(kRootInode, 0700)});
    commit.volume = other_volume_;
    return writer_->sign(commit);
  });
  each_refused("another's device", {Code::kUnprocessable, Code::kBadSignature}, [&] {
    Commit commit = writer_->plan({chmod(kRootInode, 0700)});
    commit.device = other_owner_->caller.device;
    return writer_->sign(commit);
  });
  // The other volume, with a token that is good: it does not exist for this user.
  const std::string before = state_hash();
  for (std::uint64_t round = 0; round < rounds_; ++round) {
    const SignedCommit theirs_too = other_->sign(other_->plan({chmod(foreign_, 0)}));
    EXPECT_EQ(code_of(services_->names().commit(owner_->caller, other_volume_, theirs_too)), Code::kNotFound);
    EXPECT_EQ(code_of(services_->names().inodes(owner_->caller, other_volume_, {foreign_})), Code::kNotFound);
    EXPECT_EQ(code_of(services_->blocks().missing(owner_->caller, other_volume_, {theirs})), Code::kNotFound);
    EXPECT_EQ(code_of(services_->changes().page(owner_->caller, other_volume_, Sequence{}, Epoch{1}, 1000)),
              Code::kNotFound);
  }
  EXPECT_EQ(state_hash(), before);
  expect_ok(services_->accounts().revoke_device(owner_->caller, owner_->caller.device));
  each_refused("a revoked device", [&] { return std::vector{chmod(kRootInode, 0700)}; }, {Code::kForbidden});
}

TEST_F(HostileClientTest, numbers_and_sizes) {
  const SignedCommit used = writer_->sign(writer_->plan({chmod(kRootInode, 0700)}));
  value_of(writer_->send(used));
  writer_->pull();
  const OpId number = value_of(decode_commit(used.payload)).op;
  each_refused("a number with another body", {Code::kUnprocessable}, [&] {
    Commit commit = writer_->plan({chmod(kRootInode, static_cast<std::uint32_t>(below(0700)))});
    commit.op = number;
    return writer_->sign(commit);
  });
  each_refused("a base to come", {Code::kResync}, [&] {
    Commit commit = writer_->plan({chmod(kRootInode, 0700)});
    commit.base.value += 1 + dice_() % (1ull << 62);
    return writer_->sign(commit);
  });
  each_refused("another epoch", {Code::kResync}, [&] {
    Commit commit = writer_->plan({chmod(kRootInode, 0700)});
    commit.epoch = Epoch{static_cast<std::uint32_t>(2 + below(1000))};
    return writer_->sign(commit);
  });
  each_refused("another history", {Code::kResync}, [&] {
    Commit commit = writer_->plan({chmod(kRootInode, 0700)});
    commit.base_hash.value[below(32)] ^= static_cast<std::uint8_t>(1u << below(8));
    return writer_->sign(commit);
  });
  each_refused("sizes that no file has", {Code::kUnprocessable, Code::kInvalidArgument, Code::kTooLarge},
               [&] { return writer_->sign(writer_->plan({put(file_, ~std::uint64_t{0} - below(1000))})); });
  each_refused("too many effects", {Code::kTooLarge, Code::kInvalidArgument}, [&, once = SignedCommit()]() mutable {
    if (once.payload.empty())
      once = writer_->sign(writer_->plan(std::vector<Effect>(kMaxCommitEffects + 1, chmod(kRootInode, 0700))));
    return once;
  });
}

/// Every damaged commit is refused, whoever damaged it: it is signed.
TEST_F(HostileClientTest, damaged_commits) {
  const auto count = skymoor::testing::number_from("SKYMOOR_DAMAGED_MESSAGES", 10000);
  const InodeId a = fresh();
  const Bytes sent = encode_signed_commit(writer_->sign(
      writer_->plan({new_inode(a), link(kRootInode, "new", a), put(a, 4, {block_}), set_xattr(a, "x", Bytes(60, 1))})));
  const std::string before = state_hash();
  std::uint64_t unread = 0;
  for (std::uint64_t i = 0; i < count; ++i) {
    auto arrived = decode_signed_commit(damaged(sent, dice_));
    if (!arrived.ok()) {
      ++unread;
      continue;
    }
    ASSERT_FALSE(writer_->send(*arrived).ok()) << i;
  }
  EXPECT_EQ(state_hash(), before);
  EXPECT_LT(unread, count) << "none came as far as the signature";
  value_of(writer_->send(value_of(decode_signed_commit(sent))));   // sent again, it is taken
}

/// What is stored is what its id says, however the pack came.
TEST_F(HostileClientTest, damaged_packs) {
  const auto count = skymoor::testing::number_from("SKYMOOR_DAMAGED_MESSAGES", 10000);
  block::PackWriter writer;
  std::vector<BlockId> ids;
  std::map<BlockId, Bytes> whole;
  for (std::size_t size : {10, 300, 2000}) {
    Bytes bytes(size);
    for (auto& byte : bytes) byte = static_cast<std::uint8_t>(dice_());
    BlockId id{crypto::sha256(bytes).value};
    writer.add_block(id, bytes);
    ids.push_back(id);
    whole[id] = bytes;
  }
  const Bytes sent = writer.take();
  std::uint64_t refused = 0;
  for (std::uint64_t i = 0; i < count; ++i) {
    refused += !services_->blocks().upload_pack(owner_->caller, volume_, damaged(sent, dice_)).ok();
    if (i % 10) continue;
    for (const BlockId& id : ids) {
      auto stored = blocks_.get(volume_, id);
      ASSERT_TRUE(!stored.ok() || *stored == whole[id]) << i;
    }
    (void)blocks_.remove(volume_, ids);
  }
  EXPECT_GT(refused, 0u);
  value_of(services_->blocks().upload_pack(owner_->caller, volume_, sent));
  for (const BlockId& id : ids) EXPECT_TRUE(value_of(blocks_.get(volume_, id)) == whole[id]);
}

}  // namespace
}  // namespace skymoor::server
