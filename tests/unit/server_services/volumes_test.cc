// Volumes, members, writers' prefixes.
#include <set>

#include "tests/unit/server_services/test_writer.h"

namespace skymoor::server {
namespace {

class VolumesTest : public ServiceTest {
 protected:
  void SetUp() override {
    ServiceTest::SetUp();
    ann_ = std::make_unique<TestDevice>(add_user("ann"));
    bob_ = std::make_unique<TestDevice>(add_user("bob"));
    volume_ = add_volume(*ann_);
  }
  std::unique_ptr<TestDevice> ann_, bob_;
  VolumeId volume_;
};

TEST_F(VolumesTest, the_creator_owns_a_volume_with_a_root) {
  auto made = info(*ann_, volume_);
  EXPECT_EQ(made.role, protocol::Role::kOwner);
  EXPECT_EQ(made.head, Sequence{0});
  EXPECT_EQ(made.inodes, 1u);
  EXPECT_EQ(made.epoch, Epoch{1});
  EXPECT_EQ(made.sealed_key, Bytes(80, 1));
  EXPECT_EQ(made.sealed_label, Bytes(48, 2));
  EXPECT_EQ(made.free_bytes, std::uint64_t{1} << 40);
  auto page = value_of(services_->names().directory(ann_->caller, {volume_, kRootInode, {}, 10, 0}));
  EXPECT_EQ(page.directory.attributes.mode, 0755u);
  EXPECT_TRUE(page.entries.empty());
}

TEST_F(VolumesTest, other_people_s_volumes_do_not_exist) {
  VolumeId nowhere;
  random_.fill(nowhere.value);
  for (const VolumeId& id : {volume_, nowhere, VolumeId{}}) {
    auto& s = *services_;
    auto first = s.volumes().info(bob_->caller, id);
    ASSERT_EQ(code_of(first), Code::kNotFound);
    EXPECT_EQ(first.error().to_string(), "no such volume");
    EXPECT_EQ(code_of(s.volumes().lease_writer(bob_->caller, id)), Code::kNotFound);
    EXPECT_EQ(code_of(s.volumes().devices(bob_->caller, id)), Code::kNotFound);
    EXPECT_EQ(code_of(s.volumes().members(bob_->caller, id)), Code::kNotFound);
    EXPECT_EQ(code_of(s.names().directory(bob_->caller, {id, kRootInode, {}, 10, 0})), Code::kNotFound);
    EXPECT_EQ(code_of(s.names().inodes(bob_->caller, id, {kRootInode})), Code::kNotFound);
    EXPECT_EQ(code_of(s.changes().page(bob_->caller, id, {}, Epoch{1})), Code::kNotFound);
    EXPECT_EQ(code_of(s.changes().subscribe(bob_->caller, id, [](Sequence) {})), Code::kNotFound);
    EXPECT_EQ(code_of(s.blocks().missing(bob_->caller, id, {})), Code::kNotFound);
    EXPECT_EQ(code_of(s.blocks().fetch(bob_->caller, id, {})), Code::kNotFound);
    EXPECT_EQ(code_of(s.blocks().get(bob_->caller, id, {})), Code::kNotFound);
    EXPECT_EQ(code_of(s.blocks().upload_pack(bob_->caller, id, block::PackWriter().take())), Code::kNotFound);
  }
  EXPECT_TRUE(value_of(services_->volumes().list(bob_->caller)).empty());
}

TEST_F(VolumesTest, readers_read_and_change_nothing) {
  add_member(volume_, *bob_, protocol::Role::kReader);
  EXPECT_EQ(info(*bob_, volume_).role, protocol::Role::kReader);
  EXPECT_EQ(info(*bob_, volume_).sealed_key, Bytes(80, 3));
  value_of(services_->names().directory(bob_->caller, {volume_, kRootInode, {}, 10, 0}));
  EXPECT_EQ(code_of(services_->volumes().lease_writer(bob_->caller, volume_)), Code::kForbidden);
  EXPECT_EQ(code_of(services_->blocks().upload_pack(bob_->caller, volume_, block::PackWriter().take())),
            Code::kForbidden);
  auto members = value_of(services_->volumes().members(bob_->caller, volume_));
  ASSERT_EQ(members.size(), 2u);
}

TEST_F(VolumesTest, lists_what_one_is_a_member_of) {
  VolumeId second = add_volume(*ann_);
  add_volume(*bob_);
  auto all = value_of(services_->volumes().list(ann_->caller));
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[0].id, volume_);
  EXPECT_EQ(all[1].id, second);
}

TEST_F(VolumesTest, refuses_bad_volumes) {
  protocol::CreateVolume request;
  request.id = volume_;
  request.sealed_key = Bytes(80, 1);
  auto& volumes = services_->volumes();
  EXPECT_EQ(code_of(volumes.create(ann_->caller, request)), Code::kAlreadyExists);
  EXPECT_EQ(code_of(volumes.create(bob_->caller, request)), Code::kAlreadyExists);
  random_.fill(request.id.value);
  auto wrong = [&](auto change) {
    auto changed = request;
    change(changed);
    return code_of(volumes.create(ann_->caller, changed));
  };
  EXPECT_EQ(wrong([](auto& r) { r.id = {}; }), Code::kInvalidArgument);
  EXPECT_EQ(wrong([](auto& r) { r.sealed_key.clear(); }), Code::kInvalidArgument);
  EXPECT_EQ(wrong([](auto& r) { r.sealed_key.resize(1025); }), Code::kInvalidArgument);
  EXPECT_EQ(wrong([](auto& r) { r.sealed_label.resize(1000); }), Code::kInvalidArgument);
  EXPECT_EQ(wrong([](auto& r) { r.root_mode = 010000; }), Code::kInvalidArgument);
  EXPECT_EQ(wrong([](auto& r) { r.kind = protocol::VolumeKind::kManaged; }), Code::kNotSupported);
  value_of(volumes.create(ann_->caller, request));
}

TEST_F(VolumesTest, writers_get_prefixes_that_nobody_else_has) {
  add_member(volume_, *bob_, protocol::Role::kWriter);
  auto& volumes = services_->volumes();
  WriterId first = value_of(volumes.lease_writer(ann_->caller, volume_)).writer;
  WriterId second = value_of(volumes.lease_writer(ann_->caller, volume_)).writer;
  WriterId third = value_of(volumes.lease_writer(bob_->caller, volume_)).writer;
  const std::set<WriterId> different{first, second, third};
  EXPECT_EQ(different.size(), 3u);
  for (WriterId writer : different) {
    EXPECT_GE(writer, WriterId{1});
    EXPECT_LT(writer, WriterId{1u << 24});
  }
}

TEST_F(VolumesTest, a_prefix_from_before_a_restore_goes_back_to_its_device_and_to_nobody_else) {
  add_member(volume_, *bob_, protocol::Role::kWriter);
  auto& volumes = services_->volumes();
  const WriterId lost{77};  // given out after the backup was made
  EXPECT_EQ(value_of(volumes.claim_writer(ann_->caller, volume_, lost)).writer, lost);
  EXPECT_EQ(value_of(volumes.claim_writer(ann_->caller, volume_, lost)).writer, lost);
  EXPECT_EQ(code_of(volumes.claim_writer(bob_->caller, volume_, lost)), Code::kAlreadyExists);
  EXPECT_EQ(code_of(volumes.claim_writer(bob_->caller, volume_, WriterId{})), Code::kInvalidArgument);
}

TEST_F(VolumesTest, names_the_devices_that_may_have_signed_the_revoked_too) {
  TestDevice idle = add_device(*ann_), phone = add_device(*ann_);
  value_of(services_->volumes().lease_writer(ann_->caller, volume_));
  value_of(services_->volumes().lease_writer(phone.caller, volume_));
  expect_ok(services_->accounts().revoke_device(ann_->caller, phone.caller.device));
  auto devices = value_of(services_->volumes().devices(ann_->caller, volume_));
  ASSERT_EQ(devices.size(), 2u);
  for (const auto& device : devices) {
    EXPECT_NE(device.id, idle.caller.device);
    EXPECT_EQ(device.signing_key, device.id == phone.caller.device ? phone.device.signing_key : ann_->device.signing_key);
  }
}

/// A device that knows more of a volume's history than the server does.
class EpochsTest : public VolumesTest {
 protected:
  void SetUp() override {
    VolumesTest::SetUp();
    writer_ = std::make_unique<TestWriter>(*services_, TestDevice{ann_->user_name, ann_->caller, ann_->key.clone(), ann_->device},
                                           volume_);
    value_of(writer_->submit({chmod(kRootInode, 0700)}));
  }
  Result<protocol::VolumeInfo> say(Epoch epoch, Sequence sequence, Hash256 hash) {
    const Bytes said = ahead_signing_input(volume_, epoch, sequence, hash);
    const auto signature = crypto::ed25519_sign(ann_->key, said);
    return services_->volumes().begin_epoch(ann_->caller, volume_,
                                            {epoch, sequence, hash, Bytes(signature.begin(), signature.end())});
  }
  std::unique_ptr<TestWriter> writer_;
};

TEST_F(EpochsTest, a_device_that_is_ahead_begins_one_once) {
  Hash256 other;
  other.value.fill(9);
  Commit old_epoch = writer_->plan({chmod(kRootInode, 0755)});
  EXPECT_EQ(value_of(say(Epoch{1}, Sequence{5}, other)).epoch, Epoch{2});
  EXPECT_EQ(value_of(say(Epoch{1}, Sequence{7}, other)).epoch, Epoch{2});  // another device of the old epoch
  EXPECT_EQ(code_of(writer_->send(old_epoch)), Code::kResync);
  EXPECT_EQ(code_of(services_->changes().page(ann_->caller, volume_, {}, Epoch{1})), Code::kResync);
  auto page = value_of(services_->changes().page(ann_->caller, volume_, {}, Epoch{2}));
  EXPECT_EQ(page.entries.size(), 1u);  // the chain goes on from where it is
  reopen();
  EXPECT_EQ(info(*ann_, volume_).epoch, Epoch{2});
}

TEST_F(EpochsTest, another_hash_at_the_same_place_is_another_history) {
  Hash256 other;
  other.value.fill(9);
  EXPECT_EQ(value_of(say(Epoch{1}, Sequence{1}, other)).epoch, Epoch{2});
}

TEST_F(EpochsTest, a_backup_from_before_a_restore_gets_a_later_epoch_than_any_device_knows) {
  EXPECT_EQ(value_of(say(Epoch{4}, Sequence{1}, info(*ann_, volume_).head_hash)).epoch, Epoch{5});
}

TEST_F(EpochsTest, nothing_happens_when_the_history_is_the_same_or_the_word_is_false) {
  Hash256 other;
  other.value.fill(9);
  EXPECT_EQ(code_of(say(Epoch{1}, Sequence{1}, info(*ann_, volume_).head_hash)), Code::kInvalidArgument);
  EXPECT_EQ(code_of(say(Epoch{1}, Sequence{0}, {})), Code::kInvalidArgument);
  EXPECT_EQ(code_of(say(Epoch{5000}, Sequence{1}, other)), Code::kInvalidArgument);
  auto& volumes = services_->volumes();
  EXPECT_EQ(code_of(volumes.begin_epoch(ann_->caller, volume_, {Epoch{1}, Sequence{5}, other, Bytes(64, 1)})),
            Code::kBadSignature);
  add_member(volume_, *bob_, protocol::Role::kReader);
  EXPECT_EQ(code_of(volumes.begin_epoch(bob_->caller, volume_, {Epoch{1}, Sequence{5}, other, Bytes(64, 1)})),
            Code::kForbidden);
  EXPECT_EQ(info(*ann_, volume_).epoch, Epoch{1});
}

}  // namespace
}  // namespace skymoor::server
