#include "shared/protocol/blocks.h"

#include <gtest/gtest.h>

namespace skymoor::protocol {
namespace {

BlockId id_of(std::uint8_t fill) {
  BlockId id;
  id.value.fill(fill);
  return id;
}

TEST(Blocks, IdsRoundTripAndKeepTheirOrder) {
  std::vector<BlockId> ids{id_of(3), id_of(1), id_of(2)};
  Bytes wire = encode_block_ids(ids);
  EXPECT_EQ(wire.size(), 96u);
  EXPECT_EQ(decode_block_ids(wire, 3).value(), ids);
  EXPECT_TRUE(decode_block_ids({}, 3)->empty());
}

TEST(Blocks, IdsOfWrongLengthOrNumberAreRefused) {
  EXPECT_EQ(decode_block_ids(Bytes(31), 10).error().code(), Code::kInvalidArgument);
  EXPECT_EQ(decode_block_ids(Bytes(33), 10).error().code(), Code::kInvalidArgument);
  EXPECT_EQ(decode_block_ids(Bytes(96), 2).error().code(), Code::kTooLarge);
}

TEST(Blocks, StatesRoundTrip) {
  std::vector<BlockStatus> states{{id_of(1), BlockState::kStored, {}},
                                  {id_of(2), BlockState::kPartial, {0, 7, 4095}},
                                  {id_of(3), BlockState::kMissing, {}}};
  auto got = decode_block_states(encode_block_states(states));
  ASSERT_TRUE(got.ok()) << got.error().message();
  ASSERT_EQ(got->size(), 3u);
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_EQ((*got)[i].block, states[i].block);
    EXPECT_EQ((*got)[i].state, states[i].state);
    EXPECT_EQ((*got)[i].missing_segments, states[i].missing_segments);
  }
}

TEST(Blocks, PartialWithoutAMissingSegmentIsRefused) {
  EXPECT_FALSE(decode_block_states(encode_block_states({{id_of(2), BlockState::kPartial, {}}})).ok());
}

TEST(Blocks, DamagedStatesAreRefused) {
  Bytes wire = encode_block_states({{id_of(1), BlockState::kPartial, {1, 2}}, {id_of(2), BlockState::kStored, {}}});
  for (std::size_t i = 0; i < wire.size(); ++i)
    EXPECT_FALSE(decode_block_states(ByteView(wire).first(i)).ok()) << "cut at " << i;
  Bytes version = wire;
  version[0] = 2;
  EXPECT_FALSE(decode_block_states(version).ok());
  Bytes state = wire;
  state[2 + 32] = 9;
  EXPECT_FALSE(decode_block_states(state).ok());
  Bytes more = wire;
  more.push_back(0);
  EXPECT_FALSE(decode_block_states(more).ok());
  // A count that the input cannot hold must not allocate for it.
  ByteWriter lie;
  lie.u8(1);
  lie.varint(1ull << 60);
  EXPECT_FALSE(decode_block_states(lie.view()).ok());
}

}  // namespace
}  // namespace skymoor::protocol
