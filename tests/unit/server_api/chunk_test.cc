#include "api_fixture.h"
#include "shared/crypto/hash.h"

namespace skymoor::server {
namespace {

struct TestBlock {
  BlockId id;
  Bytes sealed;
};

TestBlock make_block(std::size_t size, std::uint8_t seed) {
  TestBlock block;
  block.sealed.resize(size);
  for (std::size_t i = 0; i < size; ++i) block.sealed[i] = static_cast<std::uint8_t>(seed + i * 7 + i / 4096);
  block.id.value = crypto::sha256(block.sealed).value;
  return block;
}

Bytes pack_of(const std::vector<TestBlock>& blocks) {
  block::PackWriter pack;
  for (const TestBlock& block : blocks) pack.add_block(block.id, block.sealed);
  return pack.take();
}

class ChunkApi : public ApiTest {
 protected:
  void SetUp() override {
    ApiTest::SetUp();
    ada_ = std::make_unique<ApiClient>(user("ada"));
    volume_ = ada_->create_volume();
    query_ = "?volume=" + volume_.hex();
  }
  std::vector<protocol::BlockStatus> states(const HttpAnswer& answer) {
    EXPECT_EQ(answer.status, 200) << answer.body;
    auto states = protocol::decode_block_states(as_bytes(answer.body));
    EXPECT_TRUE(states.ok());
    return states.ok() ? *states : std::vector<protocol::BlockStatus>();
  }
  std::vector<protocol::BlockStatus> upload(const Bytes& pack) {
    return states(ada_->call("POST", "/api/chunk/pack" + query_, pack));
  }
  std::vector<protocol::BlockStatus> missing(const std::vector<BlockId>& ids) {
    return states(ada_->call("POST", "/api/chunk/missing" + query_, protocol::encode_block_ids(ids)));
  }

  std::unique_ptr<ApiClient> ada_;
  VolumeId volume_;
  std::string query_;
};

TEST_F(ChunkApi, UploadAskFetch) {
  std::vector<TestBlock> blocks{make_block(100, 1), make_block(700'000, 2), make_block(4u << 20, 3)};
  EXPECT_EQ(missing({blocks[0].id})[0].state, protocol::BlockState::kMissing);
  for (const auto& state : upload(pack_of(blocks))) EXPECT_EQ(state.state, protocol::BlockState::kStored);
  auto now = missing({blocks[2].id, BlockId{}, blocks[0].id});
  EXPECT_EQ(now[0].state, protocol::BlockState::kStored);
  EXPECT_EQ(now[1].state, protocol::BlockState::kMissing);
  EXPECT_EQ(now[2].state, protocol::BlockState::kStored);

  HttpAnswer fetched =
      ada_->call("POST", "/api/chunk/fetch" + query_, protocol::encode_block_ids({blocks[1].id, BlockId{}}));
  ASSERT_EQ(fetched.status, 200);
  auto pack = block::parse_pack(as_bytes(fetched.body));
  ASSERT_TRUE(pack.ok());
  Bytes joined;
  for (const auto& segment : pack->segments) {
    EXPECT_EQ(segment.block, blocks[1].id);
    EXPECT_TRUE(segment.intact);
    append(joined, segment.bytes);
  }
  EXPECT_TRUE(joined == blocks[1].sealed);

  HttpAnswer one = ada_->call("GET", "/api/chunk/" + volume_.hex() + "/" + blocks[2].id.hex());
  EXPECT_TRUE(to_bytes(one.body) == blocks[2].sealed);
  EXPECT_EQ(ada_->call("GET", "/api/chunk/" + volume_.hex() + "/" + std::string(64, '0')).status, 404);
}

TEST_F(ChunkApi, OnlyTheDamagedSegmentIsAskedForAgain) {
  TestBlock whole = make_block(600, 1), large = make_block(3 * block::kSegmentBytes + 1000, 2);
  Bytes pack = pack_of({whole, large});
  pack[pack.size() - 1000 - 48 - block::kSegmentBytes / 2] ^= 0x40;  // inside the third of the large block's four
  auto states = upload(pack);
  ASSERT_EQ(states.size(), 2u);
  EXPECT_EQ(states[0].state, protocol::BlockState::kStored);
  EXPECT_EQ(states[1].state, protocol::BlockState::kPartial);
  EXPECT_EQ(states[1].missing_segments, std::vector<std::uint16_t>{2});
  EXPECT_EQ(missing({large.id})[0].missing_segments, std::vector<std::uint16_t>{2});

  block::PackWriter again;
  again.add_segment(large.id, static_cast<std::uint32_t>(large.sealed.size()), 2,
                    ByteView(large.sealed).subspan(2 * block::kSegmentBytes, block::kSegmentBytes));
  EXPECT_EQ(upload(again.take())[0].state, protocol::BlockState::kStored);
  EXPECT_TRUE(to_bytes(ada_->call("GET", "/api/chunk/" + volume_.hex() + "/" + large.id.hex()).body) == large.sealed);
}

TEST_F(ChunkApi, ABrokenConnectionKeepsWhatArrived) {
  TestBlock large = make_block(4 * block::kSegmentBytes, 5);
  Bytes pack = pack_of({large});
  RawHttp broken(server_->port(), RawHttp::Security::kPlain);
  broken.send("POST /api/chunk/pack" + query_ + " HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer " + ada_->token +
              "\r\nContent-Length: " + std::to_string(pack.size()) + "\r\n\r\n");
  broken.send(as_text(ByteView(pack).first(pack.size() - block::kSegmentBytes - 100)));
  broken.half_close();
  EXPECT_EQ(broken.answer()->status, 200);
  auto state = missing({large.id})[0];
  EXPECT_EQ(state.state, protocol::BlockState::kPartial);
  EXPECT_EQ(state.missing_segments, (std::vector<std::uint16_t>{2, 3}));
}

TEST_F(ChunkApi, ABlockWhoseIdIsNotItsHashIsNotStored) {
  TestBlock liar = make_block(1000, 1);
  liar.id.value[0] ^= 1;
  auto answer = ada_->call("POST", "/api/chunk/pack" + query_, pack_of({liar}));
  if (answer.status == 200) {
    EXPECT_NE(states(answer)[0].state, protocol::BlockState::kStored);
  }
  EXPECT_EQ(ada_->call("GET", "/api/chunk/" + volume_.hex() + "/" + liar.id.hex()).status, 404);
}

TEST_F(ChunkApi, GarbageIsRefused) {
  EXPECT_EQ(ada_->call("POST", "/api/chunk/pack" + query_, "not a pack").status, 400);
  EXPECT_EQ(ada_->call("POST", "/api/chunk/pack" + query_).status, 400);
  EXPECT_EQ(ada_->call("POST", "/api/chunk/missing" + query_, std::string(33, 'x')).status, 400);
  EXPECT_EQ(ada_->call("POST", "/api/chunk/missing" + query_, std::string(32 * 10'001, 'x')).status, 413);
  EXPECT_EQ(ada_->call("POST", "/api/chunk/fetch" + query_, std::string(32 * 1'001, 'x')).status, 413);
  EXPECT_EQ(ada_->call("POST", "/api/chunk/missing").status, 400);
  for (std::string id : {"..%2fx", "%2e%2e%2f", "..%c0%af", "x%00", "%2fetc%2fpasswd", "../x"})
    EXPECT_EQ(ada_->call("GET", "/api/chunk/" + volume_.hex() + "/" + id).status, 400) << id;
  EXPECT_EQ(ada_->call("GET", "/api/chunk/" + volume_.hex() + "/" + std::string(10'000, 'a')).status, 413);
  RawHttp large(server_->port(), RawHttp::Security::kPlain);
  large.send("POST /api/chunk/pack" + query_ + " HTTP/1.1\r\nHost: h\r\nContent-Length: 10000000\r\n\r\n");
  EXPECT_EQ(large.answer()->status, 413);
}

TEST_F(ChunkApi, BlocksOfOneVolumeAreNotInAnother) {
  TestBlock block = make_block(5000, 1);
  upload(pack_of({block}));
  VolumeId other = ada_->create_volume();
  EXPECT_EQ(ada_->call("GET", "/api/chunk/" + other.hex() + "/" + block.id.hex()).status, 404);
}

}  // namespace
}  // namespace skymoor::server
