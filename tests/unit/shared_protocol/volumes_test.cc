#include "shared/protocol/volumes.h"

#include <gtest/gtest.h>

namespace skymoor::protocol {
namespace {

VolumeInfo some_volume() {
  VolumeInfo v;
  v.id.value.fill(0x11);
  v.kind = VolumeKind::kManaged;
  v.role = Role::kWriter;
  v.epoch = Epoch{4};
  v.key_epoch = 2;
  v.sealed_key = Bytes(80, 1);
  v.sealed_label = Bytes(48, 2);
  v.head = Sequence{UINT64_MAX};
  v.head_hash.value.fill(0x22);
  v.inodes = 10;
  v.content_bytes = 1ull << 60;
  v.stored_bytes = 3;
  v.quota_bytes = 4;
  v.free_bytes = 5;
  v.created = Timestamp{std::chrono::milliseconds{1'700'000'000'000}};
  return v;
}

TEST(Volumes, InfoRoundTrip) {
  VolumeInfo v = some_volume();
  auto got = decode<VolumeInfo>(as_bytes(encode(v)));
  ASSERT_TRUE(got.ok()) << got.error().message();
  EXPECT_EQ(got->id, v.id);
  EXPECT_EQ(got->kind, v.kind);
  EXPECT_EQ(got->role, v.role);
  EXPECT_EQ(got->epoch, v.epoch);
  EXPECT_EQ(got->key_epoch, v.key_epoch);
  EXPECT_EQ(got->sealed_key, v.sealed_key);
  EXPECT_EQ(got->sealed_label, v.sealed_label);
  EXPECT_EQ(got->head, v.head);
  EXPECT_EQ(got->head_hash, v.head_hash);
  EXPECT_EQ(got->inodes, v.inodes);
  EXPECT_EQ(got->content_bytes, v.content_bytes);
  EXPECT_EQ(got->stored_bytes, v.stored_bytes);
  EXPECT_EQ(got->quota_bytes, v.quota_bytes);
  EXPECT_EQ(got->free_bytes, v.free_bytes);
  EXPECT_EQ(got->created, v.created);
}

TEST(Volumes, EveryRoleAndKindHasItsWord) {
  VolumeInfo v = some_volume();
  for (Role role : {Role::kReader, Role::kWriter, Role::kOwner}) {
    v.role = role;
    EXPECT_EQ(decode<VolumeInfo>(as_bytes(encode(v)))->role, role);
  }
  for (VolumeKind kind : {VolumeKind::kPrivate, VolumeKind::kManaged}) {
    v.kind = kind;
    EXPECT_EQ(decode<VolumeInfo>(as_bytes(encode(v)))->kind, kind);
  }
}

TEST(Volumes, ListsRoundTrip) {
  auto volumes =
      decode<std::vector<VolumeInfo>>(as_bytes(encode(std::vector<VolumeInfo>{some_volume(), some_volume()})));
  ASSERT_TRUE(volumes.ok());
  EXPECT_EQ(volumes->size(), 2u);
  EXPECT_TRUE(decode<std::vector<VolumeInfo>>(as_bytes(encode(std::vector<VolumeInfo>{})))->empty());
  DevicePublic device{DeviceId{}, "d", Bytes(32, 1), Bytes(32, 2)};
  auto devices = decode<std::vector<DevicePublic>>(as_bytes(encode(std::vector<DevicePublic>{device})));
  ASSERT_TRUE(devices.ok());
  EXPECT_EQ(devices->at(0).sealing_key, device.sealing_key);
}

TEST(Volumes, SmallMessagesRoundTrip) {
  CommitReply reply{Sequence{7}, Hash256{}, Sequence{9}};
  reply.hash.value.fill(3);
  auto got = decode<CommitReply>(as_bytes(encode(reply)));
  ASSERT_TRUE(got.ok());
  EXPECT_EQ(got->sequence, reply.sequence);
  EXPECT_EQ(got->hash, reply.hash);
  EXPECT_EQ(got->head, reply.head);
  EXPECT_EQ(decode<WriterLease>(as_bytes(encode(WriterLease{WriterId{0xffffff}})))->writer.value, 0xffffffu);
  ChangeEvent event{some_volume().id, Sequence{12}};
  EXPECT_EQ(decode<ChangeEvent>(as_bytes(encode(event)))->volume, event.volume);
  EXPECT_EQ(decode<ChangeEvent>(as_bytes(encode(event)))->sequence, event.sequence);
}

TEST(Volumes, CreateRoundTripAndRules) {
  CreateVolume create;
  create.id.value.fill(9);
  create.sealed_key = Bytes(80, 1);
  create.sealed_label = Bytes(48, 2);
  create.root_uid = 1000;
  create.root_gid = 1001;
  create.root_mode = 01777;
  auto got = decode<CreateVolume>(as_bytes(encode(create)));
  ASSERT_TRUE(got.ok()) << got.error().message();
  EXPECT_EQ(got->root_uid, 1000u);
  EXPECT_EQ(got->root_gid, 1001u);
  EXPECT_EQ(got->root_mode, 01777u);

  auto refused = [](CreateVolume changed) { return !decode<CreateVolume>(as_bytes(encode(changed))).ok(); };
  CreateVolume bad = create;
  bad.id = {};
  EXPECT_TRUE(refused(bad));
  bad = create;
  bad.root_mode = 010000;
  EXPECT_TRUE(refused(bad));
  bad = create;
  bad.sealed_key = Bytes(2000, 1);
  EXPECT_TRUE(refused(bad));
}

TEST(Volumes, IdsHaveOneSpelling) {
  std::string text = encode(ChangeEvent{VolumeId{}, Sequence{1}});
  std::string zeros(32, '0');
  for (std::string id : {std::string(31, '0'), std::string(33, '0'), "A" + std::string(31, '0'), std::string(32, 'g'),
                         std::string("../../../../../../../../etc/pass")}) {
    std::string changed = text;
    changed.replace(changed.find(zeros), zeros.size(), id);
    EXPECT_FALSE(decode<ChangeEvent>(as_bytes(changed)).ok()) << id;
  }
}

TEST(Volumes, NumbersOutOfRangeAreRefused) {
  for (std::string_view number : {"-1", "1.5", "\"1\"", "18446744073709551616", "16777216", "true"}) {
    std::string text = "{\"writer\":" + std::string(number) + "}";
    EXPECT_FALSE(decode<WriterLease>(as_bytes(text)).ok()) << number;
  }
}

}  // namespace
}  // namespace skymoor::protocol
