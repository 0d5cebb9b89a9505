// Blocks in and out of a volume.
#include <thread>

#include "tests/unit/server_services/test_writer.h"

namespace skymoor::server {
namespace {

using protocol::BlockState;

struct TestBlock {
  Bytes sealed;
  BlockId id;
};

class BlocksTest : public CommitTest {
 protected:
  TestBlock make_block(std::size_t size, std::uint8_t seed = 1) {
    TestBlock b{Bytes(size, seed), {}};
    b.id.value = crypto::sha256(b.sealed).value;
    return b;
  }
  Result<std::vector<protocol::BlockStatus>> upload(block::PackWriter& pack) {
    return services_->blocks().upload_pack(owner_->caller, volume_, pack.take());
  }
  Result<std::vector<protocol::BlockStatus>> upload(const TestBlock& b) {
    block::PackWriter pack;
    pack.add_block(b.id, b.sealed);
    return upload(pack);
  }
  protocol::BlockStatus state_of(const BlockId& id) {
    return value_of(services_->blocks().missing(owner_->caller, volume_, {id})).at(0);
  }
};

TEST_F(BlocksTest, stores_and_gives_back) {
  TestBlock small = make_block(100), large = make_block(700'000, 2);
  EXPECT_EQ(state_of(small.id).state, BlockState::kMissing);
  block::PackWriter pack;
  pack.add_block(large.id, large.sealed);
  pack.add_block(small.id, small.sealed);
  auto states = value_of(upload(pack));
  ASSERT_EQ(states.size(), 2u);
  EXPECT_EQ(states[0].block, large.id);
  for (const auto& status : states) EXPECT_EQ(status.state, BlockState::kStored);
  EXPECT_EQ(state_of(large.id).state, BlockState::kStored);
  EXPECT_EQ(value_of(services_->blocks().get(owner_->caller, volume_, large.id)), large.sealed);
  EXPECT_EQ(info().stored_bytes, 700'100u);
  EXPECT_EQ(partial_.stats().blocks, 0u);
}

TEST_F(BlocksTest, counts_a_block_once_however_often_it_comes) {
  TestBlock b = make_block(100);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(value_of(upload(b))[0].state, BlockState::kStored);
  EXPECT_EQ(info().stored_bytes, 100u);
}

TEST_F(BlocksTest, asks_only_for_the_segments_that_are_missing) {
  TestBlock b = make_block(700'000);
  auto bytes = static_cast<std::uint32_t>(b.sealed.size());
  ByteView all(b.sealed);
  block::PackWriter first;
  first.add_segment(b.id, bytes, 0, all.subspan(0, block::kSegmentBytes));
  first.add_segment(b.id, bytes, 2, all.subspan(2 * block::kSegmentBytes));
  auto status = value_of(upload(first)).at(0);
  EXPECT_EQ(status.state, BlockState::kPartial);
  EXPECT_THAT(status.missing_segments, ::testing::ElementsAre(1));
  EXPECT_THAT(state_of(b.id).missing_segments, ::testing::ElementsAre(1));
  block::PackWriter second;
  second.add_segment(b.id, bytes, 1, all.subspan(block::kSegmentBytes, block::kSegmentBytes));
  EXPECT_EQ(value_of(upload(second)).at(0).state, BlockState::kStored);
  EXPECT_EQ(value_of(services_->blocks().get(owner_->caller, volume_, b.id)), b.sealed);
}

TEST_F(BlocksTest, keeps_what_arrived_whole_of_a_body_that_ends_early) {
  TestBlock one = make_block(1000, 1), two = make_block(1000, 2);
  block::PackWriter pack;
  pack.add_block(one.id, one.sealed);
  pack.add_block(two.id, two.sealed);
  Bytes bytes = pack.take();
  bytes.resize(bytes.size() - 10);
  auto states = value_of(services_->blocks().upload_pack(owner_->caller, volume_, bytes));
  EXPECT_EQ(states.at(0).state, BlockState::kStored);
  EXPECT_EQ(state_of(two.id).state, BlockState::kMissing);
}

TEST_F(BlocksTest, refuses_bytes_that_are_not_the_block) {
  TestBlock good = make_block(100, 1), bad = make_block(100, 2);
  bad.sealed[7] ^= 1;
  block::PackWriter pack;
  pack.add_block(bad.id, bad.sealed);
  pack.add_block(good.id, good.sealed);
  EXPECT_EQ(code_of(upload(pack)), Code::kUnprocessable);
  EXPECT_EQ(state_of(bad.id).state, BlockState::kMissing);
  EXPECT_EQ(state_of(good.id).state, BlockState::kStored);
  TestBlock large = make_block(600'000, 3);
  large.sealed[300'000] ^= 1;
  EXPECT_EQ(code_of(upload(large)), Code::kUnprocessable);
}

TEST_F(BlocksTest, refuses_what_is_no_pack) {
  auto code = [&](Bytes bytes) {
    return code_of(services_->blocks().upload_pack(owner_->caller, volume_, bytes));
  };
  EXPECT_EQ(code({}), Code::kInvalidArgument);
  EXPECT_EQ(code(Bytes(100, 1)), Code::kInvalidArgument);
  EXPECT_EQ(code(Bytes(block::kMaxPackBytes + 1)), Code::kTooLarge);
}

TEST_F(BlocksTest, a_block_of_another_volume_is_missing) {
  TestBlock b = make_block(100);
  value_of(upload(b));
  volume_ = add_volume(*owner_);
  EXPECT_EQ(state_of(b.id).state, BlockState::kMissing);
  EXPECT_EQ(code_of(services_->blocks().get(owner_->caller, volume_, b.id)), Code::kNotFound);
  auto pack = value_of(services_->blocks().fetch(owner_->caller, volume_, {b.id}));
  EXPECT_TRUE(value_of(block::parse_pack(pack)).segments.empty());
}

TEST_F(BlocksTest, fetches_in_the_order_asked_as_many_as_fit) {
  std::vector<TestBlock> all;
  std::vector<BlockId> ids;
  for (std::uint8_t i = 0; i < 4; ++i) {
    all.push_back(make_block(3'000'000, i));
    value_of(upload(all.back()));
    ids.insert(ids.begin(), all.back().id);
  }
  ids.insert(ids.begin() + 1, make_block(5, 99).id);
  const Buffer pack = value_of(services_->blocks().fetch(owner_->caller, volume_, ids));
  auto parsed = value_of(block::parse_pack(pack));
  std::vector<BlockId> got;
  for (const auto& segment : parsed.segments)
    if (segment.index == 0) got.push_back(segment.block);
  EXPECT_THAT(got, ::testing::ElementsAre(all[3].id, all[2].id));
  EXPECT_EQ(code_of(services_->blocks().fetch(owner_->caller, volume_, std::vector<BlockId>(1001))), Code::kTooLarge);
  EXPECT_EQ(code_of(services_->blocks().missing(owner_->caller, volume_, std::vector<BlockId>(10001))),
            Code::kTooLarge);
}

TEST_F(BlocksTest, a_damaged_block_is_asked_for_again_and_repaired_by_the_upload) {
  TestBlock b = make_block(100), other = make_block(100, 2);
  value_of(upload(b));
  value_of(upload(other));
  blocks_.damage({volume_, b.id});
  EXPECT_EQ(code_of(services_->blocks().get(owner_->caller, volume_, b.id)), Code::kCorrupt);
  EXPECT_EQ(code_of(services_->blocks().fetch(owner_->caller, volume_, {b.id, other.id})), Code::kCorrupt);
  auto rest = value_of(services_->blocks().fetch(owner_->caller, volume_, {other.id, b.id}));
  EXPECT_EQ(value_of(block::parse_pack(rest)).segments.size(), 1u);
  EXPECT_EQ(state_of(b.id).state, BlockState::kMissing);
  EXPECT_EQ(value_of(upload(b)).at(0).state, BlockState::kStored);
  EXPECT_EQ(value_of(services_->blocks().get(owner_->caller, volume_, b.id)), b.sealed);
  EXPECT_EQ(info().stored_bytes, 200u);
}

TEST_F(BlocksTest, a_full_disk_is_told_and_registers_nothing) {
  TestBlock b = make_block(100);
  blocks_.fail_puts(Code::kNoSpace);
  EXPECT_EQ(code_of(upload(b)), Code::kNoSpace);
  blocks_.fail_puts({});
  EXPECT_EQ(state_of(b.id).state, BlockState::kMissing);
  EXPECT_EQ(info().stored_bytes, 0u);
}

class BlockQuotaTest : public BlocksTest {
 protected:
  void SetUp() override {
    quota_bytes_ = 1000;
    BlocksTest::SetUp();
  }
};

TEST_F(BlockQuotaTest, uploads_that_race_for_the_last_of_it_get_what_there_is) {
  value_of(upload(make_block(400, 200)));
  for (std::uint8_t round = 0; round < 5; ++round) {
    std::vector<std::thread> threads;
    std::atomic<int> taken{0};
    for (std::uint8_t i = 0; i < 8; ++i)
      threads.emplace_back([&, i] {
        const TestBlock mine = make_block(100, static_cast<std::uint8_t>(1 + i + 8 * round));
        const auto reply = upload(mine);
        if (reply.ok()) ++taken;
        else EXPECT_EQ(reply.error().code(), Code::kQuotaExceeded);
      });
    for (auto& thread : threads) thread.join();
    EXPECT_EQ(taken, round == 0 ? 6 : 0);
    EXPECT_EQ(info().stored_bytes, 1000u);
  }
}

TEST_F(BlockQuotaTest, holds_exactly) {
  value_of(upload(make_block(600, 1)));
  EXPECT_EQ(info().free_bytes, 400u);
  EXPECT_EQ(code_of(upload(make_block(401, 2))), Code::kQuotaExceeded);
  EXPECT_EQ(blocks_.stats().block_bytes, 600u);   // nor does it fill the disk
  value_of(upload(make_block(400, 3)));
  EXPECT_EQ(code_of(upload(make_block(1, 4))), Code::kQuotaExceeded);
  EXPECT_EQ(value_of(upload(make_block(600, 1))).at(0).state, BlockState::kStored);
  EXPECT_EQ(info().stored_bytes, 1000u);
  EXPECT_EQ(info().free_bytes, 0u);
}

}  // namespace
}  // namespace skymoor::server
