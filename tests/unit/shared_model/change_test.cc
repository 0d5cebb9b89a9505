#include "shared/model/change.h"

#include <gtest/gtest.h>

#include <random>

#include "shared/model/listing.h"

namespace skymoor {
namespace {

Commit sample() {
  Commit c;
  c.volume.value.fill(1);
  c.device.value.fill(2);
  c.op = {WriterId{7}, 99};
  c.base = Sequence{41};
  c.base_hash.value.fill(3);
  c.reads = {{ReadKind::kSlot, InodeId{5}, NameToken{}}, {ReadKind::kInode, InodeId{6}, {}}, {ReadKind::kChildren, InodeId{7}, {}}};
  Attributes a;
  a.type = FileType::kSymlink;
  a.mode = 0777;
  a.mtime = Timestamp{std::chrono::nanoseconds{-5}};
  c.effects.push_back(NewInode{InodeId{10}, a, to_bytes("sealed target")});
  c.effects.push_back(LinkName{InodeId{1}, NameToken{}, to_bytes("sealed name"), InodeId{10}});
  c.effects.push_back(UnlinkName{InodeId{1}, NameToken{}, InodeId{11}});
  c.effects.push_back(PutContent{InodeId{12}, OpId{WriterId{7}, 98}, 4096, {}, {}, to_bytes("manifest"), {BlockId{}, BlockId{}}});
  c.effects.push_back(SetAttributes{InodeId{12}, kFieldMode | kFieldMtime, a});
  c.effects.push_back(SetXattr{InodeId{12}, NameToken{}, {}});
  return c;
}

TEST(Commit, RoundTripsToTheSameBytes) {
  Bytes payload = encode_commit(sample());
  auto decoded = decode_commit(payload);
  ASSERT_TRUE(decoded.ok()) << decoded.error().message();
  EXPECT_EQ(encode_commit(*decoded), payload);
  EXPECT_EQ(decoded->effects.size(), 6u);
  EXPECT_EQ(std::get<PutContent>(decoded->effects[3]).content, (OpId{WriterId{7}, 98}));
}

TEST(Commit, AKeyProofEndsIt) {
  for (const bool restoring : {false, true}) {
    Commit commit = sample();
    if (restoring) commit.restored = Restored{Epoch{3}, {{InodeId{10}, Sequence{44}}}};
    const Bytes without = encode_commit(commit);
    EXPECT_EQ(without[0], restoring ? 2 : 1);
    EXPECT_FALSE(decode_commit(without)->key_proof);
    commit.key_proof.emplace().value.fill(0x5a);
    const Bytes payload = encode_commit(commit);
    EXPECT_EQ(payload[0], restoring ? 4 : 3);
    EXPECT_EQ(proven_part(payload).size(), without.size());
    EXPECT_EQ(to_bytes(proven_part(payload).subspan(1)), to_bytes(ByteView(without).subspan(1)));
    const auto decoded = decode_commit(payload);
    ASSERT_TRUE(decoded.ok()) << decoded.error().message();
    EXPECT_EQ(decoded->key_proof, commit.key_proof);
    EXPECT_EQ(encode_commit(*decoded), payload);
    for (std::size_t size = 0; size < payload.size(); ++size)
      EXPECT_FALSE(decode_commit(ByteView(payload).first(size)).ok()) << size;
    Bytes longer = payload, newer = payload;
    longer.push_back(0);
    newer[0] = 5;
    EXPECT_FALSE(decode_commit(longer).ok());
    EXPECT_FALSE(decode_commit(newer).ok());
  }
  EXPECT_TRUE(proven_part(Bytes(31)).empty());
}

TEST(Commit, WhatIsGivenBackIsVersionTwo) {
  Commit commit = sample();
  EXPECT_EQ(encode_commit(commit)[0], 1);
  commit.restored = Restored{Epoch{3}, {{InodeId{10}, Sequence{44}}, {InodeId{12}, Sequence{}}}};
  Bytes payload = encode_commit(commit);
  EXPECT_EQ(payload[0], 2);
  auto decoded = decode_commit(payload);
  ASSERT_TRUE(decoded.ok()) << decoded.error().message();
  ASSERT_TRUE(decoded->restored);
  EXPECT_EQ(decoded->restored->epoch, Epoch{3});
  EXPECT_EQ(decoded->restored->states, commit.restored->states);
  for (std::size_t size = 0; size < payload.size(); ++size)
    EXPECT_FALSE(decode_commit(ByteView(payload).first(size)).ok()) << size;
}

TEST(Commit, EveryTruncationIsRefused) {
  Bytes payload = encode_commit(sample());
  for (std::size_t size = 0; size < payload.size(); ++size)
    EXPECT_FALSE(decode_commit(ByteView(payload).first(size)).ok()) << size;
}

TEST(Commit, SizesAreBounded) {
  EXPECT_EQ(decode_commit(Bytes(kMaxCommitBytes + 1)).error().code(), Code::kTooLarge);
}

TEST(Commit, DamagedBytesNeverCrash) {
  std::mt19937 random(3);
  Bytes payload = encode_commit(sample());
  for (int i = 0; i < 20000; ++i) {
    Bytes damaged = payload;
    for (unsigned n = 1 + random() % 4; n; --n) damaged[random() % damaged.size()] = static_cast<std::uint8_t>(random());
    (void)decode_commit(damaged).ok();
  }
}

TEST(Feed, RoundTrips) {
  FeedPage page;
  page.head = Sequence{9};
  for (std::uint64_t n = 1; n <= 3; ++n) page.entries.push_back({Sequence{n}, Hash256{}, {encode_commit(sample()), {}}});
  Bytes bytes = encode_feed_page(page);
  auto decoded = decode_feed_page(bytes);
  ASSERT_TRUE(decoded.ok());
  EXPECT_EQ(encode_feed_page(*decoded), bytes);
  for (std::size_t size = 0; size < bytes.size(); size += 7)
    EXPECT_FALSE(decode_feed_page(ByteView(bytes).first(size)).ok());
}

TEST(Listing, RoundTrips) {
  DirectoryPage page;
  page.sequence = Sequence{4};
  page.directory.inode = InodeId{1};
  page.directory.attributes.type = FileType::kDirectory;
  ListedEntry entry;
  entry.sealed_name = to_bytes("n");
  entry.inode.inode = InodeId{2};
  entry.inode.manifest_left_out = true;
  entry.inode.xattrs.push_back({InodeId{2}, NameToken{}, to_bytes("x")});
  page.entries.push_back(entry);
  page.next = to_bytes("cursor");
  Bytes bytes = encode_directory_page(page);
  auto decoded = decode_directory_page(bytes);
  ASSERT_TRUE(decoded.ok());
  EXPECT_EQ(encode_directory_page(*decoded), bytes);
  InodePage inodes;
  inodes.inodes.push_back(entry.inode);
  EXPECT_EQ(encode_inode_page(decode_inode_page(encode_inode_page(inodes)).value()), encode_inode_page(inodes));
}

}  // namespace
}  // namespace skymoor
