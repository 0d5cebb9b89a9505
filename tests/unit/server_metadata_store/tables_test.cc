// The contract of every table: what is put in comes out, and nothing else.
#include <gtest/gtest.h>

#include "backend-server/metadata_store/metadata_store.h"
#include "tests/support/temp_dir.h"

namespace skymoor::server {
namespace {

Timestamp at(std::int64_t ns) { return Timestamp{std::chrono::nanoseconds{ns}}; }
template <typename Id>
Id id_of(std::uint8_t seed) {
  Id id;
  id.value.fill(seed);
  return id;
}

class TablesTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto opened = open_sqlite_metadata_store({.file = directory_ / "metadata.db"});
    ASSERT_TRUE(opened.ok());
    store_ = *std::move(opened);
  }
  void update(const MetadataStore::Update& change) {
    Status done = store_->update(change);
    EXPECT_TRUE(done.ok()) << done.error().to_string();
  }
  void read(const MetadataStore::Read& look) {
    Status done = store_->read(look);
    EXPECT_TRUE(done.ok()) << done.error().to_string();
  }
  testing::TempDir directory_;
  std::unique_ptr<MetadataStore> store_;
};

TEST_F(TablesTest, users) {
  UserRow row{id_of<UserId>(1), "ann", Bytes(32, 1), Bytes(129, 2), true,
              {3, Bytes(32, 4), Bytes(32, 5), Bytes(60, 6), {}, Bytes(32, 7)}, at(99)};
  update([&](Tables& t) { return t.accounts.insert_user(row); });
  UserRow other = row;
  other.id = id_of<UserId>(2);
  EXPECT_FALSE(store_->update([&](Tables& t) { return t.accounts.insert_user(other); }).ok()) << "name taken";
  read([&](const ReadTables& t) -> Status {
    for (auto found : {TRY(t.accounts.find_user(row.id)), TRY(t.accounts.find_user_by_name("ann"))}) {
      EXPECT_EQ(found->id, row.id);
      EXPECT_EQ(found->record, row.record);
      EXPECT_EQ(found->credential_id, row.credential_id);
      EXPECT_TRUE(found->admin);
      EXPECT_EQ(found->keys.generation, 3u);
      EXPECT_EQ(found->keys.signing_key, Bytes(32, 5));
      EXPECT_TRUE(found->keys.recovery_wrap.empty());
      EXPECT_EQ(found->created, at(99));
    }
    EXPECT_FALSE(TRY(t.accounts.find_user(other.id)).has_value());
    EXPECT_FALSE(TRY(t.accounts.find_user_by_name("ann' OR '1'='1")).has_value());
    EXPECT_EQ(TRY(t.accounts.count_users()), 1u);
    return {};
  });
  EXPECT_FALSE(store_->update([&](Tables& t) { return t.accounts.set_admin(other.id, true); }).ok());
}

TEST_F(TablesTest, devices) {
  DeviceRow row{{id_of<DeviceId>(1), "laptop", Bytes(32, 1), Bytes(32, 2)}, id_of<UserId>(1), at(5), at(6), false};
  update([&](Tables& t) -> Status {
    TRY(t.accounts.insert_device(row));
    return t.accounts.touch_device(row.device.id, "renamed", at(7));
  });
  read([&](const ReadTables& t) -> Status {
    auto all = TRY(t.accounts.list_devices(row.user));
    EXPECT_EQ(all.size(), 1u);
    EXPECT_EQ(all[0].device.name, "renamed");
    EXPECT_EQ(all[0].device.sealing_key, Bytes(32, 2));
    EXPECT_EQ(all[0].last_seen, at(7));
    EXPECT_EQ(all[0].created, at(5));
    EXPECT_FALSE(all[0].revoked);
    EXPECT_TRUE(TRY(t.accounts.list_devices(id_of<UserId>(2))).empty());
    return {};
  });
  update([&](Tables& t) { return t.accounts.revoke_device(row.device.id); });
  read([&](const ReadTables& t) -> Status {
    EXPECT_TRUE(TRY(t.accounts.find_device(row.device.id))->revoked);
    return {};
  });
}

TEST_F(TablesTest, sessions_and_tokens) {
  update([&](Tables& t) -> Status {
    TRY(t.sessions.insert_session({"s1", id_of<UserId>(1), id_of<DeviceId>(1), at(1), at(100), false}));
    TRY(t.sessions.insert_session({"s2", id_of<UserId>(1), id_of<DeviceId>(2), at(1), at(200), false}));
    TRY(t.sessions.insert_token({id_of<Hash256>(1), "s1", at(1), {}}));
    TRY(t.sessions.insert_token({id_of<Hash256>(2), "s1", at(2), {}}));
    TRY(t.sessions.insert_token({id_of<Hash256>(3), "s2", at(3), {}}));
    TRY(t.sessions.spend_token(id_of<Hash256>(1), at(4)));
    TRY(t.sessions.revoke_sessions_of(id_of<DeviceId>(2)));
    return t.sessions.extend_session("s2", at(300));
  });
  read([&](const ReadTables& t) -> Status {
    EXPECT_EQ(TRY(t.sessions.find_token(id_of<Hash256>(1)))->spent, at(4));
    EXPECT_FALSE(TRY(t.sessions.find_token(id_of<Hash256>(2)))->is_spent());
    EXPECT_FALSE(TRY(t.sessions.find_session("s1"))->revoked);
    EXPECT_TRUE(TRY(t.sessions.find_session("s2"))->revoked);
    EXPECT_EQ(TRY(t.sessions.find_session("s2"))->expires, at(300));
    return {};
  });
  update([&](Tables& t) -> Status {
    TRY(t.sessions.drop_spent("s1", at(10)));
    EXPECT_FALSE(TRY(t.sessions.find_token(id_of<Hash256>(1))).has_value());
    EXPECT_TRUE(TRY(t.sessions.find_token(id_of<Hash256>(2))).has_value());
    TRY(t.sessions.drop_expired(at(101)));
    EXPECT_FALSE(TRY(t.sessions.find_session("s1")).has_value());
    EXPECT_FALSE(TRY(t.sessions.find_token(id_of<Hash256>(2))).has_value());
    EXPECT_TRUE(TRY(t.sessions.find_token(id_of<Hash256>(3))).has_value());
    return {};
  });
}

TEST_F(TablesTest, volumes_and_members) {
  VolumeRow row;
  row.id = id_of<VolumeId>(1);
  row.sealed_label = Bytes(40, 1);
  row.key_epoch = 2;
  row.quota_bytes = 77;
  row.created = at(3);
  VolumeState state{Sequence{9}, id_of<Hash256>(4), 5, 6, 7, Sequence{8}};
  update([&](Tables& t) -> Status {
    row.number = TRY(t.volumes.insert(row));
    TRY(t.volumes.put_member(row.number, {id_of<UserId>(1), protocol::Role::kOwner, Bytes(80, 1), at(1)}));
    TRY(t.volumes.put_member(row.number, {id_of<UserId>(2), protocol::Role::kReader, Bytes(80, 2), at(2)}));
    TRY(t.volumes.put_member(row.number, {id_of<UserId>(2), protocol::Role::kWriter, Bytes(80, 3), at(9)}));
    TRY(t.volumes.set_state(row.number, state));
    return t.volumes.add_stored_bytes(row.number, 11);
  });
  read([&](const ReadTables& t) -> Status {
    auto found = TRY(t.volumes.find_membership(row.id, id_of<UserId>(2)));
    EXPECT_EQ(found->member.role, protocol::Role::kWriter);
    EXPECT_EQ(found->member.sealed_key, Bytes(80, 3));
    EXPECT_EQ(found->member.created, at(2));
    EXPECT_EQ(found->volume.number, row.number);
    EXPECT_EQ(found->volume.state.head, Sequence{9});
    EXPECT_EQ(found->volume.state.head_hash, state.head_hash);
    EXPECT_EQ(found->volume.state.inodes, 5u);
    EXPECT_EQ(found->volume.state.content_bytes, 6u);
    EXPECT_EQ(found->volume.state.manifest_bytes, 7u);
    EXPECT_EQ(found->volume.state.slot_floor, Sequence{8});
    EXPECT_EQ(found->volume.used_bytes(), 18u);
    EXPECT_EQ(found->volume.quota_bytes, 77u);
    EXPECT_FALSE(TRY(t.volumes.find_membership(row.id, id_of<UserId>(3))).has_value());
    EXPECT_FALSE(TRY(t.volumes.find_membership(id_of<VolumeId>(9), id_of<UserId>(1))).has_value());
    EXPECT_EQ(TRY(t.volumes.list_members(row.number)).size(), 2u);
    EXPECT_EQ(TRY(t.volumes.list_memberships(id_of<UserId>(1))).size(), 1u);
    return {};
  });
  update([&](Tables& t) { return t.volumes.remove_member(row.number, id_of<UserId>(2)); });
  read([&](const ReadTables& t) -> Status {
    EXPECT_TRUE(TRY(t.volumes.list_memberships(id_of<UserId>(2))).empty());
    return {};
  });
}

TEST_F(TablesTest, inodes_at_the_edges_of_their_numbers) {
  InodeRow row;
  row.inode = InodeId{~0ull};
  row.attributes = {FileType::kBlockDevice, 07777, ~0u, ~0u, ~0ull, kMaxFileBytes, at(-1), at(INT64_MIN), at(INT64_MAX),
                    at(0)};
  row.links = kMaxLinks;
  row.parent = kRootInode;
  row.sealed_target = Bytes(10, 1);
  row.content_version = Sequence{3};
  row.content = {WriterId{0xffffff}, ~0ull};
  row.manifest_bytes = 4;
  row.xattrs = 5;
  row.checked = Sequence{6};
  row.children = Sequence{7};
  row.touched = Sequence{8};
  VolumeNumber volume{1};
  update([&](Tables& t) { return t.names.insert_inode(volume, row); });
  auto compare = [&](const InodeRow& found) {
    EXPECT_EQ(found.attributes, row.attributes);
    EXPECT_EQ(found.links, row.links);
    EXPECT_EQ(found.parent, row.parent);
    EXPECT_EQ(found.sealed_target, row.sealed_target);
    EXPECT_EQ(found.content, row.content);
    EXPECT_EQ(found.content_version, row.content_version);
    EXPECT_EQ(found.manifest_bytes, row.manifest_bytes);
    EXPECT_EQ(found.xattrs, row.xattrs);
    EXPECT_EQ(found.checked, row.checked);
    EXPECT_EQ(found.children, row.children);
    EXPECT_EQ(found.touched, row.touched);
  };
  read([&](const ReadTables& t) -> Status {
    compare(*TRY(t.names.find_inode(volume, row.inode)));
    EXPECT_FALSE(TRY(t.names.find_inode(VolumeNumber{2}, row.inode)).has_value());
    return {};
  });
  row.attributes.mode = 0;
  row.attributes.size = 1;
  row.links = 0;
  row.checked = row.children = row.touched = Sequence{9};
  update([&](Tables& t) { return t.names.update_inode(volume, row); });
  read([&](const ReadTables& t) -> Status {
    compare(*TRY(t.names.find_inode(volume, row.inode)));
    return {};
  });
}

TEST_F(TablesTest, slots_and_their_vacancies) {
  VolumeNumber volume{1};
  InodeRow inode;
  inode.inode = InodeId{5};
  NameToken token = id_of<NameToken>(1);
  update([&](Tables& t) -> Status {
    TRY(t.names.insert_inode(volume, inode));
    return t.names.insert_slot(volume, kRootInode, token, {to_bytes("n"), inode.inode, Sequence{1}});
  });
  EXPECT_FALSE(store_
                   ->update([&](Tables& t) {
                     return t.names.insert_slot(volume, kRootInode, token, {to_bytes("m"), inode.inode, Sequence{2}});
                   })
                   .ok());
  read([&](const ReadTables& t) -> Status {
    EXPECT_EQ(TRY(t.names.find_slot(volume, kRootInode, token))->sealed_name, to_bytes("n"));
    EXPECT_FALSE(TRY(t.names.find_slot(volume, InodeId{2}, token)).has_value());
    EXPECT_EQ(TRY(t.names.list_tokens(volume, kRootInode, 10)).size(), 1u);
    std::size_t seen = 0;
    TRY(t.names.visit_entries(volume, kRootInode, {}, 10, [&](EntryRow entry) -> Result<bool> {
      EXPECT_EQ(entry.inode.inode, inode.inode);
      EXPECT_EQ(entry.token, token);
      ++seen;
      return true;
    }));
    TRY(t.names.visit_entries(volume, kRootInode, token, 10, [&](EntryRow) -> Result<bool> {
      ++seen;
      return true;
    }));
    EXPECT_EQ(seen, 1u);
    return {};
  });
  update([&](Tables& t) -> Status {
    TRY(t.names.remove_slot(volume, kRootInode, token, Sequence{3}));
    EXPECT_EQ(TRY(t.names.find_vacated(volume, kRootInode, token)), Sequence{3});
    TRY(t.names.remove_slot(volume, kRootInode, token, Sequence{7}));
    EXPECT_EQ(TRY(t.names.find_vacated(volume, kRootInode, token)), Sequence{7});
    TRY(t.names.drop_vacated(volume, Sequence{6}));
    EXPECT_EQ(TRY(t.names.find_vacated(volume, kRootInode, token)), Sequence{7});
    TRY(t.names.drop_vacated(volume, Sequence{7}));
    EXPECT_EQ(TRY(t.names.find_vacated(volume, kRootInode, token)), Sequence{0});
    return {};
  });
}

TEST_F(TablesTest, the_feed_and_its_op_ids) {
  VolumeNumber volume{1};
  update([&](Tables& t) -> Status {
    for (std::uint64_t i = 1; i <= 3; ++i) {
      ChangeRow row;
      row.entry = {Sequence{i}, id_of<Hash256>(static_cast<std::uint8_t>(i)), {Bytes(i, 1), {}}};
      row.entry.commit.signature.fill(static_cast<std::uint8_t>(i));
      row.op = {WriterId{1}, i * 10};
      row.payload_hash = id_of<Hash256>(99);
      TRY(t.changes.append(volume, row));
    }
    return {};
  });
  read([&](const ReadTables& t) -> Status {
    EXPECT_EQ(TRY(t.changes.find_operation(volume, {WriterId{1}, 20}))->sequence, Sequence{2});
    EXPECT_FALSE(TRY(t.changes.find_operation(volume, {WriterId{2}, 20})).has_value());
    EXPECT_FALSE(TRY(t.changes.find_operation(VolumeNumber{2}, {WriterId{1}, 20})).has_value());
    EXPECT_EQ(TRY(t.changes.hash_at(volume, Sequence{0})), Hash256{});
    EXPECT_EQ(TRY(t.changes.hash_at(volume, Sequence{3})), id_of<Hash256>(3));
    EXPECT_FALSE(t.changes.hash_at(volume, Sequence{4}).ok());
    std::vector<std::uint64_t> seen;
    TRY(t.changes.visit(volume, Sequence{1}, [&](FeedEntry entry) -> Result<bool> {
      EXPECT_EQ(entry.commit.signature[63], entry.sequence.value);
      EXPECT_EQ(entry.commit.payload.size(), entry.sequence.value);
      seen.push_back(entry.sequence.value);
      return true;
    }));
    EXPECT_EQ(seen, (std::vector<std::uint64_t>{2, 3}));
    return {};
  });
}

TEST_F(TablesTest, blocks) {
  VolumeNumber volume{1};
  BlockId id = id_of<BlockId>(1);
  update([&](Tables& t) -> Status {
    EXPECT_TRUE(TRY(t.blocks.insert(volume, {id, 100, 0, at(5)})));
    EXPECT_FALSE(TRY(t.blocks.insert(volume, {id, 100, 0, at(6)})));
    TRY(t.blocks.add_reference(volume, id));
    TRY(t.blocks.add_reference(volume, id));
    auto row = TRY(t.blocks.find(volume, id));
    EXPECT_EQ(row->references, 2u);
    EXPECT_EQ(row->stored_bytes, 100u);
    EXPECT_EQ(row->first_stored, at(5));
    EXPECT_FALSE(TRY(t.blocks.find(VolumeNumber{2}, id)).has_value());
    Status missing = t.blocks.add_reference(VolumeNumber{2}, id);
    EXPECT_FALSE(missing.ok());
    EXPECT_EQ(missing.error().code(), Code::kBlockMissing);
    return {};
  });
}

}  // namespace
}  // namespace skymoor::server
