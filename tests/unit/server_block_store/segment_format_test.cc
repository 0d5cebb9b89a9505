#include "backend-server/block_store/local/segment_format.h"

#include "tests/unit/server_block_store/store_fixture.h"

namespace skymoor::server::segment {
namespace {

RecordHeader sample_record() {
  TestBlock b = make_block(100, 1);
  return {.name = {make_volume(3), b.id}, .bytes = 100, .origin = 7, .payload_crc = crc32c(b.bytes)};
}

TEST(SegmentFormat, FileHeaderSurvivesDamageToOneCopy) {
  const Bytes good = encode_file_header({12, 0xabcdef});
  ASSERT_EQ(good.size(), kFileHeaderBytes);
  for (std::size_t bit = 0; bit < good.size() * 8; ++bit) {
    Bytes damaged = good;
    damaged[bit / 8] ^= 1 << bit % 8;
    auto header = decode_file_header(damaged, 12);
    ASSERT_TRUE(header.ok());
    EXPECT_EQ(header->salt, 0xabcdefu);
  }
  EXPECT_FALSE(decode_file_header(good, 13).ok());
  EXPECT_FALSE(decode_file_header(Bytes(64), 12).ok());
  EXPECT_FALSE(decode_file_header({}, 12).ok());
}

TEST(SegmentFormat, RecordHeaderRoundTripsAndRejectsEveryFlippedBit) {
  std::array<std::uint8_t, kRecordHeaderBytes> bytes;
  const RecordHeader record = sample_record();
  encode_record_header(record, 99, bytes);
  auto decoded = decode_record_header(bytes, 99);
  ASSERT_TRUE(decoded);
  EXPECT_EQ(decoded->name, record.name);
  EXPECT_EQ(decoded->bytes, 100u);
  EXPECT_EQ(decoded->origin, 7u);
  EXPECT_EQ(decoded->payload_crc, record.payload_crc);
  EXPECT_FALSE(decode_record_header(bytes, 98));
  for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    auto damaged = bytes;
    damaged[bit / 8] ^= 1 << bit % 8;
    EXPECT_FALSE(decode_record_header(damaged, 99)) << bit;
  }
}

TEST(SegmentFormat, RecordsAreAligned) {
  EXPECT_EQ(record_bytes(0), 72u);
  EXPECT_EQ(record_bytes(1), 80u);
  EXPECT_EQ(record_bytes(8), 80u);
  EXPECT_EQ(record_bytes(9), 88u);
}

TEST(SegmentFormat, HintRoundTripsAndRejectsDamageAndNonsense) {
  std::vector<Entry> entries = {{RecordKind::kBlock, false, {make_volume(1), make_block(9, 1).id}, 64, 9, 1},
                                {RecordKind::kTombstone, false, {make_volume(1), make_block(9, 2).id}, 152, 0, 1},
                                {RecordKind::kBlock, true, {make_volume(2), make_block(9, 3).id}, 224, 50, 1}};
  const Bytes good = encode_hint(5, 77, 352, true, entries);
  auto hint = decode_hint(good);
  ASSERT_TRUE(hint.ok());
  EXPECT_EQ(hint->number, 5u);
  EXPECT_EQ(hint->salt, 77u);
  EXPECT_EQ(hint->covered_bytes, 352u);
  EXPECT_TRUE(hint->closed);
  ASSERT_EQ(hint->entries.size(), 3u);
  EXPECT_EQ(hint->entries[1].kind, RecordKind::kTombstone);
  EXPECT_TRUE(hint->entries[2].damaged);
  EXPECT_EQ(hint->entries[2].offset, 224u);
  EXPECT_EQ(hint->entries[2].name, entries[2].name);
  for (std::size_t bit = 0; bit < good.size() * 8; ++bit) {
    Bytes damaged = good;
    damaged[bit / 8] ^= 1 << bit % 8;
    EXPECT_FALSE(decode_hint(damaged).ok());
  }
  for (std::size_t size = 0; size < good.size(); ++size) EXPECT_FALSE(decode_hint(ByteView(good).first(size)).ok());
  EXPECT_FALSE(decode_hint(encode_hint(5, 77, 300, true, entries)).ok());  // a record beyond what is covered
  entries[0].bytes = 1u << 30;
  EXPECT_FALSE(decode_hint(encode_hint(5, 77, 1ull << 40, true, entries)).ok());
}

// Files of the first released version must open for ever.
TEST(SegmentFormat, BytesAreThoseOfFormatOne) {
  EXPECT_EQ(hex_encode(ByteView(encode_file_header({1, 2})).first(32)),
            "534b594d5345470a01000000010000000200000000000000000000005eb207a3");
  const std::string volume = hex_encode(make_volume(1).view());
  std::array<std::uint8_t, kRecordHeaderBytes> record;
  encode_record_header({.name = {make_volume(1), BlockId{}}, .bytes = 5, .origin = 1, .payload_crc = 9}, 2, record);
  EXPECT_EQ(hex_encode(record), "b10c5e9001010000" + volume + std::string(64, '0') +
                                    "050000000100000009000000ad44ea10");
  Entry entry{RecordKind::kBlock, false, {make_volume(1), BlockId{}}, 64, 5, 1};
  EXPECT_EQ(hex_encode(encode_hint(1, 2, 144, true, {&entry, 1})),
            "534b594d484e540a0100000001000000020000009000000000000000010100000010" + volume + std::string(64, '0') +
                "400000000500000001000000bc96f041");
}

TEST(SegmentFormat, FileNames) {
  EXPECT_EQ(segment_path("/d", 12), "/d/0000000012.segment");
  EXPECT_EQ(number_in_name("0000000012.segment", ".segment"), 12u);
  for (const char* name : {"0000000000.segment", "000000012.segment", "00000000x2.segment", "0000000012.hint",
                           "9999999999.segment", "0000000012.segment.damaged", "lock", ""})
    EXPECT_FALSE(number_in_name(name, ".segment")) << name;
}

}  // namespace
}  // namespace skymoor::server::segment
