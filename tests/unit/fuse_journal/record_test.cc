// Log records: what is written is read, and nothing damaged is.
#include "fuse/journal/record.h"

#include <gtest/gtest.h>

#include <random>

#include "fuse/journal/tables/row_codec.h"

namespace skymoor::client {
namespace {

InodeRow sample_inode() {
  InodeRow row;
  row.id = make_inode_id(WriterId{0xffffff}, 77);
  row.attributes = {FileType::kSymlink, 07777, 1, 0xffffffff, 3, 12, Timestamp{std::chrono::nanoseconds{-5}}, {}, {}, {}};
  row.links = 3;
  row.parent = kRootInode;
  row.target = "../somewhere";
  row.content = {WriterId{9}, 1ull << 50};
  row.version = Sequence{44};
  row.listed = row.has_xattrs = true;
  row.changed = Lsn{300};
  return row;
}

LogRecord sample(Intent intent) {
  LogRecord record;
  record.lsn = Lsn{300};
  record.time = Timestamp{std::chrono::seconds{1'700'000'000}};
  record.intent = std::move(intent);
  record.changes = {PutInode{sample_inode()},
                    EraseInode{InodeId{1ull << 63}},
                    PutDentry{{kRootInode, std::string(255, 'n'), InodeId{5}, FileType::kFifo, 99, Lsn{300}}},
                    EraseDentry{kRootInode, "\xff\n"},
                    PutXattr{InodeId{5}, "user.x", Bytes(65536, 7)},
                    EraseXattr{InodeId{5}, "user.y"},
                    MarkContent{InodeId{5}, {10, 1ull << 44}, false, true},
                    PutManifest{InodeId{5}, {WriterId{1}, 2}, Bytes(1000, 1)},
                    MoveContent{InodeId{5}, InodeId{6}},
                    LogData{InodeId{5}, 4096, Bytes(100, 3)}};
  return record;
}

std::vector<Intent> intents() {
  OpId seen{WriterId{3}, 4};
  return {LocalIntent{},
          CreateIntent{kRootInode, "new", InodeId{9}},
          LinkIntent{kRootInode, "l", InodeId{9}, seen},
          UnlinkIntent{kRootInode, "u", InodeId{9}, true, seen},
          RmdirIntent{kRootInode, "d", InodeId{9}},
          RenameIntent{kRootInode, "a", InodeId{2}, "b", InodeId{9}, seen, InodeId{10}, seen, true, true},
          WriteIntent{InodeId{9}, seen},
          AttributeIntent{InodeId{9}, 0x3f},
          XattrIntent{InodeId{9}, "user.x"}};
}

TEST(Record, EveryIntentAndChangeComesBack) {
  for (Intent& intent : intents()) {
    LogRecord record = sample(intent);
    Bytes bytes = encode_record(record);
    auto back = decode_record(bytes);
    ASSERT_TRUE(back.ok()) << back.error().to_string();
    EXPECT_EQ(back->intent.index(), record.intent.index());
    EXPECT_EQ(encode_record(*back), bytes);
    ASSERT_EQ(back->changes.size(), record.changes.size());
    const InodeRow& inode = std::get<PutInode>(back->changes[0]).row;
    EXPECT_EQ(inode.changed, record.lsn) << "changed is the record's lsn, and not written";
    EXPECT_EQ(inode.attributes, sample_inode().attributes);
    EXPECT_EQ(inode.target, "../somewhere");
    EXPECT_TRUE(inode.listed && inode.has_xattrs);
  }
}

TEST(Record, TruncatedAnywhereIsRefused) {
  Bytes bytes = encode_record(sample(RenameIntent{kRootInode, "a", InodeId{2}, "b", InodeId{9}, {}, {}, {}}));
  for (std::size_t size = 0; size < bytes.size(); size += size < 400 ? 1 : 997)
    EXPECT_FALSE(decode_record(ByteView(bytes).first(size)).ok()) << size;
  bytes.push_back(0);
  EXPECT_FALSE(decode_record(bytes).ok()) << "left-over bytes";
}

TEST(Record, DamagedBytesNeverCrash) {
  Bytes bytes = encode_record(sample(LinkIntent{kRootInode, "l", InodeId{9}, {}}));
  std::mt19937 random(5);
  for (int i = 0; i < 3000; ++i) {
    Bytes damaged = bytes;
    for (int k = 0; k < 3; ++k) damaged[random() % std::min<std::size_t>(damaged.size(), 700)] = static_cast<std::uint8_t>(random());
    auto back = decode_record(damaged);
    if (back.ok()) (void)encode_record(*back);
  }
}

TEST(Record, UnknownKindsAndVersionsAreRefused) {
  Bytes bytes = encode_record(sample(LocalIntent{}));
  bytes[0] = 2;
  EXPECT_EQ(decode_record(bytes).error().code(), Code::kCorrupt);
}

TEST(Record, SmallRecordsAreSmall) {
  LogRecord record;
  record.lsn = Lsn{1000};
  record.intent = CreateIntent{kRootInode, "file.txt", InodeId{1000}};
  InodeRow row = sample_inode();
  row.target.clear();
  record.changes = {PutInode{row}, PutDentry{{kRootInode, "file.txt", row.id, FileType::kFile, 5, {}}}, PutInode{row}};
  EXPECT_LT(encode_record(record).size(), 260u);
}

}  // namespace
}  // namespace skymoor::client
