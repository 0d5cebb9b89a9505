// The BlockStore contract, run on every implementation.
#include "tests/support/fake_block_store.h"
#include "tests/unit/server_block_store/store_fixture.h"

namespace skymoor::server {
namespace {

struct Kind {
  const char* name;
  std::unique_ptr<BlockStore> (*make)(Disk&, Random&, const std::string&);
};

std::unique_ptr<BlockStore> make_fake(Disk&, Random&, const std::string&) {
  return std::make_unique<FakeBlockStore>();
}
std::unique_ptr<BlockStore> make_segments(Disk& disk, Random& random, const std::string& directory) {
  auto store = SegmentBlockStore::open(disk, random, {.directory = directory, .reserve_bytes = 0});
  EXPECT_TRUE(store.ok());
  return std::move(*store);
}

class BlockStoreContract : public ::testing::TestWithParam<Kind> {
 protected:
  ~BlockStoreContract() override {
    store_.reset();
    std::filesystem::remove_all(directory_);
  }
  Status put(const VolumeId& volume, const std::vector<TestBlock>& blocks) {
    std::vector<NewBlock> fresh;
    for (const TestBlock& b : blocks) fresh.push_back(b.as_new());
    return store_->put(volume, fresh);
  }

  const std::string directory_ = fresh_directory();
  const VolumeId volume_ = make_volume(1), other_ = make_volume(2);
  PosixDisk disk_;
  SystemRandom random_;
  std::unique_ptr<BlockStore> store_ = GetParam().make(disk_, random_, directory_);
};

TEST_P(BlockStoreContract, GetsWhatWasPut) {
  std::vector<TestBlock> blocks;
  for (std::size_t size : {1u, 7u, 8u, 9u, 4096u, 1000000u, block::kMaxBlockBytes})
    blocks.push_back(make_block(size, size));
  ASSERT_TRUE(put(volume_, blocks).ok());
  for (const TestBlock& b : blocks) {
    auto bytes = store_->get(volume_, b.id);
    ASSERT_TRUE(bytes.ok());
    EXPECT_EQ(*bytes, b.bytes);
  }
  EXPECT_EQ(store_->stats().blocks, blocks.size());
}

TEST_P(BlockStoreContract, ReadsToWhereItIsTold) {
  const TestBlock b = make_block(1000, 1);
  ASSERT_TRUE(put(volume_, {b}).ok());
  Bytes memory(1010, 7);
  auto places = [&](std::uint32_t size) -> BlockStore::Places {
    EXPECT_EQ(size, 1000u);
    return {std::span(memory).subspan(1, 600), std::span(memory).subspan(605, 400)};
  };
  ASSERT_TRUE(store_->read(volume_, b.id, places).ok());
  EXPECT_TRUE(std::equal(b.bytes.begin(), b.bytes.begin() + 600, memory.begin() + 1));
  EXPECT_TRUE(std::equal(b.bytes.begin() + 600, b.bytes.end(), memory.begin() + 605));
  for (std::size_t beside : {0u, 601u, 604u, 1005u}) EXPECT_EQ(memory[beside], 7) << beside;
  auto nowhere = [](std::uint32_t) { return BlockStore::Places(); };
  EXPECT_EQ(store_->read(volume_, b.id, nowhere).error().code(), Code::kTooLarge);
  EXPECT_TRUE(store_->get(volume_, b.id).ok());
  EXPECT_EQ(store_->read(other_, b.id, places).error().code(), Code::kNotFound);
}

TEST_P(BlockStoreContract, ContainsAnswersPerId) {
  TestBlock a = make_block(10, 1), b = make_block(10, 2), c = make_block(10, 3);
  ASSERT_TRUE(put(volume_, {a, c}).ok());
  std::vector<BlockId> ids = {a.id, b.id, c.id};
  EXPECT_EQ(*store_->contains(volume_, ids), (std::vector<bool>{true, false, true}));
  EXPECT_TRUE(store_->contains(volume_, {})->empty());
  EXPECT_EQ(store_->get(volume_, b.id).error().code(), Code::kNotFound);
}

TEST_P(BlockStoreContract, BlocksOfOneVolumeAreNotThoseOfAnother) {
  TestBlock b = make_block(100, 1);
  ASSERT_TRUE(put(volume_, {b}).ok());
  EXPECT_FALSE((*store_->contains(other_, {&b.id, 1}))[0]);
  EXPECT_EQ(store_->get(other_, b.id).error().code(), Code::kNotFound);
  ASSERT_TRUE(put(other_, {b}).ok());
  EXPECT_EQ(*store_->remove(volume_, {&b.id, 1}), 1u);
  EXPECT_TRUE(store_->get(other_, b.id).ok());
}

TEST_P(BlockStoreContract, PuttingAgainChangesNothing) {
  TestBlock b = make_block(100, 1);
  ASSERT_TRUE(put(volume_, {b, b}).ok());
  ASSERT_TRUE(put(volume_, {b}).ok());
  EXPECT_EQ(store_->stats().blocks, 1u);
  EXPECT_EQ(store_->stats().block_bytes, 100u);
  EXPECT_TRUE(put(volume_, {}).ok());
}

TEST_P(BlockStoreContract, RefusesWrongIdsAndSizes) {
  TestBlock b = make_block(100, 1), wrong = b;
  wrong.bytes[50] ^= 1;
  EXPECT_EQ(put(volume_, {wrong}).error().code(), Code::kUnprocessable);
  EXPECT_EQ(put(volume_, {{Bytes(), b.id}}).error().code(), Code::kInvalidArgument);
  EXPECT_EQ(put(volume_, {make_block(block::kMaxBlockBytes + 1, 1)}).error().code(), Code::kInvalidArgument);
  EXPECT_EQ(store_->stats().blocks, 0u);
}

TEST_P(BlockStoreContract, RemovedBlocksAreGoneAndMayComeBack) {
  TestBlock a = make_block(10, 1), b = make_block(10, 2);
  ASSERT_TRUE(put(volume_, {a}).ok());
  std::vector<BlockId> ids = {a.id, b.id};
  EXPECT_EQ(*store_->remove(volume_, ids), 1u);
  EXPECT_EQ(*store_->remove(volume_, ids), 0u);
  EXPECT_EQ(store_->get(volume_, a.id).error().code(), Code::kNotFound);
  ASSERT_TRUE(put(volume_, {a}).ok());
  EXPECT_TRUE(store_->get(volume_, a.id).ok());
}

TEST_P(BlockStoreContract, ListsInOrderPageByPage) {
  std::vector<BlockName> expected;
  for (std::uint64_t i = 0; i < 200; ++i) {
    TestBlock b = make_block(10, i);
    const VolumeId& volume = i % 3 ? volume_ : other_;
    ASSERT_TRUE(put(volume, {b}).ok());
    expected.push_back({volume, b.id});
    if (i % 10 == 0) {  // the same block in both
      ASSERT_TRUE(put(make_volume(0), {b}).ok());
      expected.push_back({make_volume(0), b.id});
    }
  }
  std::sort(expected.begin(), expected.end());
  std::vector<BlockName> listed;
  ListRequest request{.limit = 7};
  for (bool more = true; more;) {
    auto page = store_->list(request);
    ASSERT_TRUE(page.ok());
    ASSERT_LE(page->blocks.size(), 7u);
    for (const StoredBlock& b : page->blocks) {
      EXPECT_EQ(b.bytes, 10u);
      listed.push_back(b.name);
    }
    more = page->more;
    if (more) request.after = listed.back();
  }
  EXPECT_EQ(listed, expected);

  auto one_volume = store_->list({.volume = other_});
  EXPECT_EQ(one_volume->blocks.size(), 67u);
  for (const StoredBlock& b : one_volume->blocks) EXPECT_EQ(b.name.volume, other_);
}

TEST_P(BlockStoreContract, ScrubReadsEverythingOnceInSteps) {
  for (std::uint64_t i = 0; i < 50; ++i) ASSERT_TRUE(put(volume_, {make_block(1000, i)}).ok());
  std::uint64_t blocks = 0, steps = 0;
  ScrubRequest request{.max_bytes = 3000};
  do {
    auto report = store_->scrub(request);
    ASSERT_TRUE(report.ok());
    EXPECT_TRUE(report->damaged.empty());
    EXPECT_LE(report->bytes, 4000u);
    blocks += report->blocks;
    request.after = report->next;
    ++steps;
  } while (request.after);
  EXPECT_EQ(blocks, 50u);
  EXPECT_GT(steps, 10u);
}

TEST_P(BlockStoreContract, ClosedStoresAnswerUnavailable) {
  TestBlock b = make_block(10, 1);
  ASSERT_TRUE(put(volume_, {b}).ok());
  ASSERT_TRUE(store_->close().ok());
  ASSERT_TRUE(store_->close().ok());
  EXPECT_EQ(put(volume_, {b}).error().code(), Code::kUnavailable);
  EXPECT_EQ(store_->get(volume_, b.id).error().code(), Code::kUnavailable);
  EXPECT_EQ(store_->contains(volume_, {&b.id, 1}).error().code(), Code::kUnavailable);
  EXPECT_EQ(store_->remove(volume_, {&b.id, 1}).error().code(), Code::kUnavailable);
}

INSTANTIATE_TEST_SUITE_P(All, BlockStoreContract,
                         ::testing::Values(Kind{"Fake", make_fake}, Kind{"Segments", make_segments}),
                         [](const auto& kind) { return kind.param.name; });

}  // namespace
}  // namespace skymoor::server
