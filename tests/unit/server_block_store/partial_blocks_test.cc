#include "backend-server/block_store/partial_blocks.h"

#include <thread>

#include "shared/block/seal.h"
#include "tests/unit/server_block_store/store_fixture.h"

namespace skymoor::server {
namespace {

using block::kSegmentBytes;
using Outcome = PartialBlocks::Outcome;

class HandClock final : public Clock {
 public:
  Timestamp now() const override { return {}; }
  Instant monotonic() const override { return Instant(std::chrono::nanoseconds(at_.load())); }
  void advance(std::chrono::nanoseconds by) { at_ += by.count(); }

 private:
  std::atomic<std::int64_t> at_ = std::chrono::nanoseconds(std::chrono::hours(1)).count();
};

block::Segment segment_of(const TestBlock& b, std::uint32_t index) {
  const auto size = static_cast<std::uint32_t>(b.bytes.size());
  const std::uint32_t from = index * kSegmentBytes;
  return {b.id, size, index, ByteView(b.bytes).subspan(from, std::min(kSegmentBytes, size - from)), true};
}

class PartialBlocksTest : public ::testing::Test {
 protected:
  PartialBlocks::Added add(const TestBlock& b, std::uint32_t index) { return add(volume_, b, index); }
  PartialBlocks::Added add(const VolumeId& volume, const TestBlock& b, std::uint32_t index) {
    auto added = partial_->add(volume, segment_of(b, index));
    EXPECT_TRUE(added.ok());
    return std::move(*added);
  }
  static std::optional<std::vector<std::uint32_t>> only(std::initializer_list<std::uint32_t> indexes) {
    return std::vector<std::uint32_t>(indexes);
  }

  const VolumeId volume_ = make_volume(1);
  HandClock clock_;
  std::unique_ptr<PartialBlocks> partial_ = std::make_unique<PartialBlocks>(clock_);
};

TEST_F(PartialBlocksTest, ABlockOfOneSegmentIsCompleteAtOnce) {
  TestBlock b = make_block(1000, 1);
  auto added = add(b, 0);
  EXPECT_EQ(added.outcome, Outcome::kComplete);
  EXPECT_EQ(added.bytes, b.bytes);
  EXPECT_EQ(partial_->stats().blocks, 0u);
}

TEST_F(PartialBlocksTest, SegmentsInAnyOrderMakeTheBlock) {
  TestBlock b = make_block(3 * kSegmentBytes + 17, 1);
  EXPECT_EQ(partial_->missing_segments(volume_, b.id), std::nullopt);
  EXPECT_EQ(add(b, 3).outcome, Outcome::kIncomplete);
  EXPECT_EQ(add(b, 0).outcome, Outcome::kIncomplete);
  EXPECT_EQ(add(b, 0).outcome, Outcome::kIncomplete);  // twice changes nothing
  EXPECT_EQ(partial_->missing_segments(volume_, b.id), only({1, 2}));
  EXPECT_EQ(add(b, 2).outcome, Outcome::kIncomplete);
  auto last = add(b, 1);
  EXPECT_EQ(last.outcome, Outcome::kComplete);
  EXPECT_EQ(last.bytes, b.bytes);
  EXPECT_EQ(partial_->missing_segments(volume_, b.id), std::nullopt);
  EXPECT_EQ(partial_->stats().bytes, 0u);
  EXPECT_EQ(partial_->stats().completed, 1u);
}

TEST_F(PartialBlocksTest, BytesThatAreNotTheBlockAreDroppedAndReported) {
  TestBlock b = make_block(2 * kSegmentBytes, 1), lie = b;
  lie.bytes[10] ^= 1;
  EXPECT_EQ(add(lie, 0).outcome, Outcome::kIncomplete);
  auto added = add(b, 1);
  EXPECT_EQ(added.outcome, Outcome::kMismatch);
  EXPECT_TRUE(added.bytes.empty());
  EXPECT_EQ(partial_->missing_segments(volume_, b.id), std::nullopt);
  EXPECT_EQ(add(b, 0).outcome, Outcome::kIncomplete);
  EXPECT_EQ(add(b, 1).outcome, Outcome::kComplete);
  TestBlock small = make_block(10, 2);
  small.bytes[0] ^= 1;
  EXPECT_EQ(add(small, 0).outcome, Outcome::kMismatch);
}

TEST_F(PartialBlocksTest, ALieAboutTheSizeDoesNotSpoilTheTrueUpload) {
  TestBlock b = make_block(2 * kSegmentBytes, 1);
  TestBlock lie{Bytes(5 * kSegmentBytes), b.id};
  add(lie, 4);
  EXPECT_EQ(add(b, 0).outcome, Outcome::kIncomplete);
  EXPECT_EQ(partial_->missing_segments(volume_, b.id), only({1}));
  EXPECT_EQ(add(b, 1).outcome, Outcome::kComplete);
}

TEST_F(PartialBlocksTest, VolumesAreApart) {
  TestBlock b = make_block(2 * kSegmentBytes, 1);
  add(volume_, b, 0);
  EXPECT_EQ(partial_->missing_segments(make_volume(2), b.id), std::nullopt);
  EXPECT_EQ(add(make_volume(2), b, 1).outcome, Outcome::kIncomplete);
  partial_->drop_volume(volume_);
  EXPECT_EQ(partial_->missing_segments(volume_, b.id), std::nullopt);
  EXPECT_EQ(partial_->missing_segments(make_volume(2), b.id), only({0}));
}

TEST_F(PartialBlocksTest, RefusesSegmentsThatDoNotFit) {
  TestBlock b = make_block(2 * kSegmentBytes, 1);
  auto refused = [&](block::Segment s) {
    auto added = partial_->add(volume_, s);
    return !added.ok() && added.error().code() == Code::kInvalidArgument;
  };
  block::Segment good = segment_of(b, 1), s = good;
  s.intact = false;
  EXPECT_TRUE(refused(s));
  s = good, s.index = 2;
  EXPECT_TRUE(refused(s));
  s = good, s.bytes = s.bytes.first(100);
  EXPECT_TRUE(refused(s));
  s = good, s.block_bytes = 0;
  EXPECT_TRUE(refused(s));
  s = good, s.block_bytes = block::kMaxBlockBytes + 1;
  EXPECT_TRUE(refused(s));
  EXPECT_EQ(partial_->stats().blocks, 0u);
}

TEST_F(PartialBlocksTest, AVolumeOverItsLimitLosesItsOldestBlock) {
  partial_ = std::make_unique<PartialBlocks>(
      clock_, PartialBlocks::Options{.total_bytes = 100 * kSegmentBytes, .volume_bytes = 3 * kSegmentBytes});
  TestBlock a = make_block(2 * kSegmentBytes, 1), b = make_block(2 * kSegmentBytes, 2),
            c = make_block(2 * kSegmentBytes, 3), other = make_block(2 * kSegmentBytes, 4);
  add(make_volume(2), other, 0);
  add(a, 0);
  add(b, 0);
  add(a, 0);  // touched again: now b is the oldest
  add(c, 0);
  EXPECT_EQ(partial_->missing_segments(volume_, b.id), std::nullopt);
  EXPECT_EQ(partial_->missing_segments(volume_, a.id), only({1}));
  EXPECT_EQ(partial_->missing_segments(volume_, c.id), only({1}));
  EXPECT_EQ(partial_->missing_segments(make_volume(2), other.id), only({1}));
  EXPECT_EQ(partial_->stats().dropped, 1u);
}

TEST_F(PartialBlocksTest, AllTogetherStayUnderTheTotal) {
  partial_ = std::make_unique<PartialBlocks>(
      clock_, PartialBlocks::Options{.total_bytes = 10 * kSegmentBytes, .volume_bytes = 5 * kSegmentBytes});
  for (std::uint64_t i = 0; i < 200; ++i) {
    // Short last segments only: their number is bounded too.
    TestBlock b{Bytes(kSegmentBytes + 1), BlockId{crypto::sha256(as_bytes(std::to_string(i))).value}};
    add(make_volume(static_cast<std::uint8_t>(i % 7)), b, i % 2 ? 1 : 0);
    EXPECT_LE(partial_->stats().bytes, 10u * kSegmentBytes);
  }
  EXPECT_LE(partial_->stats().blocks, 160u);
  EXPECT_GT(partial_->stats().dropped, 0u);
}

TEST_F(PartialBlocksTest, IdleBlocksAreDropped) {
  TestBlock a = make_block(2 * kSegmentBytes, 1), b = make_block(2 * kSegmentBytes, 2);
  add(a, 0);
  clock_.advance(std::chrono::minutes(6));
  add(b, 0);
  clock_.advance(std::chrono::minutes(6));
  partial_->drop_idle();
  EXPECT_EQ(partial_->missing_segments(volume_, a.id), std::nullopt);
  EXPECT_EQ(partial_->missing_segments(volume_, b.id), only({1}));
}

TEST_F(PartialBlocksTest, ManyThreadsUploadTheSameBlocks) {
  std::vector<TestBlock> blocks;
  for (std::uint64_t i = 0; i < 8; ++i) blocks.push_back(make_block(2 * kSegmentBytes + 5, i));
  std::atomic<int> complete = 0, wrong = 0;
  std::vector<std::jthread> threads;
  for (std::uint32_t t = 0; t < 6; ++t)
    threads.emplace_back([&, t] {
      for (const TestBlock& b : blocks) {
        auto added = partial_->add(volume_, segment_of(b, t % 3));
        if (!added.ok() || added->outcome == Outcome::kMismatch) ++wrong;
        if (added.ok() && added->outcome == Outcome::kComplete) added->bytes == b.bytes ? ++complete : ++wrong;
      }
    });
  threads.clear();
  EXPECT_EQ(wrong, 0);
  EXPECT_GE(complete, 8);
}

}  // namespace
}  // namespace skymoor::server
