// Opening after crashes and damage.
#include "tests/unit/server_block_store/store_fixture.h"

namespace skymoor::server {
namespace {

class Recovery : public SegmentStoreTest {
 protected:
  /// Closes without a hint, as a kill would.
  void kill() {
    const std::string copy = copy_of_directory();
    store_.reset();
    std::filesystem::remove_all(directory_);
    std::filesystem::rename(copy, directory_);
  }
};

TEST_F(Recovery, EverythingIsThereAfterCloseAndAfterAKill) {
  std::vector<TestBlock> blocks;
  for (std::uint64_t i = 0; i < 50; ++i) blocks.push_back(make_block(1 + i * 37, i));
  open();
  for (std::size_t i = 0; i < 40; ++i) ASSERT_TRUE(put(blocks[i]).ok());
  EXPECT_EQ(remove(blocks[7]), 1u);
  store_.reset();
  EXPECT_TRUE(std::filesystem::exists(hint(1)));
  open();
  for (std::size_t i = 40; i < 50; ++i) ASSERT_TRUE(put(blocks[i]).ok());
  EXPECT_EQ(remove(blocks[42]), 1u);
  kill();  // the hint now covers only a part of the segment
  open();
  for (std::size_t i = 0; i < 50; ++i) EXPECT_EQ(reads(blocks[i]), i != 7 && i != 42) << i;
  EXPECT_EQ(store_->stats().blocks, 48u);
  EXPECT_FALSE(std::filesystem::exists(segment(2)));  // a restart does not cost a segment
}

TEST_F(Recovery, ATornLastRecordIsCutOffAtEveryLength) {
  open();
  TestBlock first = make_block(100, 1), last = make_block(333, 2), next = make_block(50, 3);
  ASSERT_TRUE(put(first).ok());
  const auto whole = std::filesystem::file_size(segment(1));
  ASSERT_TRUE(put(last).ok());
  kill();
  const Bytes full = read_all(segment(1));
  // Every length within the header and near the end; steps in the payload.
  for (std::size_t size = whole; size < full.size();
       size += size > whole + 80 && size + 20 < full.size() ? 9 : 1) {
    write_all(segment(1), ByteView(full).first(size));
    std::filesystem::remove(hint(1));
    open();
    EXPECT_TRUE(reads(first));
    // The last bytes are padding, but a record is whole only with it.
    EXPECT_EQ(get_error(last), Code::kNotFound) << size;
    EXPECT_EQ(std::filesystem::file_size(segment(1)), whole);
    ASSERT_TRUE(put(next).ok());
    kill();
    open();
    EXPECT_TRUE(reads(first));
    EXPECT_TRUE(reads(next));
    store_.reset();
  }
}

TEST_F(Recovery, ATailOfZerosOrNoiseIsCutOff) {
  open();
  TestBlock first = make_block(100, 1);
  ASSERT_TRUE(put(first).ok());
  kill();
  const Bytes good = read_all(segment(1));
  for (std::size_t extra : {1u, 7u, 8u, 72u, 5000u, 3'000'000u})
    for (bool zeros : {true, false}) {
      Bytes longer = good;
      append(longer, zeros ? Bytes(extra) : make_block(extra, extra).bytes);
      write_all(segment(1), longer);
      std::filesystem::remove(hint(1));
      open();
      EXPECT_TRUE(reads(first));
      EXPECT_EQ(std::filesystem::file_size(segment(1)), good.size());
      store_.reset();
    }
}

TEST_F(Recovery, ALastRecordWhosePayloadDidNotReachTheDiskIsCutOff) {
  open();
  TestBlock first = make_block(100, 1), last = make_block(900, 2);
  ASSERT_TRUE(put(first).ok());
  const auto whole = std::filesystem::file_size(segment(1));
  ASSERT_TRUE(put(last).ok());
  kill();
  Bytes torn = read_all(segment(1));
  std::fill(torn.end() - 512, torn.end(), 0);
  write_all(segment(1), torn);
  open();
  EXPECT_TRUE(reads(first));
  EXPECT_EQ(get_error(last), Code::kNotFound);
  EXPECT_EQ(store_->stats().damaged, 0u);
  EXPECT_EQ(std::filesystem::file_size(segment(1)), whole);
}

TEST_F(Recovery, ASegmentCutWithinItsHeaderWasNeverUsed) {
  open();
  TestBlock b = make_block(100, 1);
  ASSERT_TRUE(put(b).ok());
  kill();
  for (std::size_t size : {0u, 1u, 63u}) {
    write_all(segment(2), Bytes(size));
    open();
    EXPECT_TRUE(reads(b));
    EXPECT_FALSE(std::filesystem::exists(segment(2)));
    store_.reset();
  }
}

TEST_F(Recovery, OneFlippedBitCostsAtMostItsOwnBlock) {
  open();
  std::vector<TestBlock> blocks;
  for (std::uint64_t i = 0; i < 6; ++i) blocks.push_back(make_block(60 + i, i));
  for (const TestBlock& b : blocks) ASSERT_TRUE(put(b).ok());
  const std::string copy = copy_of_directory();
  store_.reset();
  const Bytes good = read_all(segment::segment_path(copy, 1));
  std::filesystem::remove_all(copy);
  for (std::size_t bit = 0; bit < good.size() * 8; bit += 31) {
    write_all(segment(1), good);
    flip_bit(segment(1), bit);
    std::filesystem::remove(hint(1));
    open();
    std::size_t readable = 0;
    for (const TestBlock& b : blocks) {
      auto bytes = store_->get(volume_, b.id);
      if (bytes.ok()) {
        EXPECT_EQ(*bytes, b.bytes);
        EXPECT_TRUE(has(b));
        ++readable;
      } else {
        EXPECT_FALSE(has(b));
      }
    }
    EXPECT_GE(readable, 5u) << bit;
    // Whatever was lost can be put again.
    for (const TestBlock& b : blocks) {
      ASSERT_TRUE(put(b).ok());
      EXPECT_TRUE(reads(b)) << bit;
    }
    store_.reset();
  }
}

TEST_F(Recovery, DamagedMissingAndForeignHintsAreReplacedByReading) {
  options_.segment_bytes = 3000;
  open();
  std::vector<TestBlock> blocks;
  for (std::uint64_t i = 0; i < 9; ++i) blocks.push_back(make_block(800, i));
  for (const TestBlock& b : blocks) ASSERT_TRUE(put(b).ok());
  EXPECT_EQ(remove(blocks[0]), 1u);
  store_.reset();
  const Bytes good = read_all(hint(1)), other = read_all(hint(2));
  auto check = [&] {
    open();
    for (std::size_t i = 0; i < blocks.size(); ++i) EXPECT_EQ(reads(blocks[i]), i != 0);
    store_.reset();
    EXPECT_EQ(read_all(hint(1)), good);  // written anew
  };
  for (std::size_t bit = 0; bit < good.size() * 8; bit += 97) {
    flip_bit(hint(1), bit);
    check();
  }
  for (std::size_t size = 0; size < good.size(); size += 13) {
    write_all(hint(1), ByteView(good).first(size));
    check();
  }
  std::filesystem::remove(hint(1));
  check();
  write_all(hint(1), other);
  check();
}

TEST_F(Recovery, AHintLongerThanItsSegmentIsNotBelieved) {
  open();
  TestBlock a = make_block(300, 1), b = make_block(300, 2);
  ASSERT_TRUE(put(a).ok());
  const auto whole = std::filesystem::file_size(segment(1));
  ASSERT_TRUE(put(b).ok());
  store_.reset();
  std::filesystem::resize_file(segment(1), whole + 100);
  open();
  EXPECT_TRUE(reads(a));
  EXPECT_FALSE(has(b));
}

TEST_F(Recovery, ASegmentWithoutAnyReadableHeaderIsSetAside) {
  options_.segment_bytes = 3000;
  open();
  std::vector<TestBlock> blocks;
  for (std::uint64_t i = 0; i < 9; ++i) blocks.push_back(make_block(800, i));
  for (const TestBlock& b : blocks) ASSERT_TRUE(put(b).ok());
  store_.reset();
  flip_bit(segment(1), 100);
  flip_bit(segment(1), 32 * 8 + 100);
  open();  // the hint still knows it
  for (const TestBlock& b : blocks) EXPECT_TRUE(reads(b));
  store_.reset();
  std::filesystem::remove(hint(1));
  open();
  EXPECT_TRUE(std::filesystem::exists(segment(1) + ".damaged"));
  int readable = 0;
  for (const TestBlock& b : blocks) readable += reads(b);
  EXPECT_EQ(readable, 6);
  for (const TestBlock& b : blocks) ASSERT_TRUE(put(b).ok());
  for (const TestBlock& b : blocks) EXPECT_TRUE(reads(b));
}

TEST_F(Recovery, RecordsForgedInsideAPayloadAreNeverBelieved) {
  // A client plants a whole tombstone of another's block in its payload, and the header before it rots away, so that
  // the scan looks for the next record inside the payload. It would need the segment's salt.
  open();
  TestBlock victim = make_block(100, 1), after = make_block(100, 3);
  ASSERT_TRUE(put(victim).ok());
  Bytes payload(64, 0xee);
  for (std::uint32_t salt : {0u, 1u, 0xffffffffu}) {
    std::array<std::uint8_t, segment::kRecordHeaderBytes> forged;
    segment::encode_record_header({.kind = segment::RecordKind::kTombstone, .name = {volume_, victim.id}, .origin = 9},
                                  salt, forged);
    append(payload, forged);
  }
  const auto at = std::filesystem::file_size(segment(1));
  TestBlock evil{payload, BlockId{crypto::sha256(payload).value}};
  ASSERT_TRUE(put(evil).ok());
  ASSERT_TRUE(put(after).ok());
  kill();
  flip_bit(segment(1), at * 8 + 3);
  open();
  EXPECT_TRUE(reads(victim));
  EXPECT_TRUE(reads(after));
  EXPECT_FALSE(has(evil));
}

TEST_F(Recovery, LeftoversAreCleanedUp) {
  open();
  TestBlock b = make_block(100, 1);
  ASSERT_TRUE(put(b).ok());
  store_.reset();
  write_all(hint(77), Bytes(10));
  write_all(hint(1) + ".new", Bytes(10));
  open();
  EXPECT_FALSE(std::filesystem::exists(hint(77)));
  EXPECT_FALSE(std::filesystem::exists(hint(1) + ".new"));
  EXPECT_TRUE(reads(b));
}

TEST_F(Recovery, WhatWasOnlyInThePageCacheIsSyncedBeforeItCounts) {
  open();
  ASSERT_TRUE(put(make_block(100, 1)).ok());
  kill();
  const int before = faults_.count("file.sync");
  open();
  EXPECT_EQ(faults_.count("file.sync") - before, 1);
  store_.reset();
  std::filesystem::remove(hint(1));
  faults_.fail("file.sync", EIO);
  EXPECT_EQ(SegmentBlockStore::open(disk_, random_, options_).error().code(), Code::kIo);
  faults_.clear();
  open();
}

}  // namespace
}  // namespace skymoor::server
